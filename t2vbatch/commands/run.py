"""The whole story of a run: what is planned, what exists, and how the rest is generated."""

import contextlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.distance.measure import measure
from t2vbatch.analysis.distance.spec import distance_specs
from t2vbatch.analysis.summary import Summary
from t2vbatch.commands.bad_rows import record_bad_rows
from t2vbatch.commands.batches import with_measured_batches
from t2vbatch.commands.prepare import Prepared
from t2vbatch.commands.rebuild import rebuild, refresh
from t2vbatch.commands.repeats import NEEDED, WORTH_ASKING, Repeats, find_repeats
from t2vbatch.commands.status_file import StatusWriter
from t2vbatch.commands.video_search import VideoSearch
from t2vbatch.commands.withdrawal import Withdrawal
from t2vbatch.engines import Ending, Engine, Progress, RunCallbacks
from t2vbatch.errors import StoreError, T2VBatchError, UsageError, counted
from t2vbatch.exchange.trackers import check_trackers, track
from t2vbatch.job import Job
from t2vbatch.metrics.identity import score_identities
from t2vbatch.metrics.registry import asked_texts
from t2vbatch.output.folding import Folding
from t2vbatch.output.records import Record, Status
from t2vbatch.output.store import Store, open_store
from t2vbatch.output.superseded import sort_videos
from t2vbatch.plan import Plan, Sample, Unit
from t2vbatch.plan.units import EVERYTHING, Selection, distinct_units, pending
from t2vbatch.worker.factory import WorkerFactory
from t2vbatch.worker.protocol import Failure

_log = logging.getLogger(__name__)

Watch = Callable[[Progress], None]
"""Takes the state of the run, after every change."""

_COLUMNS = [*NEEDED, "video", "error_type"]
"""Columns of the records that a run reads before it starts; the others would fill the memory."""

