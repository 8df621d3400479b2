"""Adds or renews scores of a finished run from its video files, without generating videos.

It uses the workers, the engine and the scheduler of a run: a unit is one video, ``generate`` reads its file
and ``finish`` scores it. Scores stay in ``scores/SAMPLE_ID.json`` until all videos are scored, and then enter
the records together. After an interruption the next call scores the missing videos.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.canonical import digest
from t2vbatch.commands.rebuild import rebuild
from t2vbatch.commands.run import Result, Watch
from t2vbatch.engines import Ending, Engine, RunCallbacks
from t2vbatch.errors import RowError, SampleError
from t2vbatch.job import Clip, Job
from t2vbatch.manifest import Media
from t2vbatch.media.reading import Reading, reading_of
from t2vbatch.media.video import Video, decode, decode_audio
from t2vbatch.metrics import check_metrics
from t2vbatch.metrics.identity import score_identities
from t2vbatch.metrics.protocol import RowInputs
from t2vbatch.metrics.registry import asked_texts, job_metrics
from t2vbatch.metrics.scorer import Scorer, Scores, is_lost, load_metrics
from t2vbatch.models import set_up_torch
from t2vbatch.models.calls.inputs import read_image
from t2vbatch.models.pins import using_pins
from t2vbatch.output.records import RECORDS
from t2vbatch.output.scored_by import Scorers, outdated_columns
from t2vbatch.output.store import Store, open_store
from t2vbatch.plan import Plan, Unit
from t2vbatch.worker.protocol import Failure, Outcome, Work

_log = logging.getLogger(__name__)

_FOLDER = "scores"


def score_output(
    output: str,
    metrics: Mapping[str, Mapping[str, Any]] | None,
    engine: Callable[[Job], Engine],
    clip: Clip | None = None,
    renew: bool = False,
    watch: Watch = lambda progress: None,
) -> Result:
    """Bring the scores of an output up to date.

    Args:
        metrics: name: options; None means the metrics of the output's job. New metrics are added to the job.
        engine: makes the engine; called only if a video lacks a score.
        clip: the CLIP to score with; None means the job's.
        renew: score all videos again.

    Returns:
        ``made`` is the number of videos that were scored.

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
        missing = [position for position in unscored if not cache.has(plan.planned(position).sample_id)]
        ending: Ending = "finished"
        failed: list[int] = []
        if missing:
            units = {_FOLDER: [Unit(_FOLDER, (position,), 1.0) for position in missing]}
            factories = {_FOLDER: VideoScorerFactory(asked, cache)}
            callbacks = _callbacks(plan, job, records, cache, scorers, watch, failed)
            ending = engine(job).run(units, job, factories, callbacks)
        if ending == "finished":
            store.rewrite(_merged(records, cache))
            store.write_scorers(scorers)
            store.write_job(job)
            cache.clear()
        summary = rebuild(store, plan, job)
        scored = len(missing) - len(failed)
        return Result(summary, scored, ending, store.uri, unscored=len(failed))


@dataclass(frozen=True)
class VideoToScore:
    """A finished video, the payload of a unit."""

    sample_id: str
    video: str
    fps: float
    prompt: str | None
    images: Mapping[str, Media]
    texts: Mapping[str, Any]
    how: Reading
    has_audio: bool


@dataclass(frozen=True)
class VideoScorerFactory:
    """Starts a worker that scores videos; small and picklable."""

    job: Job
    cache: "ScoreCache"

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> "VideoScorer":
        """Load the metrics; see Factory."""
        set_up_torch(self.job.workers.cpus)
        return VideoScorer(self.cache, load_metrics(self.job, device))


