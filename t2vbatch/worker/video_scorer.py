"""A worker that scores finished videos from their files, for ``t2vbatch score``.

It has the two steps of every worker: ``generate`` reads the file of a video, and ``finish`` scores its
frames.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from t2vbatch.errors import SampleError
from t2vbatch.job import Job
from t2vbatch.manifest import Media
from t2vbatch.media.reading import Reading
from t2vbatch.media.video import Video, decode, decode_audio
from t2vbatch.metrics.protocol import RowInputs
from t2vbatch.metrics.scorer import Scorer, Scores, load_metrics
from t2vbatch.models import set_up_torch
from t2vbatch.models.calls.inputs import read_image
from t2vbatch.output.empty_folders import clear_folder
from t2vbatch.output.store import Store
from t2vbatch.storage.many import map_many
from t2vbatch.worker.protocol import Failure, Outcome, Work

_FOLDER = "scores"


@dataclass(frozen=True)
class VideoToScore:
    """A finished video, the payload of a unit.

    Attributes:
        video: name of the file, relative to the output folder.
        images: media column: the input image, for the columns that a metric reads.
        texts: manifest column: its cell, for the columns that a metric asks for.
        how: how the images are read.
        has_audio: whether the file has sound.
    """

    sample_id: str
    video: str
    fps: float
    prompt: str | None
    images: Mapping[str, Media]
    texts: Mapping[str, Any]
    how: Reading
    has_audio: bool


@dataclass(frozen=True)
class ScoreCache:
    """Stores scores in the output until all videos are scored.

    Attributes:
        identity: names the metrics with their options and weights; scores under another one are ignored.
    """

    store: Store
    identity: str

    def keep(self, sample_id: str, scores: Scores, seconds: float) -> None:
        """Store the scores of a sample, which took these seconds."""
        self.store.write_json(self._name(sample_id), asdict(scores) | {"score_s": seconds})

    def has(self, sample_id: str) -> bool:
        """Whether scores of this sample are stored."""
        return self.store.folder.size(self._name(sample_id)) is not None

    def sample_ids(self) -> set[str]:
        """The samples with stored scores, by one listing."""
        start, _, end = self._name("*").partition("*")
        names = self.store.folder.names(_FOLDER)
        return {name.removeprefix(start).removesuffix(end) for name in names if name.endswith(end)}

    def read(self, sample_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """The fields of Scores and ``score_s`` of samples with stored scores, in this order."""
        names = list(map(self._name, sample_ids))
        return map_many(self.store.folder, self.store.read_json, names)

    def clear(self) -> None:
        """Delete all stored scores."""
        clear_folder(self.store, _FOLDER)

    def _name(self, sample_id: str) -> str:
        return f"{_FOLDER}/{sample_id}.{self.identity}.json"


class VideoScorer:
    """Scores finished videos."""

    def __init__(self, cache: ScoreCache, scorer: Scorer) -> None:
        self._cache, self._scorer = cache, scorer
        self._read: dict[int, tuple[Work[VideoToScore], list[Video]]] = {}

    def generate(self, work: Work[VideoToScore]) -> int:
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

    def _decoded(self, item: VideoToScore) -> Video:
        with self._cache.store.video(item.video) as path:
            frames = decode(path).frames
            heard = item.has_audio and self._scorer.needs_audio
            audio = decode_audio(path, len(frames) / item.fps) if heard else None
        # ffmpeg rounds the rate of a file to two decimals; the run scored with the exact one.
        return Video(frames, item.fps, audio)


@dataclass(frozen=True)
class VideoScorerFactory:
    """Starts a worker that scores videos; small and picklable."""

    job: Job
    cache: ScoreCache

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> VideoScorer:
        """Load the metrics; see Factory."""
        set_up_torch(self.job.workers.cpus)
        return VideoScorer(self.cache, load_metrics(self.job, device))
