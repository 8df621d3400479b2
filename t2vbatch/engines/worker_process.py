"""The code inside a worker's process: holds one worker, and answers every call with an event.

Exceptions become events here, in the worker's process, because some libraries' exceptions cannot be pickled.
"""

import platform
from collections.abc import Sequence
from typing import Any

from t2vbatch.errors import DeadlineError, MemoryExceededError, RunError, UsageError
from t2vbatch.models.steps import StepClock
from t2vbatch.schedule import Event
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Factory, Failure, Work, WorkerLike


class WorkerProcess:
    """Holds one worker once ``load`` has been called.

    Args:
        timeout_s: seconds for generating a unit; checked after each denoising step.
    """

    def __init__(self, number: int, timeout_s: float | None = None) -> None:
        self._number, self._timeout_s = number, timeout_s
        self._steps = StepClock()
        self._worker: WorkerLike[Any] | None = None

    def load(self, factory: Factory[Any], name: str, device: str, memory: Sequence[str]) -> Event:
        """Load the model: Started, StartFailed or Fatal."""
        try:
            self._worker = factory(name, device, memory)
        except (Exception, SystemExit) as error:
            return start_failed(self._number, error)
        return m.Started(self._number, self.node())

    def generate(self, work: Work[Any]) -> Event:
        """Generate a unit: Generated, Failed or Fatal."""
        try:
            with self._steps.deadline(self._timeout_s):
                self._loaded.generate(work)
        except (Exception, SystemExit) as error:
            return failed(self._number, work.key, error)
        return m.Generated(self._number, work.key)

    def finish(self, key: int) -> Event:
        """Finish a unit: Finished, Failed or Fatal."""
        try:
            outcomes = self._loaded.finish(key)
        except (Exception, SystemExit) as error:
            return failed(self._number, key, error)
        return m.Finished(self._number, key, outcomes)

    def heartbeat(self) -> Event:
        """Show that the process runs, and how many denoising steps its model has done."""
        return m.Heartbeat(self._number, self._steps.count)

    def node(self) -> str:
        """The node of this process, by the name that the engine uses."""
        return platform.node()

    @property
    def _loaded(self) -> WorkerLike[Any]:
        assert self._worker is not None
        return self._worker


def start_failed(worker: int, error: BaseException) -> Event:
    """The event for an exception while a worker loaded its model."""
    if isinstance(error, UsageError | RunError):
        return m.Fatal(error)
    return m.StartFailed(worker, Failure.of(error), isinstance(error, MemoryExceededError | MemoryError))


def failed(worker: int, key: int, error: BaseException) -> Event:
    """The event for an exception from a worker's ``generate`` or ``finish``."""
    match error:
        case UsageError() | RunError():
            return m.Fatal(error)
        case MemoryExceededError() | MemoryError():
            return m.Failed(worker, key, "memory", Failure.of(error))
        case DeadlineError():
            return m.Failed(worker, key, "timeout", Failure.of(error))
        case _:
            return m.Failed(worker, key, "row", Failure.of(error))
