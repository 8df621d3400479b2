"""``verify --deep``: generates some samples again in a temporary folder, and compares their bytes."""

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.commands.prepare import Prepared, prepare
from t2vbatch.commands.run import run_job
from t2vbatch.commands.verify_problem import VerifyProblem
from t2vbatch.engines import Engine
from t2vbatch.job import Job
from t2vbatch.output.store import Store, open_store

_NOTHING_ELSE: Mapping[str, Any] = {"metrics": {}, "distances": {}, "trackers": {}}
"""A comparison of bytes computes no score and no distance, and is no run to show in a tracker."""

_COMPARED = ("status", "video_sha256", "frames_sha256")
_READ = ["sample_id", "video", "error", *_COMPARED]


def verify_deep(
    store: Store, count: int, engine: Callable[[Job], Engine], seed: int = 0
) -> Iterator[VerifyProblem | None]:
    """Generate ``count`` random samples again; None stands for a sample with equal bytes.

    Args:
        count: number of samples; fewer if fewer have a video.
        engine: makes the engine, as for a run.
        seed: equal seeds select equal samples of a plan.

    Raises:
        UsageError: no run has begun here.
        UsageError, RunError: as for a run.
    """
    job = store.read_job()
    prepared, records = prepare(job), store.records(_READ)
    chosen = _chosen(prepared.plan.table, records, count, seed)
    if not len(chosen):
        return
    with tempfile.TemporaryDirectory(prefix="t2vbatch-") as folder:
        elsewhere = job.model_copy(update={"output": folder, **_NOTHING_ELSE})
        plan = replace(prepared.plan, table=chosen)
        run_job(Prepared(elsewhere, prepared.facts, plan), engine)
        before = _by_id(records.filter(pc.is_in(records["sample_id"], chosen["sample_id"])))
        after = _by_id(open_store(folder).records(_READ))
        for sample_id in chosen["sample_id"].to_pylist():
            yield _difference(store, before[sample_id], after.get(sample_id))


def _chosen(planned: pa.Table, records: pa.Table, count: int, seed: int) -> pa.Table:
    """The lines of the plan that are generated again, in order."""
    with_video = records.filter(pc.is_valid(records["video"]))
    made = planned.filter(pc.is_in(planned["sample_id"], with_video["sample_id"]))
    positions = random.Random(seed).sample(range(made.num_rows), min(count, made.num_rows))
    return made.take(pa.array(sorted(positions), pa.int64()))


def _by_id(records: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["sample_id"]: row for row in records.to_pylist()}


def _difference(
    store: Store, before: Mapping[str, Any], after: Mapping[str, Any] | None
) -> VerifyProblem | None:
    place = f"{store.uri}/{before['video']}, generated again"
    if after is None:
        return VerifyProblem(place, "no record: the run was interrupted", "the same video")
    for name in _COMPARED:
        if after[name] != before[name]:
            why = f" ({after['error']})" if name == "status" and after["error"] else ""
            return VerifyProblem(place, f"{name} {after[name]}{why}", f"{before[name]}, as recorded")
    return None
