"""Adds or renews scores of a finished run from its video files, without generating videos.

It uses the engine and the scheduler of a run: a unit is one video, and ``worker.video_scorer`` reads and
scores it. Scores stay in ``scores/`` until all videos are scored, and then enter the records together. After
an interruption the next call scores the missing videos.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.summary import Summary
from t2vbatch.canonical import digest
from t2vbatch.commands.rebuild import rebuild
from t2vbatch.commands.run import Watch
from t2vbatch.engines import Ending, Engine, Progress, RunCallbacks
from t2vbatch.errors import RowError
from t2vbatch.job import Clip, Job
from t2vbatch.manifest import Media
from t2vbatch.media.reading import reading_of
from t2vbatch.metrics import check_metrics
from t2vbatch.metrics.identity import score_identities
from t2vbatch.metrics.registry import asked_texts, job_metrics
from t2vbatch.metrics.scorer import Scores, is_lost
from t2vbatch.models.pins import using_pins
from t2vbatch.output.records import RECORDS, Status
from t2vbatch.output.scored_by import Scorers, outdated_columns
from t2vbatch.output.store import Store, open_store
from t2vbatch.plan import Plan, Unit
from t2vbatch.worker.protocol import Failure
from t2vbatch.worker.video_scorer import ScoreCache, VideoScorerFactory, VideoToScore

_log = logging.getLogger(__name__)

_MODEL = "metrics"
"""Units belong to models, and messages name the model. Here a worker loads metrics and no model."""

_OF_SCORES = pa.schema(
    RECORDS.field(name)
    for name in ("scores", "score_errors", "scored_by", "score_s", "prompt_tokens", "prompt_truncated")
)
"""The columns of the records that new scores change."""

_AT_ONCE = 4096


@dataclass(frozen=True)
class ScoreResult:
    """The result of scoring an output.

    Attributes:
        scored: number of videos that this call scored.
        unscored: number of videos that it could not read or score.
        ending: ``interrupted`` if some videos were left; the next call scores them.
    """

    summary: Summary
    scored: int
    unscored: int
    ending: Ending


@dataclass
class _Counts:
    """The videos of this call so far; see ScoreResult."""

    scored: int = 0
    unscored: int = 0


def score_output(
    output: str,
    metrics: Mapping[str, Mapping[str, Any]] | None,
    engine: Callable[[Job], Engine],
    clip: Clip | None = None,
    renew: bool = False,
    watch: Watch = lambda progress: None,
) -> ScoreResult:
    """Bring the scores of an output up to date.

    Args:
        metrics: name: options; None means the metrics of the output's job. New metrics are added to the job.
        engine: makes the engine; called only if a video lacks a score.
        clip: the CLIP to score with; None means the job's.
        renew: score all videos again.

    Raises:
        UsageError: the folder contains no run, or a metric is invalid.
        RunError: the engine failed; finished scores are kept for the next call.
    """
    store = open_store(output)
    job = _job(store, metrics, clip)
    with job.with_location(), using_pins(job.pins) as found:
        check_metrics(job)
    job = job.model_copy(update={"pins": {**found, **job.pins}})
    asked = job if metrics is None else job.model_copy(update={"metrics": dict(metrics)})
    with store.lease() as store:
        plan = store.read_plan()
        scorers = score_identities(asked)
        cache = ScoreCache(store, digest(scorers))
        records = store.compact()
        unscored = _unscored(plan, records, {} if renew else scorers)
        sample_ids, stored = plan.table["sample_id"], cache.sample_ids()
        missing = [position for position in unscored if sample_ids[position].as_py() not in stored]
        ending: Ending = "finished"
        counts = _Counts()
        if missing:
            units = {_MODEL: [Unit(_MODEL, (position,), 1.0) for position in missing]}
            factories = {_MODEL: VideoScorerFactory(asked, cache)}
            callbacks = _callbacks(plan, job, records, cache, scorers, watch, counts)
            ending = engine(job).run(units, job, factories, callbacks)
        if ending == "finished":
            store.rewrite(_merged(records, cache))
            store.write_scorers(scorers)
            store.write_job(job)
            cache.clear()
        summary = rebuild(store, plan, job)
        return ScoreResult(summary, counts.scored, counts.unscored, ending)


def _callbacks(
    plan: Plan,
    job: Job,
    records: pa.Table,
    cache: ScoreCache,
    scorers: Scorers,
    watch: Watch,
    counts: _Counts,
) -> RunCallbacks[VideoToScore]:
    # A search for each of a million samples would take a million looks at each record.
    lines = pc.index_in(plan.table["sample_id"], records["sample_id"].combine_chunks())
    videos = records.select(["video", "fps", "audio_rate_hz"])
    metrics = job_metrics(job).values()
    both = any(getattr(metric, "needs_images", False) for metric in metrics)
    read = ("image", "last_image") if both else ("image",)
    texts = asked_texts(job)

    def payload(position: int) -> VideoToScore:
        sample = plan.planned(position, texts)
        record = videos.slice(lines[position].as_py(), 1).to_pylist()[0]
        images = _images(plan, position, [name for name in read if name in sample.media])
        how = reading_of(job, sample.model)
        sound = record["audio_rate_hz"] is not None
        return VideoToScore(
            sample.sample_id,
            record["video"],
            record["fps"],
            sample.prompt,
            images,
            sample.texts,
            how,
            sound,
        )

    def committed(position: int) -> Status | None:
        return "ok" if cache.has(plan.table["sample_id"][position].as_py()) else None

    def quarantine(position: int, attempts: int, failure: Failure) -> None:
        # The video stays as it is; only its scores are missing, and the record says why.
        reason = f"{failure.error_type}: {failure.error}"
        scores = Scores(dict.fromkeys(scorers), dict.fromkeys(scorers, reason), None, None, scorers)
        cache.keep(plan.table["sample_id"][position].as_py(), scores, 0.0)
        counts.unscored += 1

    def progress(now: Progress) -> None:
        counts.scored = now.ok
        watch(now)

    return RunCallbacks(payload, committed, quarantine, progress)


def _images(plan: Plan, position: int, names: Sequence[str]) -> Mapping[str, Media]:
    """The images of the sample's row. Most metrics do not read them, so that they may be out of reach."""
    if not names:
        return {}
    try:
        media = plan.sample(position).media
    except RowError as error:
        _log.warning("a video is scored without the images of its row: %s", error)
        return {}
    return {name: media[name] for name in names}


