"""Runs of a job in processes of their own, which fork from one that has imported everything.

Importing torch takes longer than making these samples, and a fault needs two runs or more. What is forked has
not started a thread, opened a file or drawn a number of its own yet: it is where ``t2vbatch`` is after its
imports. Workers of Ray are started by Ray, as always.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
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
        """SIGKILL; nothing happens where it has ended."""
        self._process.kill()

    def wait(self, seconds: float) -> int:
        """The exit code, minus the signal that ended it. Raises TimeoutError."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise TimeoutError(f"the run went on for more than {seconds:g} s")
        return self._process.exitcode


@contextmanager
def started(
    job: Path, log: Path, environment: Mapping[str, str], point: str = "", nth: int = 1
) -> Iterator[Running]:
    """``t2vbatch run JOB``, ended with the block at the latest; what it says is added to ``log``.

    Args:
        environment: what is added to this process's own.
        point: of ``points.POINTS``, where a fault strikes at the ``nth`` pass; empty for none.
    """
    process = _FORKS.Process(target=_run, args=(job, log, dict(environment), point, nth))
    process.start()
    running = Running(process)
    try:
        yield running
    finally:
        running.kill()
        process.join()


def _run(job: Path, log: Path, environment: Mapping[str, str], point: str, nth: int) -> None:
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    if point:
        points.arm_run(point, nth, log.with_name("struck"))
    sys.argv = ["t2vbatch", "run", str(job)]
    cli.command()
