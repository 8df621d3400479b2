"""The signals that stop a command: Ctrl-C, SIGTERM, and the SIGHUP of a closed terminal."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def on_stop(stop: Callable[[str], None]) -> Iterator[None]:
    """Within the block, call ``stop`` for a signal: with ``interrupted``, or ``stopped by SIGTERM``.

    Signals that the process ignores stay ignored: nohup makes it ignore SIGHUP.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        stop("interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}")

    heeded = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = [(number, signal.signal(number, handle)) for number in heeded]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
