"""What crosses between the engine and a worker, and nothing else does: a unit of work, and what came of it.

All of it is small and picklable. Frames never leave the worker's process.
"""

import traceback as tracebacks
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from t2vbatch.plan import Sample
from t2vbatch.records import Status

Footprint = Literal["full", "model_offload", "sequential_offload"]
"""How much device memory a worker may use. The smaller ones are slower; the pixels are the same."""

FOOTPRINTS: tuple[Footprint, ...] = ("full", "model_offload", "sequential_offload")
"""From the largest to the smallest; a unit that runs out of memory moves one to the right."""


@dataclass(frozen=True)
class Work:
    """One attempt at one unit.

    Attributes:
        key: names this attempt; never used twice in a run.
        attempt: 1 for the first, one more after every charged failure.
        positions: of the samples in the plan.
        samples: in the order of ``positions``.
    """

    key: int
    attempt: int
    positions: tuple[int, ...]
    samples: tuple[Sample, ...]


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


Factory = Callable[[Footprint], WorkerLike]
"""Loads a model and returns its worker; called in the worker's process, so it must survive pickling."""
