"""Statistics of a run by model and metric, computed from its results table.  [pure]

Two identities always hold: planned = ok + degenerate + failed + pending, and for each score
planned = n + missing, where missing is counted by reason. A missing score is left out of the mean. A
degenerate video counts as a failure of its model: its scores are missing, even if metrics computed them.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.distance.result import Measured, as_json
from t2vbatch.analysis.intervals import LARGEST, score_interval
from t2vbatch.output.records import count_values, rows_where, score_columns

_USED = [
    "row_id",
    "sample_id",
    "model",
    "status",
    "error_type",
    "prompt_truncated",
    "score_errors",
    "video",
    "video_notes",
    "generate_s",
    "encode_s",
    "score_s",
    "load_s",
    "wait_s",
    "convert_s",
    "started_at",
    "finished_at",
]
"""Columns of the results that the summary reads besides the scores; the others would fill the memory."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Counts:
    """Numbers of samples by status. A pending sample has no record yet."""

    planned: int
    ok: int
    degenerate: int
    failed: int

    @property
    def pending(self) -> int:
        """Number of samples without a record."""
        return self.planned - self.ok - self.degenerate - self.failed


@dataclass(frozen=True)
class ScoreSummary:
    """One score of one model.

    Attributes:
        n: number of videos with the score.
        rows: number of the manifest rows of these videos.
        missing: reason: number of planned samples without the score; n + missing = planned.
        mean, low, high: the mean and its 95% interval, clustered by row; None if n is 0, and no interval for
            a single row.
        caution: why the interval is not reliable; None if it is.
        quantiles: "0.05": value, and so on; "0.5" is the median.
    """

    column: str
    n: int
    rows: int
    missing: Mapping[str, int]
    mean: float | None
    low: float | None
    high: float | None
    quantiles: Mapping[str, float]
    caution: str | None = None

    @property
    def median(self) -> float | None:
        """The median."""
        return self.quantiles.get("0.5")


@dataclass(frozen=True)
class Timing:
    """Time spent on all samples with a record; equal samples have one record.

    Attributes:
        generate_s, encode_s, score_s: totals over all workers, in seconds.
        busy_s: seconds during which at least one worker had a sample; pauses between runs are excluded.
        videos: number of video files.
        busy_share: share of the workers' time in the pipeline's calls, between loading and the last call.
        first_video_s: seconds from the start of the first worker to the first finished video.
    """

    generate_s: float
    encode_s: float
    score_s: float
    busy_s: float
    videos: int
    busy_share: float | None = None
    first_video_s: float | None = None

    @property
    def videos_per_minute(self) -> float | None:
        """Videos of all workers per minute of ``busy_s``."""
        return 60 * self.videos / self.busy_s if self.busy_s > 0 else None


@dataclass(frozen=True)
class ModelSummary:
    """One model of the job.

    Attributes:
        failures: error type: number of samples with it.
        truncated: number of samples whose prompt exceeds the scorer's limit.
        distances: distances of the model's videos to reference sets, measured by ``distance/``.
        video_notes: how videos differ from what the job asked for: number of samples with it, the most first.
    """

    model: str
    counts: Counts
    scores: tuple[ScoreSummary, ...]
    failures: Mapping[str, int]
    truncated: int
    timing: Timing
    distances: tuple[Measured, ...] = ()
    video_notes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """The statistics of a whole run."""

    counts: Counts
    models: tuple[ModelSummary, ...]
    timing: Timing

    def to_json(self) -> dict[str, Any]:
        """The summary as plain values, including derived values."""
        models = [
            {
                **asdict(model),
                "counts": _counts_json(model.counts),
                "timing": _timing_json(model.timing),
                "scores": {score.column: asdict(score) for score in model.scores},
                "distances": as_json(model.distances),
            }
            for model in self.models
        ]
        return {
            "counts": _counts_json(self.counts),
            "timing": _timing_json(self.timing),
            "models": {model.pop("model"): model for model in models},
        }


def summarize(results: pa.Table, planned: Mapping[str, int], distances: Sequence[Measured] = ()) -> Summary:
    """Compute counts, times and means of a results table.

    Args:
        results: one row per finished sample, with the schema of ``records.results_schema``. Rows without a
            status are pending samples; the table may contain them or not.
        planned: model: number of its samples in the plan. The summary keeps this order.
        distances: the distances of the models' videos.

    Raises:
        ValueError: the table has more results than the plan has samples.
    """
    # A fixed order gives the same digits in float sums and in the bootstrap.
    results = results.select([*_USED, *score_columns(results.schema)])
    results = rows_where(results, pc.is_valid(results["status"])).sort_by(
        [("row_id", "ascending"), ("sample_id", "ascending")]
    )
    unplanned = set(results["model"].unique().to_pylist()) - set(planned)
    if unplanned:
        raise ValueError(f"results of models that are not in the plan: {', '.join(sorted(unplanned))}")
    models = tuple(
        _model(name, rows_where(results, pc.equal(results["model"], name)), count, distances)
        for name, count in planned.items()
    )
    return Summary(_counts(results, sum(planned.values())), models, _timing(results))


