"""From frames to a committed record: encode -> verify -> publish -> score -> commit.

Runs beside the next unit's generation, and holds no state between two samples.
"""

import importlib.metadata
import platform
import shutil
import socket
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from t2vbatch.errors import DegenerateError, EncodeError
from t2vbatch.job import Job, VideoFile
from t2vbatch.media.degenerate import degenerate_reason
from t2vbatch.media.encoding import encoder_versions
from t2vbatch.media.playable import file_notes, written_fps, written_size
from t2vbatch.media.poster import poster, poster_name
from t2vbatch.media.reading import TRUSTED, reading_of
from t2vbatch.media.video import Video, decode, decode_audio, digest_file, encode, ffmpeg_version, holds_audio
from t2vbatch.metrics.protocol import RowInputs
from t2vbatch.metrics.scorer import Scorer, Scores
from t2vbatch.models.calls.inputs import read_image
from t2vbatch.models.host_copies import HostCopies
from t2vbatch.models.stages import StageTimes, stage
from t2vbatch.output.records import Record, Status
from t2vbatch.output.store import Store
from t2vbatch.plan import Sample
from t2vbatch.worker.protocol import Work

_PACKAGES = ("t2vbatch", "torch", "diffusers", "transformers", "numpy", "pillow", "av")

_SOUND_SLACK_S = 0.05
"""Codecs keep sound in blocks of 20 ms and more; a decoder may drop the rest of the last block."""


@dataclass(frozen=True)
class WorkerInfo:
    """What a record says about its worker.

    Attributes:
        device: a torch device, ``cuda`` or ``cpu``.
        load_s: seconds that the model and the metrics took to load.
    """

    name: str
    device: str
    load_s: float


@dataclass(frozen=True)
class ModelOutput:
    """The result of a model's call for one sample, and why the call was repeated, if it was."""

    result: Video | DegenerateError
    retry_reason: str | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes of the frames, which stay in memory until they are written."""
        return self.result.frames.nbytes if isinstance(self.result, Video) else 0

    @property
    def degenerate_reason(self) -> str | None:
        """Why the result is degenerate; None if it is not."""
        return (
            str(self.result) if isinstance(self.result, DegenerateError) else degenerate_reason(self.result)
        )


@dataclass(frozen=True)
class GeneratedUnit:
    """A unit that waits to be finished.

    Attributes:
        results: for each sample the model's output, or the draft record of a video that an earlier attempt
            published before its process died.
        seconds: the time per sample of the stages ``wait``, ``generate`` and ``convert``.
        copies: the frames' copies to the host's memory; wait for them before you read frames.
    """

    work: Work[Sample]
    results: Sequence[ModelOutput | Record]
    started_at: datetime
    seconds: Mapping[str, float]
    peak_memory_bytes: int
    copies: HostCopies


class Finisher:
    """Turns generated videos into committed records. Several threads may do so at the same time.

    Args:
        random_state: a lock, held while the model generates; a metric that draws random numbers waits for it.
    """

    def __init__(
        self, job: Job, store: Store, scorer: Scorer, info: WorkerInfo, random_state: threading.Lock
    ) -> None:
        self._job, self._store, self._scorer, self._info = job, store, scorer, info
        self._random_state = random_state

    def finish(self, generated: GeneratedUnit, index: int) -> Status:
        """Encode, verify, publish, score and commit one sample of a unit.

        Raises:
            SampleError: the file could not be written or differs from the frames; nothing was committed.
        """
        with StageTimes().measure() as seconds:
            record = self._make_record(generated, index)
        self._store.commit(replace(record, **_columns(seconds)))
        return record.status

    def _make_record(self, generated: GeneratedUnit, index: int) -> Record:
        """The record of one sample, whose video is published and scored if it has one."""
        sample = generated.work.payloads[index]
        record = self._base_record(sample, generated, generated.work.attempts[index])
        match generated.results[index]:
            case Record() as draft:
                record = self._resume_draft(draft, sample)
            case ModelOutput(DegenerateError() as error, reason):
                record = replace(record, status="degenerate", error_type="DegenerateError")
                record = replace(record, error=str(error), retry_reason=reason)
            case ModelOutput(Video() as video, reason):
                record = self._publish(replace(record, retry_reason=reason), sample, video)
        return replace(record, finished_at=record.finished_at or datetime.now(UTC).isoformat())

    def _base_record(self, sample: Sample, generated: GeneratedUnit, attempts: int) -> Record:
        return replace(
            Record.of(sample, "ok", attempts),
            load_s=self._info.load_s,
            **_columns(generated.seconds),
            peak_memory_bytes=generated.peak_memory_bytes,
            device=_device_name(self._info.device),
            worker=self._info.name,
            node=socket.gethostname(),
            versions=versions(),
            started_at=generated.started_at.isoformat(),
        )

    def _publish(self, record: Record, sample: Sample, video: Video) -> Record:
        """The record of a video that is encoded, read back, checked, published and scored."""
        staged = self._store.folder.staging() / uuid.uuid4().hex
        try:
            record, read_back = self._encode(record, sample, video, staged)
            with stage("commit"):
                published = self._store.publish(record, staged)
        finally:
            _remove(staged)
        if published is not record:
            return self._resume_draft(published, sample)
        return self._score(record, sample, read_back)

    def _encode(self, record: Record, sample: Sample, video: Video, staged: Path) -> tuple[Record, Video]:
        """Write the file ``staged``, read it back and check it.

        Returns:
            The record with all that describes the file, and the video as a reader of the file gets it.

        Raises:
            EncodeError: the file cannot be written, or differs from the frames.
        """
        settings = self._job.video
        fps = written_fps(video.fps, settings)
        with stage("encode"):
            encode(video, staged, settings)
        with stage("verify"):
            frames = _check_frames(video, decode(staged, TRUSTED), settings).frames
            record = _with_sound(record, video, staged, settings)
            sha256, size = digest_file(staged)
            read_back, reason = Video(frames, fps), degenerate_reason(video)
            frames_sha256 = read_back.sha256()
        record = replace(
            record,
            status="degenerate" if reason else "ok",
            error_type="DegenerateError" if reason else None,
            error=reason,
            video=sample.video,
            num_frames=len(frames),
            width=frames.shape[2],
            height=frames.shape[1],
            fps=fps,
            duration_s=len(video.frames) / fps,
            bytes=size,
            video_sha256=sha256,
            frames_sha256=frames_sha256,
            video_notes=_notes(video, settings),
        )
        return record, read_back

    def _resume_draft(self, earlier: Record, sample: Sample) -> Record:
        """The record of a video that an earlier attempt published, scored from its file."""
        if earlier.finished_at is not None or earlier.fps is None:
            return earlier
        with self._store.video(sample.video) as path:
            read_back = decode(path)
        return self._score(earlier, sample, Video(read_back.frames, earlier.fps))

    def _score(self, record: Record, sample: Sample, video: Video) -> Record:
        """The record with the scores of its published video, whose poster is written too."""
        self._write_poster(record, video)
        with stage("score"):
            scores = self._scores(sample, self._audible(record, sample, video))
        return replace(
            record,
            scores=scores.values,
            score_errors=scores.errors,
            scored_by=scores.scored_by,
            prompt_tokens=scores.prompt_tokens,
            prompt_truncated=scores.prompt_truncated,
        )

    def _write_poster(self, record: Record, video: Video) -> None:
        # Now, while the frames are in memory: a report would decode every video again. A draft is resumed
        # through this method too, because a power cut may have destroyed its poster.
        with stage("commit"):
            name = poster_name(str(record.frames_sha256))
            self._store.folder.write(name, poster(video), durable="content")

    def _audible(self, record: Record, sample: Sample, video: Video) -> Video:
        """The video with the sound of its file, if a metric reads it."""
        if record.audio_rate_hz is None or not self._scorer.needs_audio:
            return video
        with self._store.video(sample.video) as path:
            return replace(video, audio=decode_audio(path, video.duration_s))

    def _scores(self, sample: Sample, video: Video) -> Scores:
        image = self._image(sample, "image")
        last = self._image(sample, "last_image") if self._scorer.needs_images else None
        with self._random_state if self._scorer.draws else nullcontext():
            return self._scorer.score(video, sample.prompt, image, RowInputs(last, sample.texts))

    def _image(self, sample: Sample, column: str) -> Image.Image | None:
        media = sample.media.get(column)
        return None if media is None else read_image(media, reading_of(self._job, sample.model))


@cache
def versions() -> Mapping[str, str]:
    """Versions of everything that can change a bit of the output."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    encoders = {**encoder_versions(), "ffmpeg": ffmpeg_version()}
    return {"python": platform.python_version(), **packages, **encoders}


