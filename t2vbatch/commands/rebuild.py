"""Rebuilds the tables, the summary and the report from the plan and the records."""

import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from t2vbatch.analysis.distance.result import valid_distances
from t2vbatch.analysis.summary import Summary, summarize
from t2vbatch.commands.published import published_digests
from t2vbatch.commands.status_file import StatusCounts, count, read_published, write_complete
from t2vbatch.errors import StoreError
from t2vbatch.job import Job
from t2vbatch.media.degenerate import ignored_seeds
from t2vbatch.metrics import metric_columns
from t2vbatch.metrics.registry import known_columns
from t2vbatch.output.scored_by import count_outdated, without_outdated
from t2vbatch.output.store import Store
from t2vbatch.output.tables import make_metadata, make_results
from t2vbatch.plan import Plan
from t2vbatch.report import write_report
from t2vbatch.report.inputs import InputImage, Inputs

_log = logging.getLogger(__name__)


def refresh(store: Store, plan: Plan, job: Job) -> Summary:
    """As ``rebuild``, but leave current files unchanged."""
    if read_published(store) == published_digests(store, job):
        with contextlib.suppress(FileNotFoundError, StoreError):
            return _summary(store, plan, store.read_table("results.parquet"))
    return rebuild(store, plan, job)


def rebuild(store: Store, plan: Plan, job: Job) -> Summary:
    """Write results.parquet, metadata.parquet, summary.json and the report. The caller holds the lease."""
    counts, results = _results(store, plan, job)
    # Arrow compresses and writes the tables without Python's lock.
    with ThreadPoolExecutor(1, "write tables") as thread:
        tables = thread.submit(_write_tables, store, results)
        summary = _summary(store, plan, results)
        store.write_json("summary.json", summary.to_json())
        _write_report(store, plan, job, results, summary)
        tables.result()
    write_complete(store, counts, published_digests(store, job))
    return summary


def _write_tables(store: Store, results: pa.Table) -> None:
    store.write_table("results.parquet", results)
    store.write_table("metadata.parquet", make_metadata(results))


def _write_report(store: Store, plan: Plan, job: Job, results: pa.Table, summary: Summary) -> None:
    settings = {name: model.model_dump(mode="json") for name, model in job.models.items()}
    columns = known_columns([job])
    write_report(
        store.folder,
        results,
        summary,
        store.name,
        settings,
        job.report.max_videos,
        columns,
        _inputs(plan),
        job.workers.gpus_each,
    )


def _results(store: Store, plan: Plan, job: Job) -> tuple[StatusCounts, pa.Table]:
    """The counts and the results; the records, which take as much memory, are not kept."""
    records = store.compact()
    shown = without_outdated(records, store.read_scorers())
    return count(plan.table["sample_id"], records), make_results(plan, shown, metric_columns(job))


def _summary(store: Store, plan: Plan, results: pa.Table) -> Summary:
    """The summary of the results, after the warnings about them."""
    for sentence in ignored_seeds(results):
        _log.warning("%s", sentence)
    for column, count_of in count_outdated(results).items():
        why = "was computed with options or weights that differ from the job's"
        _log.warning(
            "%s of %d videos %s; to compute it again: t2vbatch score %s", column, count_of, why, store.uri
        )
    return summarize(results, plan.counts(), valid_distances(store, results))


def _inputs(plan: Plan) -> Inputs | None:
    """Reads the input files of a row; None if no row has input files."""
    if plan.rows["media"].null_count == plan.rows.num_rows:
        return None
    positions: dict[str, int] = {}
    for position, row_id in enumerate(plan.table["row_id"].to_pylist()):
        positions.setdefault(row_id, position)

    def inputs(row_id: str) -> list[InputImage]:
        if row_id not in positions:
            return []
        sample = plan.planned(positions[row_id])
        return [InputImage(name, sample.digests[name], item.read) for name, item in sample.media.items()]

    return inputs
