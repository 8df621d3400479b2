"""What an engine is, and what it asks of the run that uses it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from t2vbatch.job import Job
from t2vbatch.output.records import Status
from t2vbatch.plan import Unit
from t2vbatch.schedule import Ending, Progress
from t2vbatch.worker.protocol import Factory, Failure

__all__ = ["Ending", "Engine", "Progress", "RunCallbacks"]


P = TypeVar("P")


@dataclass(frozen=True)
class RunCallbacks(Generic[P]):
    """What an engine asks of a run and reports to it. The driver calls these functions from one thread.

    Attributes:
        payload: all that a worker needs for a position. Raises RowError if the row has none.
        committed: the status that was committed for a position, or None. Asked before a repeated attempt.
        quarantine: commits, with the number of attempts and the failure, that a position failed.
        progress: takes the state of the run after changes, at most ten times a second while all goes well.
    """

    payload: Callable[[int], P]
    committed: Callable[[int], Status | None]
    quarantine: Callable[[int, int, Failure], None]
    progress: Callable[[Progress], None]


class Engine(Protocol):
    """Runs the pending units."""

    def run(
        self,
        units: Mapping[str, Sequence[Unit]],
        job: Job,
        factories: Mapping[str, Factory[P]],
        callbacks: RunCallbacks[P],
    ) -> Ending:
        """Bring every position to a result; both mappings are by model.

        Returns:
            ``finished`` when every position is committed or quarantined; with positions pending
            ``interrupted`` after a signal, and ``spent`` when the job's budget is used up.

        Raises:
            UsageError: the job needs something that this machine or cluster does not have, or a model
                cannot be loaded.
            RunError: the run cannot continue. Committed samples stay.
        """
