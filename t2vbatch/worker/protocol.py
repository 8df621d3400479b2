"""What crosses between the engine and a worker, and nothing else does: a unit of work, and what came of it.

All of it is small and picklable. Frames never leave the worker's process.
"""

import traceback as tracebacks
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from t2vbatch.output.records import Status
from t2vbatch.plan import Sample

OFFLOAD_LEVELS: tuple[tuple[str, ...], ...] = ((), ("model_cpu_offload",), ("sequential_cpu_offload",))
"""Savings of device memory, each smaller and slower than the one before; the pixels stay the same. A unit
that runs out of memory is tried with the next one."""


@dataclass(frozen=True)
class Work:
    """One attempt at one unit.

    Attributes:
        key: names this attempt; never used twice in a run.
        positions: of the samples in the plan.
        samples: in the order of ``positions``.
        attempts: of each sample: 1 for the first, one more after every charged failure.
    """

    key: int
    positions: tuple[int, ...]
    samples: tuple[Sample, ...]
    attempts: tuple[int, ...]


@dataclass(frozen=True)
class Failure:
    """Why a sample could not be made, in words that its record keeps."""

    error_type: str
    error: str
    traceback: str | None = None

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """The failure that this exception tells of."""
        lines = tracebacks.format_exception(error)
        return cls(type(error).__name__, str(error) or repr(error), "".join(lines))


@dataclass(frozen=True)
class Outcome:
    """What became of one sample.

    ``ok`` and ``degenerate`` are committed: a record stands in the store. ``failed`` is not; it carries the
    failure, which is charged to this sample alone, however many samples its unit had.
    """

    position: int
    status: Status
    failure: Failure | None = None


class WorkerLike(Protocol):
    """One loaded model in one process.

    ``generate`` is called by one thread and ``finish`` by another, at the same time, for different keys.
    Both raise SampleError for a failure that the unit is charged for, MemoryExceededError for one that a
    smaller footprint may mend, and UsageError or RunError for one that no retry can mend.
    """

    def generate(self, work: Work) -> None:
        """Make the frames of every sample and keep them here under ``work.key``."""

    def finish(self, key: int) -> tuple[Outcome, ...]:
        """Encode, verify, score and commit what ``generate`` left under the key, and free it.

        One outcome a sample. The frames are freed however this ends.
        """


class Factory(Protocol):
    """Loads a model in the process of its worker. It gets there by pickling, so it is small."""

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> WorkerLike:
        """Load the model.

        Args:
            name: what records call this worker.
            device: a torch device, ``cuda`` or ``cpu``.
            memory: savings on top of the job's own, one of OFFLOAD_LEVELS.

        Raises:
            UsageError or RunError: where no retry can help.
            MemoryExceededError: the model does not fit.
        """
