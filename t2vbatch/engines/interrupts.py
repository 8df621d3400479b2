"""Ctrl-C, SIGTERM and the SIGHUP of a closed terminal, counted instead of thrown."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_Handler = Callable[[int, FrameType | None], Any] | int | None


class Interrupts:
    """Counts interrupts.

    Attributes:
        count: so far.
        urgent: whether the second interrupt raises KeyboardInterrupt in the main thread, because that thread
            may be inside a model.
    """

    def __init__(self, urgent: bool) -> None:
        self.count, self.urgent = 0, urgent

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.urgent and self.count > 1:
            raise KeyboardInterrupt


@contextmanager
def interrupts(urgent: bool = False) -> Iterator[Interrupts]:
    """Count interrupts within the block. Only the main thread receives signals; others count none."""
    counted = Interrupts(urgent)
    if threading.current_thread() is not threading.main_thread():
        yield counted
        return
    # nohup ignores SIGHUP, and so does the run then.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before: list[_Handler] = [signal.signal(number, counted._handle) for number in heeded]
    try:
        yield counted
    finally:
        for number, handler in zip(heeded, before, strict=True):
            # None: the handler was not set from Python, and Python cannot restore it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
