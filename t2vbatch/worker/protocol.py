"""The messages between an engine and a worker: a unit of work, and the outcome of each of its samples.

All messages are small and picklable. Frames never leave the worker's process.
"""

import traceback as tracebacks
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from t2vbatch.job.secrets import redacted
from t2vbatch.output.records import Status

OFFLOAD_LEVELS: tuple[tuple[str, ...], ...] = ((), ("model_cpu_offload",), ("sequential_cpu_offload",))
"""Memory settings, each with less device memory and a lower speed than the one before, and the same pixels.
A unit that runs out of memory is retried with the next one."""


P_co = TypeVar("P_co", covariant=True)
P_contra = TypeVar("P_contra", contravariant=True)


@dataclass(frozen=True)
class Work(Generic[P_co]):
    """One attempt at one unit. Engines carry payloads and never look into them.

    Attributes:
        key: identifies this attempt; unique within a run.
        positions: positions of the payloads in the run.
        payloads: what the worker needs for each position: a sample to generate, a video to score.
        attempts: number of the attempt at each position: 1 at first, plus one for every charged failure.
    """

    key: int
    positions: tuple[int, ...]
    payloads: tuple[P_co, ...]
    attempts: tuple[int, ...]


@dataclass(frozen=True)
class Failure:
    """Why a sample could not be generated; its record keeps these texts."""

    error_type: str
    error: str
    traceback: str | None = None

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """The failure for an exception."""
        lines = tracebacks.format_exception(error)
        return cls(type(error).__name__, redacted(str(error) or repr(error)), redacted("".join(lines)))


@dataclass(frozen=True)
class Outcome:
    """The result of an attempt at one sample.

    With ``ok`` and ``degenerate`` the sample has a record in the store. With ``failed`` it has none; the
    failure is charged to this sample alone, even if its unit had several.
    """

    position: int
    status: Status
    failure: Failure | None = None


class WorkerLike(Protocol[P_contra]):
    """One loaded model in one process.

    One thread calls ``generate`` and ``workers.finish`` others call ``finish``, at the same time, for
    different keys. Both raise SampleError for a failure that the unit is charged for, MemoryExceededError
    if less memory may help, and UsageError or RunError if no retry can help.
    """

    def generate(self, work: Work[P_contra]) -> int | None:
        """Generate the frames of every sample and keep them in this process under ``work.key``.

        Returns the bytes that they take; None if they need not be bounded.
        """

    def finish(self, key: int) -> tuple[Outcome, ...]:
        """Encode, verify, score and commit the unit under this key.

        Returns one outcome per sample. The frames are freed even if this raises.
        """


class Factory(Protocol[P_contra]):
    """Loads a model in the process of its worker; it is pickled on the way, so it is small."""

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> WorkerLike[P_contra]:
        """Load the model.

        Args:
            name: of the worker, for records.
            device: a torch device, ``cuda`` or ``cpu``.
            memory: settings in addition to the job's own, one of OFFLOAD_LEVELS.

        Raises:
            UsageError or RunError: no retry can help.
            MemoryExceededError: the model does not fit.
        """
