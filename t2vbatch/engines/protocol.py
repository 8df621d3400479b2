"""What an engine is, and what it asks of the run that uses it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from t2vbatch.job import Job
from t2vbatch.output.records import Status
from t2vbatch.plan import Sample, Unit
from t2vbatch.schedule import Ending, Progress
from t2vbatch.worker.protocol import Factory, Failure

__all__ = ["Ending", "Engine", "Progress", "RunCallbacks"]


class RunCallbacks(Protocol):
    """What an engine asks of the run, and reports to it. Called by the driver, from one thread."""

    def sample(self, position: int) -> Sample:
        """Everything that a worker needs for this sample. Raises RowError where an input is missing."""

    def committed(self, position: int) -> Status | None:
        """The status in the sample's record, None where it has none. Called before an attempt is repeated."""

    def quarantine(self, position: int, attempts: int, failure: Failure) -> None:
        """Commit a record with status ``failed``."""

    def progress(self, progress: Progress) -> None:
        """Report the counts of the run, after every change."""


class Engine(Protocol):
    """Runs the pending units."""

    def run(
        self,
        units: Mapping[str, Sequence[Unit]],
        job: Job,
        factories: Mapping[str, Factory],
        ledger: RunCallbacks,
    ) -> Ending:
        """Bring every sample to a record; both mappings are by model.

        Returns:
            ``finished`` when every sample is committed or quarantined, ``interrupted`` when Ctrl-C or SIGTERM
            left some pending.

        Raises:
            UsageError: the job needs something that this machine or cluster does not have, or a model cannot
                be
                loaded.
            RunError: the run cannot continue. Committed samples stay.
        """
