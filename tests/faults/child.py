"""Commands in processes that fork from one which has imported everything.

Importing torch takes longer than generating these samples, and a fault needs two runs or more. The process
that forks has started no thread, opened no file and drawn no random number: it is in the state of
``t2vbatch`` after its imports. Ray starts its workers as always.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from t2vbatch import cli
from tests.faults import points

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["t2vbatch.engines.ray", "t2vbatch.models", "tests.faults.child"])


class Running:
    """A process that runs a job."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    def send_signal(self, kind: signal.Signals) -> None:
        """Send a signal, as ``kill`` does."""
        assert self._process.pid is not None
        os.kill(self._process.pid, kind)

    def kill(self) -> None:
        """SIGKILL; without effect after the end of the process."""
        self._process.kill()

    def wait(self, seconds: float) -> int:
        """The exit code; negative for a signal. Raises TimeoutError."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise TimeoutError(f"the run went on for more than {seconds:g} s")
        return self._process.exitcode


@contextmanager
def started(
    arguments: Sequence[str], log: Path, environment: Mapping[str, str], point: str = "", nth: int = 1
) -> Iterator[Running]:
    """``t2vbatch`` with these arguments, ended with the block at the latest; its output goes to ``log``.

    Args:
        environment: variables in addition to this process's own.
        point: of ``points.POINTS``, where a fault fails at the ``nth`` pass; empty for none.
    """
    process = _FORKS.Process(target=_run, args=(list(arguments), log, dict(environment), point, nth))
    process.start()
    running = Running(process)
    try:
        yield running
    finally:
        running.kill()
        process.join()


def _run(arguments: list[str], log: Path, environment: Mapping[str, str], point: str, nth: int) -> None:
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    if point:
        points.arm_run(point, nth, log.with_name("injected"))
    sys.argv = ["t2vbatch", *arguments]
    cli.command()
