"""The code inside a worker's process: holds one worker, and answers every call with an event.

Exceptions become events here, in the worker's process, because some libraries' exceptions cannot be pickled.
"""

import platform
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from t2vbatch.errors import (
    BrokenInputError,
    DeadlineError,
    InputError,
    LeaseHeldError,
    MemoryExceededError,
    NodeError,
    RunError,
    StoreError,
    UsageError,
)
from t2vbatch.models.steps import StepClock
from t2vbatch.schedule import Event
from t2vbatch.schedule import messages as m
from t2vbatch.schedule.together import TOGETHER_S
from t2vbatch.worker.protocol import Factory, Failure, Work, WorkerLike

SCRATCH_BYTES = 1 << 20
"""A node on which not even this much can be written to a temporary file cannot finish any video."""

_PERMANENT = (TypeError, ImportError, AttributeError, NameError, NotImplementedError)
"""Errors of code and signatures: the same call raises them again."""

_OF_CALLS = (ValueError, RuntimeError, IndexError, KeyError, AssertionError, ZeroDivisionError)
"""Errors that shapes and values raise. Subclasses do not count: those of torch are errors of the device."""

_OF_THE_MACHINE = re.compile(
    r"cuda|cudnn|cublas|cusolver|cusparse|cufft|nvrtc|nccl|rocm|triton|\b(hip|mps|xpu|gpu)\b|device|driver|"
    r"memory|alloc|mmap|timed?[ -]?out|connect|network|socket|\bfiles?\b|disk|i/o|temporar|unavailable|busy",
    re.IGNORECASE,
)
"""Words of errors that may be gone at the next attempt."""

_clock = time.monotonic


class WorkerProcess:
    """Holds one worker once ``load`` has been called.

    Args:
        timeout_s: seconds for generating a unit; checked after each denoising step.
    """

    def __init__(self, number: int, timeout_s: float | None = None) -> None:
        self._number, self._timeout_s = number, timeout_s
        self._steps = StepClock()
        self._worker: WorkerLike[Any] | None = None

    def place(self) -> Event:
        """Answer with the node of this process, before it loads a model."""
        return m.Placed(self._number, self.node())

    def load(self, factory: Factory[Any], name: str, device: str, memory: Sequence[str]) -> Event:
        """Load the model: Started, StartFailed, NodeFailed or Fatal."""
        try:
            self._worker = factory(name, device, memory)
        except (Exception, SystemExit) as error:
            return self._node_failed(error) or start_failed(self._number, error)
        return m.Started(self._number, self.node())

    def generate(self, work: Work[Any]) -> Event:
        """Generate a unit: Generated, Failed, NodeFailed or Fatal."""
        try:
            with self._steps.deadline(self._timeout_s):
                held_bytes = self._loaded.generate(work)
        except (Exception, SystemExit) as error:
            return self._node_failed(error, work.key) or failed(self._number, work.key, error)
        return m.Generated(self._number, work.key, held_bytes or 0)

    def finish(self, key: int) -> Event:
        """Finish a unit: Finished, Failed, NodeFailed or Fatal."""
        try:
            outcomes = self._loaded.finish(key)
        except (Exception, SystemExit) as error:
            return self._node_failed(error, key) or failed(self._number, key, error)
        bad = [outcome for outcome in outcomes if outcome.status == "failed"]
        if bad and (problem := scratch_problem()):
            # The samples that failed are pending again; the others of the unit have their records.
            return m.NodeFailed(self._number, self.node(), platform.node(), problem, key)
        return m.Finished(self._number, key, outcomes)

    def generate_all(self, works: Sequence[Work[Any]]) -> list[Event]:
        """Generate units one after the other; one event for each.

        Those that have not begun after TOGETHER_S, or after an error of the node or the run, are returned.
        """
        until, events = _clock() + TOGETHER_S, [self.generate(works[0])]
        for work in works[1:]:
            goes_on = isinstance(events[-1], m.Generated | m.Failed) and _clock() < until
            events.append(self.generate(work) if goes_on else m.Returned(self._number, work.key))
        return events

    def finish_all(self, keys: Sequence[int]) -> list[Event]:
        """Finish units one after the other, for TOGETHER_S and at least one; an event for each of them."""
        until, events = _clock() + TOGETHER_S, [self.finish(keys[0])]
        for key in keys[1:]:
            if _clock() >= until:
                break
            events.append(self.finish(key))
        return events

    def heartbeat(self) -> Event:
        """Show that the process runs, and how many denoising steps its model has done."""
        return m.Heartbeat(self._number, self._steps.count)

    def node(self) -> str:
        """The node of this process, by the name that the engine uses."""
        return platform.node()

    def _node_failed(self, error: BaseException, key: int | None = None) -> m.NodeFailed | None:
        """The event if the node is at fault, by the error or because its scratch space is full; else None."""
        if isinstance(error, LeaseHeldError):
            return None  # Every node would fail with it.
        problem: RunError | None = error if isinstance(error, NodeError) else scratch_problem()
        if problem is None and isinstance(error, StoreError):
            problem = error
        if problem is None:
            return None
        return m.NodeFailed(self._number, self.node(), platform.node(), problem, key)

    @property
    def _loaded(self) -> WorkerLike[Any]:
        assert self._worker is not None
        return self._worker


