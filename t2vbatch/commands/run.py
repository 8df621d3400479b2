"""The whole story of a run: what is asked for, what is there, what is made of the difference."""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.distance.measure import measure
from t2vbatch.analysis.distance.spec import distance_specs
from t2vbatch.analysis.summary import Summary
from t2vbatch.commands.bad_rows import record_bad_rows
from t2vbatch.commands.prepare import Prepared
from t2vbatch.commands.rebuild import rebuild
from t2vbatch.engines import Ending, Engine, Progress, RunCallbacks
from t2vbatch.errors import StoreError, T2VBatchError
from t2vbatch.exchange.trackers import check_trackers, track
from t2vbatch.job import Job
from t2vbatch.output.folding import Folding
from t2vbatch.output.records import Record, Status
from t2vbatch.output.store import Store, open_store
from t2vbatch.plan import Plan, Sample
from t2vbatch.plan.units import EVERYTHING, Selection, pending, position_count
from t2vbatch.worker.factory import WorkerFactory
from t2vbatch.worker.protocol import Failure

_log = logging.getLogger(__name__)

Watch = Callable[[Progress], None]
"""Is told where the run stands, after every change."""

# Often enough for somebody who watches, seldom enough for an object store that bills by the request.
_STATUS_EVERY_S = 2.0


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        made: videos that this run made; those that were there before are not counted.
        ending: ``finished``, or ``interrupted`` with samples pending.
        selected: whether it was a run of selected samples.
        tracked: tracker: where the run is to be seen there; those that did not take it are not in it.
    """

    summary: Summary
    made: int
    ending: Ending
    output: str
    tracked: Mapping[str, str] = field(default_factory=dict)
    selected: bool = False


def run_job(
    prepared: Prepared,
    engine: Callable[[Job], Engine],
    watch: Watch = lambda progress: None,
    retry_failed: bool = False,
    selection: Selection = EVERYTHING,
) -> Result:
    """Bring the output up to date with manifest and job; finished samples are not generated again.

    Args:
        engine: makes the engine; called only if a sample is pending.
        retry_failed: retry the samples that an earlier run gave up on.
        selection: generate only these of the pending samples. Distances and trackers wait for a run of all.

    Raises:
        UsageError: the job needs something that this machine does not have.
        RunError: the run failed; finished videos are kept.
    """
    job, plan = prepared.job, prepared.plan
    check_trackers(job.trackers)
    with open_store(job.output).lease() as store:
        store.write_job(job)
        store.write_table("plan.parquet", plan.table)
        record_bad_rows(store, plan)
        records = _kept(store, plan, retry_failed)
        ending: Ending = "finished"
        try:
            with job.with_location():
                if units := pending(plan, records, job, selection):
                    factories = {
                        name: WorkerFactory(job, name, prepared.facts[name], store, plan.shared[name])
                        for name in units
                    }
                    status = _StatusFile(store, watch)
                    status.begin(sum(position_count(of_model) for of_model in units.values()))
                    with Folding(store.log) as folding:
                        callbacks = _callbacks(plan, store, folding, status.progress)
                        ending = engine(job).run(units, job, factories, callbacks)
                if ending == "finished" and job.distances and not selection:
                    ending = measure(store, plan, job, distance_specs(job), engine, watch)
        except T2VBatchError:
            # What was finished before the failure belongs into the tables, if they can be written.
            with contextlib.suppress(StoreError):
                rebuild(store, plan, job)
            raise
        before = _videos(plan, records)
        summary = rebuild(store, plan, job)
    # After the lease: a slow server holds nobody up.
    tracked = _tracked(store, job) if ending == "finished" and not selection else {}
    return Result(summary, summary.timing.videos - before, ending, store.uri, tracked, bool(selection))


def _tracked(store: Store, job: Job) -> dict[str, str]:
    """Send the finished run to the job's trackers; what one of them has against it costs a warning."""
    places: dict[str, str] = {}
    for name, tracker in job.trackers.items():
        try:
            places[name] = track(store, name, tracker)
        except T2VBatchError as error:
            _log.warning(
                "%s\nThe output is whole; to try again: t2vbatch track %s --to %s", error, store.uri, name
            )
    return places


def _kept(store: Store, plan: Plan, retry_failed: bool) -> pa.Table:
    """The records, less those that no longer hold: given up but to be retried, or superseded.

    A record is superseded when a sample that is pending will write its video over that record's. It goes
    first, so that no record ever names a file that is not its own.
    """
    records = kept = store.records()
    if retry_failed:
        # The record of a bad row stays, because no retry changes the row.
        bad = pc.is_in(kept["sample_id"], pa.array(list(plan.bad), pa.string()))
        kept = kept.filter(pc.or_(pc.not_equal(kept["status"], "failed"), bad))
    while True:
        missing = plan.table.filter(pc.invert(pc.is_in(plan.table["sample_id"], kept["sample_id"])))
        superseded = pc.is_in(kept["video"], missing["video"])
        if not pc.any(superseded).as_py():
            break
        # What shared such a record is missing from now on, and will write its own video.
        kept = kept.filter(pc.invert(superseded))
    store.discard(set(records["sample_id"].to_pylist()) - set(kept["sample_id"].to_pylist()))
    return kept


def _videos(plan: Plan, records: pa.Table) -> int:
    """How many samples of the plan have a video."""
    with_video = records.filter(pc.is_valid(records["video"]))
    return int(pc.sum(pc.is_in(plan.table["sample_id"], with_video["sample_id"])).as_py() or 0)


def _callbacks(
    plan: Plan, store: Store, folding: Folding, progress: Callable[[Progress], None]
) -> RunCallbacks[Sample]:
    def committed(position: int) -> Status | None:
        sample_id = plan.table["sample_id"][position].as_py()
        folding.keep(sample_id)
        return store.log.status_of(sample_id)

    def quarantine(position: int, attempts: int, failure: Failure) -> None:
        store.commit(_failed(plan, position, attempts, failure))

    return RunCallbacks(plan.planned, committed, quarantine, progress)


@dataclass
class _StatusFile:
    """Writes status.json while a run goes on, at most once in _STATUS_EVERY_S unless the state changes."""

    store: Store
    watch: Watch
    started_at: str = field(default_factory=lambda: _now())
    written: float = 0.0
    waits_for: str | None = None
    waits_since: str = ""

    def begin(self, samples: int) -> None:
        """Report that the engine is about to start: starting Ray alone may take 15 s."""
        self.progress(Progress(0, 0, 0, 0, pending=samples, workers=0, starting=0))

    def progress(self, progress: Progress) -> None:
        """Report the state of the run."""
        self.watch(progress)
        now, changed = time.monotonic(), progress.waits_for != self.waits_for
        if changed:
            self.waits_for, self.waits_since = progress.waits_for, _now()
        over = not (progress.running or progress.pending)
        if changed or over or now - self.written >= _STATUS_EVERY_S:
            self.written = now
            self.store.write_json("status.json", self._status(progress))

    def _status(self, progress: Progress) -> dict[str, Any]:
        return {
            "started_at": self.started_at,
            "written_at": _now(),
            "waits_for": self.waits_for,
            "waits_since": self.waits_since,
            "this_run": asdict(progress),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _failed(plan: Plan, position: int, attempts: int, failure: Failure) -> Record:
    return replace(
        Record.of(plan.planned(position), "failed", attempts),
        error_type=failure.error_type,
        error=failure.error,
        traceback=failure.traceback,
        finished_at=datetime.now(UTC).isoformat(),
    )