_MOST_AHEAD = 1000
"""Calls whose prompts each worker encodes first: about a minute of a large T5 on a GPU, and about as many as
the memory for kept encodings holds."""


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes:
        made: number of videos that this run generated; those that existed before do not count.
        ending: ``finished``; or with samples pending ``interrupted``, or ``spent`` if the budget is used up.
        tracked: tracker: where the run is shown there; a tracker that failed is left out.
        selected: whether it was a run of selected samples.
        remade: videos whose files were missing or damaged: whether the new file has the same bytes.
    """

    summary: Summary
    made: int
    ending: Ending
    output: str
    tracked: Mapping[str, str] = field(default_factory=dict)
    selected: bool = False
    remade: Mapping[str, bool] = field(default_factory=dict)


def refuse(repeats: Repeats) -> bool:
    """The answer without a user to ask: the run does not start."""
    return False


def run_job(
    prepared: Prepared,
    engine: Callable[[Job], Engine],
    watch: Watch = lambda progress: None,
    retry_failed: bool = False,
    selection: Selection = EVERYTHING,
    remake: Callable[[Repeats], bool] = refuse,
    damaged: Callable[[Store], Collection[str]] = lambda store: (),
) -> Result:
    """Bring the output up to date with manifest and job. Finished samples are not generated again.

    Args:
        engine: makes the engine; called only if samples are pending.
        retry_failed: retry the samples that an earlier run gave up on.
        selection: generate only these of the pending samples. Distances and trackers wait for a run of all.
        remake: asked before finished samples are generated again although neither rows nor job were edited.
        damaged: finds the samples whose videos are to be generated again, under the lease.

    Raises:
        UsageError: the job needs something that this machine does not have, or ``remake`` answered no.
        RunError: the run failed; finished samples are kept.
    """
    check_trackers(prepared.job.trackers)
    with open_store(prepared.job.output).lease() as store:
        broken = damaged(store)
        prepared = with_measured_batches(prepared, store, engine, watch)
        job, plan = prepared.job, prepared.plan
        records = store.records(_COLUMNS)
        _confirm_repeats(store, prepared, records, remake)
        store.write_job(job)
        store.write_scorers(score_identities(job))
        store.write_plan(plan)
        _log_moves(*sort_videos(store, plan, records))
        if plan.bad:
            record_bad_rows(store, plan, set(records["sample_id"].to_pylist()))
            records = store.records(_COLUMNS)
        withdrawal = Withdrawal(store, plan)
        ending: Ending = "finished"
        try:
            with job.with_location(), VideoSearch(store, plan, records) as search:
                lost = {*broken, *(search.missing() if search.is_quick or selection.is_partial else ())}
                kept = withdrawal.withdraw(records, lost, retry_failed)
                ending = _generate(prepared, store, kept, selection, search.beside(engine), watch)
                if ending == "finished" and (late := search.missing() - lost):
                    kept = withdrawal.withdraw(kept, late)
                    ending = _generate(prepared, store, store.records(_COLUMNS), selection, engine, watch)
                if ending == "finished" and job.distances and not selection.is_partial:
                    ending = measure(store, plan, job, distance_specs(job), engine, watch)
        except T2VBatchError:
            # The tables show what was finished before the failure, if they can be written.
            with contextlib.suppress(StoreError):
                rebuild(store, plan, job)
            raise
        summary = refresh(store, plan, job)
        made = summary.timing.videos - _count_videos(plan, kept)
        remade = withdrawal.remade()
    # After the lease: a slow server keeps no other run waiting.
    tracked = _track(store, job) if ending == "finished" and not selection.is_partial else {}
    return Result(summary, made, ending, store.uri, tracked, selection.is_partial, remade)


def _confirm_repeats(
    store: Store, prepared: Prepared, records: pa.Table, remake: Callable[[Repeats], bool]
) -> None:
    """Refuse to generate finished samples again, unless the user edited their rows or the job, or agrees."""
    if not records.num_rows:
        return

    def last_plan() -> Plan | None:
        with contextlib.suppress(UsageError):
            return store.read_plan()
        return None

    def last_job() -> Job | None:
        with contextlib.suppress(UsageError):
            return store.read_known_job()
        return None

    repeats = find_repeats(prepared.plan, last_plan, records, store.records, prepared.job, last_job)
    if repeats.count > WORTH_ASKING and not remake(repeats):
        raise UsageError(
            store.uri,
            str(repeats),
            "the revisions, versions and files of the last run",
            "use --remake to generate them again; or restore what changed: a revision, a version or a file",
        )


def _log_moves(back: int, left: int) -> None:
    """Say which finished videos an edit put into the plan again, and which ones it took out."""
    if left:
        _log.warning("no longer in the plan, and kept in superseded/: %s", counted(left, "finished video"))
    if back:
        _log.warning("in the plan again, and not generated again: %s", counted(back, "finished video"))


def _generate(
    prepared: Prepared,
    store: Store,
    records: pa.Table,
    selection: Selection,
    engine: Callable[[Job], Engine],
    watch: Watch,
) -> Ending:
    """Generate the selected samples of the plan that have no record."""
    job, plan = prepared.job, prepared.plan
    units = pending(plan, records, job, selection)
    if not units:
        return "finished"
    factories = {
        name: WorkerFactory(job, name, prepared.facts[name], store, _ahead(plan, job, name, of_model))
        for name, of_model in units.items()
    }
    status = StatusWriter.begin(store, plan, records)
    pa.default_memory_pool().release_unused()  # Planning needed several times the memory of the plan.

    def progress(now: Progress) -> None:
        status.write(now)
        watch(now)

    # Starting Ray alone may take 15 s, in which the engine reports nothing.
    samples = sum(len(of_model.positions) for of_model in units.values())
    progress(Progress(0, 0, 0, 0, pending=samples, workers=0, starting=0))
    with Folding(store.log) as folding:
        callbacks = _callbacks(plan, store, folding, status, progress, asked_texts(job))
        return engine(job).run(units, job, factories, callbacks)


def _ahead(plan: Plan, job: Job, model: str, units: Sequence[Unit]) -> tuple[tuple[Sample, ...], ...]:
    """Units whose prompts are encoded before anything is generated, as ``speed`` asks."""
    precompute = job.models[model].speed.get("text_encoder") is not None
    return distinct_units(plan, units, _MOST_AHEAD) if precompute else ()


def _callbacks(
    plan: Plan,
    store: Store,
    folding: Folding,
    status: StatusWriter,
    progress: Watch,
    texts: Sequence[str],
) -> RunCallbacks[Sample]:
    def committed(position: int) -> Status | None:
        sample_id = plan.table["sample_id"][position].as_py()
        folding.keep(sample_id)
        return store.log.status_of(sample_id)

    def quarantine(position: int, attempts: int, failure: Failure) -> None:
        store.commit(_failed_record(plan, position, attempts, failure))
        status.failed(failure.error_type)

    return RunCallbacks(lambda position: plan.planned(position, texts), committed, quarantine, progress)


def _track(store: Store, job: Job) -> dict[str, str]:
    """Send the finished run to the job's trackers. A tracker that fails costs a warning."""
    places: dict[str, str] = {}
    for name, tracker in job.trackers.items():
        try:
            places[name] = track(store, name, tracker)
        except T2VBatchError as error:
            _log.warning(
                "%s\nThe output is complete; to try again: t2vbatch track %s --to %s", error, store.uri, name
            )
    return places


def _count_videos(plan: Plan, records: pa.Table) -> int:
    """How many samples of the plan have a video."""
    with_video = records.filter(pc.is_valid(records["video"]))
    return int(pc.sum(pc.is_in(plan.table["sample_id"], with_video["sample_id"])).as_py() or 0)


def _failed_record(plan: Plan, position: int, attempts: int, failure: Failure) -> Record:
    return replace(
        Record.of(plan.planned(position), "failed", attempts),
        error_type=failure.error_type,
        error=failure.error,
        traceback=failure.traceback,
        finished_at=datetime.now(UTC).isoformat(),
    )