def start_failed(worker: int, error: BaseException) -> Event:
    """The event for an exception while a worker loaded its model."""
    if isinstance(error, UsageError | RunError):
        return m.Fatal(error)
    out_of_memory = isinstance(error, MemoryExceededError | MemoryError)
    return m.StartFailed(worker, Failure.of(error), out_of_memory, is_permanent(error))


def failed(worker: int, key: int, error: BaseException) -> Event:
    """The event for an exception from a worker's ``generate`` or ``finish``."""
    match error:
        case UsageError() | RunError():
            return m.Fatal(error)
        case MemoryExceededError() | MemoryError():
            return m.Failed(worker, key, "memory", Failure.of(error))
        case DeadlineError():
            return m.Failed(worker, key, "timeout", Failure.of(error))
        case BrokenInputError():
            return m.Failed(worker, key, "broken_input", Failure.of(error))
        case InputError():
            return m.Failed(worker, key, "input", Failure.of(error))
        case _:
            return m.Failed(worker, key, _charge(error), Failure.of(error))


def _charge(error: BaseException) -> m.Charge:
    if is_permanent(error):
        return "permanent"
    return "call" if is_of_the_call(error) else "row"


def is_permanent(error: BaseException) -> bool:
    """Whether the same call would raise the error again, by its type and that of its causes."""
    return any(isinstance(cause, _PERMANENT) for cause in _causes(error))


def is_of_the_call(error: BaseException) -> bool:
    """Whether the call's own values may have raised the error, and nothing shows a fault of the machine.

    An error of shapes counts. An error of the device, of a file or of the network does not count, and neither
    does an error that was raised while one of those was handled.
    """
    known = any(type(cause) in _OF_CALLS for cause in _causes(error))
    return known and not any(
        isinstance(cause, OSError | EOFError | MemoryError) or _OF_THE_MACHINE.search(str(cause))
        for cause in _causes(error, handled=True)
    )


def _causes(error: BaseException, handled: bool = False) -> Iterator[BaseException]:
    """The error and its causes; with ``handled`` also the errors that were handled when they were raised."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (cause.__context__ if handled else None)


def scratch_problem() -> NodeError | None:
    """Why no temporary file can be written on this node now; None if a file can be written.

    Asked after a failure, when the files of the failed sample are deleted: one sample that is too large for
    the disk is that sample's failure, a disk that stays full is the node's.
    """
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(SCRATCH_BYTES))
            file.flush()
    except OSError as error:
        reason = error.strerror or str(error)
        return NodeError(f"temporary files cannot be written in {_scratch_folder()}: {reason}")
    return None


def _scratch_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return "any temporary folder"