def _model(name: str, results: pa.Table, planned: int, distances: Sequence[Measured]) -> ModelSummary:
    counts = _counts(results, planned)
    scores = tuple(_score(column, results, counts) for column in score_columns(results.schema))
    failures = Counter(count_values(results["error_type"]))
    truncated = pc.sum(results["prompt_truncated"]).as_py() or 0
    own = tuple(one for one in distances if one.model == name)
    notes = Counter(count_values(results["video_notes"]))
    return ModelSummary(
        name,
        counts,
        scores,
        dict(failures.most_common()),
        truncated,
        _timing(results),
        own,
        dict(notes.most_common()),
    )


def _counts(results: pa.Table, planned: int) -> Counts:
    ended = count_values(results["status"])
    counts = Counts(planned, ended.pop("ok", 0), ended.pop("degenerate", 0), ended.pop("failed", 0))
    if ended or counts.pending < 0:
        raise ValueError(f"{results.num_rows} results, {ended} of unknown status, for {planned} samples")
    return counts


def _score(column: str, results: pa.Table, counts: Counts) -> ScoreSummary:
    finite = pc.less_equal(pc.abs(results[column]), LARGEST).fill_null(False)
    there = pc.and_(finite, pc.equal(results["status"], "ok"))
    missing = _missing(column, results.select(["status", "score_errors", column]).filter(pc.invert(there)))
    if counts.pending:
        missing["pending"] = counts.pending
    scored = rows_where(results.select(["row_id", "sample_id", column]), there)
    if not scored.num_rows:
        return ScoreSummary(column, 0, 0, missing, None, None, None, {})
    values = scored[column].to_numpy()
    interval = score_interval(values, prompts_of(scored))
    quantiles = dict(zip(map(str, QUANTILES), np.quantile(values, QUANTILES).tolist(), strict=True))
    return ScoreSummary(
        column,
        len(values),
        pc.count_distinct(scored["row_id"]).as_py(),
        missing,
        interval.mean,
        interval.low,
        interval.high,
        quantiles,
        interval.caution,
    )


def prompts_of(results: pa.Table) -> npt.NDArray[np.int64]:
    """The row of each video as an integer; rows that share a sample have the same video, and are one."""
    rows, samples = (
        results[name].combine_chunks().dictionary_encode().indices.to_numpy()
        for name in ("row_id", "sample_id")
    )
    _, first = np.unique(samples, return_index=True)
    return np.asarray(rows[first[samples]], dtype=np.int64)


def _missing(column: str, unscored: pa.Table) -> dict[str, int]:
    """Reason: count, the most frequent reason first."""
    reasons: Counter[str] = Counter()
    cells = (unscored[name].to_pylist() for name in ("status", "score_errors", column))
    for status, errors, value in zip(*cells, strict=True):
        reason = json.loads(errors).get(column) if errors else None
        without = "not scored yet" if value is None else f"not a usable number ({value:g})"
        reasons[status if status != "ok" else reason or without] += 1
    return dict(reasons.most_common())


def once(results: pa.Table) -> pa.Table:
    """The first row of each sample: equal samples of several rows are generated once."""
    ids = results["sample_id"]
    first = ids.unique()
    return results if len(first) == len(ids) else results.take(pc.index_in(first, ids.combine_chunks()))


def _timing(results: pa.Table) -> Timing:
    results = once(results)
    generate, encode, score = (
        float(pc.sum(results[column]).as_py() or 0) for column in ("generate_s", "encode_s", "score_s")
    )
    videos = results.num_rows - results["video"].null_count
    share, first_video_s = busy_share(results), _first_video_s(results)
    return Timing(generate, encode, score, _busy_s(results), videos, share, first_video_s)


def busy_share(results: pa.Table) -> float | None:
    """Share of the workers' time in the pipeline's calls: over that time and the time before and after each
    call.

    None without records that have these times.
    """
    spans = results.select(["generate_s", "wait_s", "convert_s"]).drop_null()
    generate, *others = (float(pc.sum(spans[name]).as_py() or 0) for name in spans.column_names)
    return generate / (generate + sum(others)) if generate else None


def _first_video_s(results: pa.Table) -> float | None:
    made = results.select(["started_at", "load_s", "wait_s", "finished_at"]).drop_null()
    if not made.num_rows:
        return None
    starts, loads, waits, ends = (made[name].to_pylist() for name in made.column_names)
    began = min(
        start - timedelta(seconds=load + wait) for start, load, wait in zip(starts, loads, waits, strict=True)
    )
    return float((min(ends) - began).total_seconds())


def _busy_s(results: pa.Table) -> float:
    """The length of the union of all intervals [started_at, finished_at], in seconds."""
    spans = results.select(["started_at", "finished_at"]).drop_null().sort_by("started_at")
    if not spans.num_rows:
        return 0.0
    starts, ends = (spans[name].cast(pa.int64()).to_numpy() for name in spans.column_names)
    reached = np.maximum.accumulate(ends)
    gaps = np.maximum(starts[1:] - reached[:-1], 0)
    return float(reached[-1] - starts[0] - gaps.sum()) / 1e6


def _counts_json(counts: Counts) -> dict[str, int]:
    return {**asdict(counts), "pending": counts.pending}


def _timing_json(timing: Timing) -> dict[str, float | int | None]:
    return {**asdict(timing), "videos_per_minute": timing.videos_per_minute}