class VideoScorer:
    """Scores finished videos."""

    def __init__(self, cache: "ScoreCache", scorer: Scorer) -> None:
        self._cache, self._scorer = cache, scorer
        self._read: dict[int, tuple[Work[VideoToScore], list[Video]]] = {}

    def generate(self, work: Work["VideoToScore"]) -> int:
        """Read the videos of the unit; returns the bytes of their frames."""
        videos = [self._decoded(item) for item in work.payloads]
        self._read[work.key] = work, videos
        return sum(video.frames.nbytes for video in videos)

    def finish(self, key: int) -> tuple[Outcome, ...]:
        """Score the videos that ``generate`` read, and store the scores."""
        work, videos = self._read.pop(key)
        outcomes = []
        for position, item, video in zip(work.positions, work.payloads, videos, strict=True):
            try:
                start = time.perf_counter()
                images = {name: read_image(media, item.how) for name, media in item.images.items()}
                row = RowInputs(images.get("last_image"), item.texts)
                scores = self._scorer.score(video, item.prompt, images.get("image"), row)
                self._cache.keep(item.sample_id, scores, time.perf_counter() - start)
                outcomes.append(Outcome(position, "ok"))
            except SampleError as error:
                outcomes.append(Outcome(position, "failed", Failure.of(error)))
        return tuple(outcomes)

    def _decoded(self, item: "VideoToScore") -> Video:
        with self._cache.store.video(item.video) as path:
            frames = decode(path).frames
            heard = item.has_audio and self._scorer.needs_audio
            audio = decode_audio(path, len(frames) / item.fps) if heard else None
        # ffmpeg rounds the rate of a file to two decimals; the run scored with the exact one.
        return Video(frames, item.fps, audio)


@dataclass(frozen=True)
class ScoreCache:
    """Stores scores until all videos are scored. It ignores scores of another scorer ``identity``."""

    store: Store
    identity: str

    def keep(self, sample_id: str, scores: Scores, seconds: float) -> None:
        found = asdict(scores) | {"score_s": seconds, "scorer": self.identity}
        self.store.write_json(_name(sample_id), found)

    def found(self, sample_id: str) -> Mapping[str, Any] | None:
        try:
            found: dict[str, Any] = self.store.read_json(_name(sample_id))
        except FileNotFoundError:
            return None
        return found if found.pop("scorer", None) == self.identity else None

    def has(self, sample_id: str) -> bool:
        return self.found(sample_id) is not None

    def sample_ids(self) -> list[str]:
        """The samples with stored scores."""
        return [PurePosixPath(name).stem for name in self.store.folder.names(_FOLDER)]

    def clear(self) -> None:
        for name in list(self.store.folder.names(_FOLDER)):
            self.store.folder.delete(name)


def _callbacks(
    plan: Plan,
    job: Job,
    records: pa.Table,
    cache: ScoreCache,
    scorers: Scorers,
    watch: Watch,
    failed: list[int],
) -> RunCallbacks[VideoToScore]:
    # A search for each of a million samples would take a million looks at each record.
    lines = pc.index_in(plan.table["sample_id"], records["sample_id"].combine_chunks())
    metrics = job_metrics(job).values()
    both = any(getattr(metric, "needs_images", False) for metric in metrics)
    read = ("image", "last_image") if both else ("image",)
    texts = asked_texts(job)

    def payload(position: int) -> VideoToScore:
        sample = plan.planned(position, texts)
        record = records.slice(lines[position].as_py(), 1).to_pylist()[0]
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

    def quarantine(position: int, attempts: int, failure: Failure) -> None:
        # The video stays as it is; only its scores are missing, and the record says why.
        reason = f"{failure.error_type}: {failure.error}"
        scores = Scores(dict.fromkeys(scorers), dict.fromkeys(scorers, reason), None, None, scorers)
        cache.keep(plan.planned(position).sample_id, scores, 0.0)
        failed.append(position)

    return RunCallbacks(
        payload=payload,
        committed=lambda position: "ok" if cache.has(plan.planned(position).sample_id) else None,
        quarantine=quarantine,
        progress=watch,
    )


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
    """The records with the cached scores."""
    scored = pc.is_in(records["sample_id"], pa.array(cache.sample_ids(), pa.string()))
    rows = records.filter(scored).to_pylist()
    for row in rows:
        found = cache.found(row["sample_id"])
        if found is not None:
            row |= _rescored(row, found)
    return pa.concat_tables([records.filter(pc.invert(scored)), pa.Table.from_pylist(rows, RECORDS)])


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


def _name(sample_id: str) -> str:
    return f"{_FOLDER}/{sample_id}.json"
