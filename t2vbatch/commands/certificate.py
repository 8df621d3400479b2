"""What a certificate states of an output, computed from its plan and records."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.summary import summarize
from t2vbatch.errors import StoreError, UsageError
from t2vbatch.output.scored_by import without_outdated
from t2vbatch.output.store import Store, no_run_here
from t2vbatch.output.tables import make_results

LATER = ("plan_content", "record_content", "distances")
"""Digests that the first certificates did not have."""

_TABLES = ("results.parquet", "metadata.parquet", "summary.json")
_PLAN = ("sample_id", "row_id", "model", "sample_index", "seed")
_PLAN_CONTENT = [*_PLAN, "video", "call", "prompt", "negative_prompt", "columns"]
_RECORD_CONTENT = ["sample_id", "seed", "status", "prompt", "negative_prompt", "call", "num_frames", "width"]
_RECORD_CONTENT += ["height", "fps", "duration_s", "audio_rate_hz", "audio_channels", "retry_reason"]
_RECORD_CONTENT += ["video_notes"]


@dataclass(frozen=True)
class Contents:
    """The tables of an output that a certificate describes.

    Attributes:
        plan: plan.parquet.
        records: those of the samples of the plan.
    """

    store: Store
    plan: pa.Table
    records: pa.Table


def read_contents(store: Store) -> Contents:
    """Read what a certificate describes.

    Raises:
        UsageError: the folder has no run.
    """
    try:
        plan = store.read_table("plan.parquet")
    except FileNotFoundError:
        raise no_run_here(store, "plan.parquet") from None
    records = store.records()
    return Contents(store, plan, records.filter(pc.is_in(records["sample_id"], plan["sample_id"])))


def digests(contents: Contents) -> dict[str, str]:
    """Digests that do not depend on machine, time or order.

    ``dataset`` covers the decoded frames and sound of every sample, ``files`` the bytes of the video files,
    so a machine that encodes other bytes of the same frames differs in ``files`` only.
    """
    plan, records = contents.plan, contents.records
    return {
        "plan": _lines(plan, _PLAN),
        "plan_content": _lines(plan, [name for name in _PLAN_CONTENT if name in plan.column_names]),
        "record_content": _lines(records, _RECORD_CONTENT),
        "dataset": _lines(records, ("sample_id", "status", "frames_sha256", "audio_sha256")),
        "files": _lines(records, ("sample_id", "video_sha256")),
        "scores_digest": _lines(records, ("sample_id", "scores")),
        "distances": _distances(contents.store),
    }


def statements(contents: Contents) -> dict[str, Any]:
    """The job, and the samples, devices and versions of the records, in words and numbers."""
    store, records = contents.store, contents.records
    return {
        "models": sorted(store.read_known_job().models),
        "job_yaml": store.folder.read("job.yaml").decode(),
        "samples": _samples(contents.plan, records),
        "devices": _counted(records["device"].to_pylist()),
        "versions": _versions(records),
    }


def table_digests(store: Store) -> dict[str, str]:
    """The SHA-256 of each table and of the summary; a missing file has none."""
    found = {}
    for name in _TABLES:
        if store.folder.size(name) is not None:
            found[name] = hashlib.sha256(store.folder.read(name)).hexdigest()
    return found


def mean_scores(contents: Contents) -> dict[str, dict[str, Any]]:
    """Model: score: mean, interval and n, of the records."""
    store = contents.store
    try:
        plan = store.read_plan()
    except (UsageError, StoreError):
        return {}  # verify reports the plan.
    records = without_outdated(contents.records, store.read_scorers())
    summary = summarize(make_results(plan, records, ()), plan.counts())
    return {
        model.model: {
            score.column: {"mean": score.mean, "low": score.low, "high": score.high, "n": score.n}
            for score in model.scores
        }
        for model in summary.models
    }


def _distances(store: Store) -> str:
    try:
        found = store.read_json("distances.json")
    except FileNotFoundError:
        found = []
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _lines(table: pa.Table, columns: Iterable[str]) -> str:
    """SHA-256 of the rows as JSON lines, sorted."""
    cells = [table[name].to_pylist() for name in columns]
    lines = sorted(
        json.dumps(list(map(_plain, row)), ensure_ascii=False, default=str)
        for row in zip(*cells, strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    """A cell as JSON; JSON text, as scores and calls are, by its values, whatever the order of its keys."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.dumps(json.loads(value), sort_keys=True)
        except ValueError:  # A prompt may begin so.
            return value
    return value


def _samples(plan: pa.Table, records: pa.Table) -> dict[str, int]:
    """Status: number of samples; samples without a record are pending."""
    found = pc.index_in(plan["sample_id"], records["sample_id"])
    ended = Counter(records["status"].take(found.drop_null()).to_pylist())
    pending = {"pending": found.null_count} if found.null_count else {}
    return dict(sorted({**ended, **pending}.items()))


def _versions(records: pa.Table) -> list[dict[str, Any]]:
    """The distinct sets of package versions that made the samples."""
    return [json.loads(text) for text in sorted(set(records["versions"].to_pylist())) if text]


def _counted(values: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(value for value in values if value).items()))