def _notes(video: Video, settings: VideoFile) -> str | None:
    height, width = video.frames.shape[1:3]
    return "; ".join([*video.notes, *file_notes(settings, video.fps, width, height)]) or None


def _columns(seconds: Mapping[str, float]) -> dict[str, Any]:
    """The fields of a record that hold the seconds of these stages."""
    return {f"{name}_s": value for name, value in seconds.items()}


def _check_frames(video: Video, read_back: Video, settings: VideoFile) -> Video:
    count, height, width, _ = video.frames.shape
    width, height = written_size(width, height, settings)
    expected = (count, height, width, 3)
    if read_back.frames.shape != expected:
        raise EncodeError(f"the file holds frames of shape {read_back.frames.shape}; {expected} were written")
    return read_back


def _with_sound(record: Record, video: Video, path: Path, settings: VideoFile) -> Record:
    """The record with the sound that a decoder reads from the file, if a sound was written."""
    if video.audio is None or not holds_audio(settings):
        return record
    decoded = decode_audio(path, video.duration_s)
    if (
        decoded.channels != video.audio.channels
        or abs(decoded.duration_s - video.duration_s) > _SOUND_SLACK_S
    ):
        raise EncodeError(
            f"the file holds {decoded.duration_s:.3f} s of sound in {decoded.channels} channels; "
            f"{video.duration_s:.3f} s in {video.audio.channels} channels were written"
        )
    return replace(
        record,
        audio_rate_hz=decoded.rate_hz,
        audio_channels=decoded.channels,
        audio_sha256=decoded.sha256(),
    )


def _remove(staged: Path) -> None:
    if staged.is_dir():
        shutil.rmtree(staged)
    staged.unlink(missing_ok=True)


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"{device} ({platform.machine()}, {torch.get_num_threads()} threads)"