def _job(store: Store, metrics: Mapping[str, Mapping[str, Any]] | None, clip: Clip | None) -> Job:
    """The job of the output with the metrics and the CLIP of this call."""
    job = store.read_job()
    update: dict[str, Any] = {"metrics": {**job.metrics, **(metrics or {})}}
    return job.model_copy(update=update | ({"clip": clip} if clip else {}))


def _unscored(plan: Plan, records: pa.Table, scorers: Scorers) -> list[int]:
    """Plan positions of the videos that lack a score of these scorers, or of all videos if there are none.

    A score that was lost to an exception is lacking, and so is one with other options or weights. One that
    the metric does not define for the video is not.
    """
    texts = (records["scores"].to_pylist(), records["score_errors"].to_pylist())
    outdated = outdated_columns(records["scored_by"], scorers)
    lacking = [
        not scorers or bool(others) or _lacks(json.loads(scores), json.loads(errors), scorers)
        for scores, errors, others in zip(*texts, outdated, strict=True)
    ]
    videos = records.filter(pc.and_(pa.array(lacking, pa.bool_()), pc.is_valid(records["video"])))
    positions = pc.index_in(videos["sample_id"], plan.table["sample_id"].combine_chunks())
    return sorted(position for position in positions.to_pylist() if position is not None)


def _lacks(scores: Mapping[str, Any], errors: Mapping[str, str], columns: Iterable[str]) -> bool:
    return any(column not in scores or is_lost(errors.get(column, "")) for column in columns)


def _merged(records: pa.Table, cache: ScoreCache) -> pa.Table:
    """The records with the stored scores; few of them are Python objects at a time."""
    stored = cache.sample_ids()
    starts = range(0, records.num_rows, _AT_ONCE)
    parts = [_with_scores(records.slice(start, _AT_ONCE), stored, cache) for start in starts]
    return pa.concat_tables([records.slice(0, 0), *parts])


def _with_scores(records: pa.Table, stored: Collection[str], cache: ScoreCache) -> pa.Table:
    sample_ids = records["sample_id"].to_pylist()
    scored = [index for index, sample_id in enumerate(sample_ids) if sample_id in stored]
    rows = records.select(_OF_SCORES.names).to_pylist()
    for index, found in zip(scored, cache.read([sample_ids[index] for index in scored]), strict=True):
        rows[index] |= _rescored(rows[index], found)
    changed = pa.Table.from_pylist(rows, _OF_SCORES)
    for field in _OF_SCORES:
        records = records.set_column(records.column_names.index(field.name), field, changed[field.name])
    return records


def _rescored(row: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record that new scores change; scores of other metrics stay."""
    errors = json.loads(row["score_errors"])
    kept = {column: reason for column, reason in errors.items() if column not in found["values"]}
    changed = {
        "scores": json.dumps(json.loads(row["scores"]) | found["values"]),
        "score_errors": json.dumps(kept | found["errors"], ensure_ascii=False),
        "scored_by": json.dumps(json.loads(row["scored_by"] or "{}") | found["scored_by"], sort_keys=True),
        "score_s": found["score_s"],
    }
    if found["prompt_tokens"] is not None:
        changed |= {name: found[name] for name in ("prompt_tokens", "prompt_truncated")}
    return changed
