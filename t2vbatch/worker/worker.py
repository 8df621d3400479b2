"""One loaded model, and what becomes of a unit: generate -> encode -> verify -> score -> commit.

Knows nothing of who runs it. ``generate`` and ``finish`` may run at the same time in two threads, for two
units; frames pass from one to the other inside this process and never leave it.
"""

import importlib.metadata
import platform
import resource
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch

from t2vbatch.errors import DegenerateError, EncodeError, SampleError
from t2vbatch.job import Job, Model, VideoFile
from t2vbatch.media.degenerate import degenerate_reason
from t2vbatch.media.poster import poster, poster_name
from t2vbatch.media.video import Video, decode, decode_audio, digest_file, encode, ffmpeg_version, holds_audio
from t2vbatch.metrics.scorer import Scorer, load_metrics
from t2vbatch.models import load_model, set_up_torch
from t2vbatch.models.calls.inputs import read_image
from t2vbatch.models.protocol import ModelFacts, Request, VideoModel
from t2vbatch.output.records import Record
from t2vbatch.output.store import Store
from t2vbatch.plan import Sample
from t2vbatch.worker.protocol import Failure, Outcome, Work

_PACKAGES = ("t2vbatch", "torch", "diffusers", "transformers", "numpy", "pillow")

_SOUND_SLACK_S = 0.05
"""Codecs keep sound in blocks of 20 ms and more; a reader may give back the rest of the last one."""


@dataclass(frozen=True)
class _Generated:
    """A unit that waits to be finished.

    Attributes:
        answers: for each sample its video, what the model said instead, or the draft of a video that an
            earlier attempt published before it died.
    """

    work: Work
    answers: Sequence["_ModelOutput | Record"]
    started_at: datetime
    generate_s: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class _ModelOutput:
    """What the model said, and why it was asked a second time, if it was."""

    result: Video | DegenerateError
    retry_reason: str | None = None

    @property
    def degenerate_reason(self) -> str | None:
        """Why this shows nothing, None where it may show something."""
        return (
            str(self.result) if isinstance(self.result, DegenerateError) else degenerate_reason(self.result)
        )


@dataclass(frozen=True)
class WorkerFactory:
    """All that it takes to start a worker of one model, anywhere; small, and picklable."""

    job: Job
    model: str
    facts: ModelFacts
    store: Store

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> "Worker":
        """Load the model and the metrics; see Factory."""
        set_up_torch(self.job.workers.cpus)
        start = time.perf_counter()
        with self.job.with_location(f"models.{self.model}"):
            model = load_model(self._spec(memory), self.facts, device)
        scorer = load_metrics(self.job, device)
        load_s = time.perf_counter() - start
        worker = Worker(self.job, self.model, self.store, model, scorer, name, device, load_s)
        if precise := self.job.models[self.model].retry_degenerate:
            spec = self._spec(memory).model_copy(update={"dtype": precise})
            worker.retry_with = cache(lambda: load_model(spec, self.facts, device))
        return worker

    def _spec(self, memory: Sequence[str]) -> Model:
        spec = self.job.models[self.model]
        if not memory:
            return spec
        # One way of offloading excludes the others, the job's own among them.
        kept = [saving for saving in spec.memory if "offload" not in str(saving)]
        return spec.model_copy(update={"memory": [*kept, *memory]})


class Worker:
    """Turns units into committed records.

    Attributes:
        retry_with: loads the model that is asked once more where an answer is degenerate; None: nobody is.
    """

    retry_with: Callable[[], VideoModel] | None = None

    def __init__(
        self,
        job: Job,
        model_name: str,
        store: Store,
        model: VideoModel,
        scorer: Scorer,
        name: str,
        device: str,
        load_s: float,
    ) -> None:
        self._job, self._batch = job, job.models[model_name].batch
        self._model, self._scorer = model, scorer
        self._name, self._device, self._load_s = name, device, load_s
        self._store = store
        self._made: dict[int, _Generated] = {}

    def generate(self, work: Work) -> None:
        """Make the unit's videos and keep them here until ``finish``; what lies there already is not made.

        Raises:
            SampleError: as VideoModel.generate. DegenerateError is kept for ``finish`` instead: the model has
                answered, the same seed will answer the same, and the answer goes into a record.
        """
        started_at, start = datetime.now(UTC), time.perf_counter()
        _reset_peak(self._device)
        there = [self._store.find_orphan(sample.sample_id, sample.video) for sample in work.samples]
        missing = [
            self._request(sample) for sample, draft in zip(work.samples, there, strict=True) if not draft
        ]
        made = iter(self._answers(missing) if missing else ())
        answers = [draft or next(made) for draft in there]
        seconds = (time.perf_counter() - start) / max(1, len(missing))
        self._made[work.key] = _Generated(work, answers, started_at, seconds, _peak(self._device))

    def finish(self, key: int) -> tuple[Outcome, ...]:
        """Encode, verify, score and commit what ``generate`` made, and forget the frames."""
        made = self._made.pop(key)
        outcomes = []
        for index, position in enumerate(made.work.positions):
            try:
                record = self._finished(made, index)
                self._store.commit(record)
                outcomes.append(Outcome(position, record.status))
            except SampleError as error:
                outcomes.append(Outcome(position, "failed", Failure.of(error)))
        return tuple(outcomes)

    def _request(self, sample: Sample) -> Request:
        call = self._job.call_values(sample.model, sample.call)
        return Request(sample.prompt, sample.negative_prompt, sample.seed, sample.media, call)

    def _answers(self, requests: list[Request]) -> Sequence[_ModelOutput]:
        answers = self._asked(self._model, requests)
        if self.retry_with is None:
            return answers
        reasons = [answer.degenerate_reason for answer in answers]
        return [
            answer
            if reason is None
            else replace(self._asked(self.retry_with(), [request])[0], retry_reason=reason)
            for answer, reason, request in zip(answers, reasons, requests, strict=True)
        ]

    def _asked(self, model: VideoModel, requests: list[Request]) -> list[_ModelOutput]:
        # A full batch, whatever is left: other shapes of a batch give other bits.
        padded = requests + [requests[-1]] * (self._batch - len(requests))
        try:
            return [_ModelOutput(video) for video in model.generate(padded)[: len(requests)]]
        except DegenerateError as error:
            if len(requests) > 1:
                raise  # Which of them it was shows when each is made alone.
            return [_ModelOutput(error)]

    def _finished(self, made: _Generated, index: int) -> Record:
        sample = made.work.samples[index]
        record = self._base_record(sample, made, made.work.attempts[index])
        match made.answers[index]:
            case Record() as draft:
                record = self._resume_draft(draft, sample)
            case _ModelOutput(DegenerateError() as error, reason):
                record = replace(record, status="degenerate", error_type="DegenerateError")
                record = replace(record, error=str(error), retry_reason=reason)
            case _ModelOutput(Video() as video, reason):
                record = self._published(replace(record, retry_reason=reason), sample, video)
        return replace(record, finished_at=record.finished_at or datetime.now(UTC).isoformat())

    def _base_record(self, sample: Sample, made: _Generated, attempts: int) -> Record:
        return replace(
            Record.of(sample, "ok", attempts),
            load_s=self._load_s,
            generate_s=made.generate_s,
            peak_memory_bytes=made.peak_memory_bytes,
            device=_device_name(self._device),
            worker=self._name,
            node=socket.gethostname(),
            versions=versions(),
            started_at=made.started_at.isoformat(),
        )

    def _published(self, record: Record, sample: Sample, video: Video) -> Record:
        """The record of a video that is encoded, read back, judged and published."""
        staged = self._store.folder.staging() / uuid.uuid4().hex
        start = time.perf_counter()
        try:
            encode(video, staged, self._job.video)
            read_back = _verified(video, decode(staged))
            record = _with_sound(record, video, staged, self._job.video)
            sha256, size = digest_file(staged)
            reason = degenerate_reason(video)
            record = replace(
                record,
                status="degenerate" if reason else "ok",
                error_type="DegenerateError" if reason else None,
                error=reason,
                video=sample.video,
                num_frames=len(read_back.frames),
                width=read_back.frames.shape[2],
                height=read_back.frames.shape[1],
                fps=video.fps,
                duration_s=len(video.frames) / video.fps,
                bytes=size,
                video_sha256=sha256,
                frames_sha256=read_back.sha256(),
                encode_s=time.perf_counter() - start,
            )
            published = self._store.publish(record, staged)
        finally:
            _remove(staged)
        if published is not record:
            return self._resume_draft(published, sample)
        return self._scored(record, sample, Video(read_back.frames, video.fps))

    def _resume_draft(self, earlier: Record, sample: Sample) -> Record:
        """The record of a video that an earlier attempt published, scored from its file."""
        if earlier.finished_at is not None or earlier.fps is None:
            return earlier
        with self._store.video(sample.video) as path:
            read_back = decode(path)
        return self._scored(earlier, sample, Video(read_back.frames, earlier.fps))

    def _scored(self, record: Record, sample: Sample, video: Video) -> Record:
        # While the frames are at hand: a report of ten thousand videos decodes none of them.
        self._store.folder.write(poster_name(str(record.frames_sha256)), poster(video))
        start = time.perf_counter()
        media = sample.media.get("image")
        image = None if media is None else read_image(media)
        scores = self._scorer.score(video, sample.prompt, image)
        return replace(
            record,
            scores=scores.values,
            score_errors=scores.errors,
            prompt_tokens=scores.prompt_tokens,
            prompt_truncated=scores.prompt_truncated,
            score_s=time.perf_counter() - start,
        )


@cache
def versions() -> Mapping[str, str]:
    """Versions of all that can change a bit of the output."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **packages, "ffmpeg": ffmpeg_version()}


def _verified(made: Video, read_back: Video) -> Video:
    if made.frames.shape != read_back.frames.shape:
        raise EncodeError(f"the file holds {read_back.frames.shape} where {made.frames.shape} were written")
    return read_back


def _with_sound(record: Record, made: Video, path: Path, settings: VideoFile) -> Record:
    """The record with the sound that a reader of the file hears, where one was written."""
    if made.audio is None or not holds_audio(settings):
        return record
    heard = decode_audio(path)
    if heard.channels != made.audio.channels or abs(heard.duration_s - made.duration_s) > _SOUND_SLACK_S:
        raise EncodeError(
            f"the file holds a sound of {heard.duration_s:.3f} s in {heard.channels} channels where "
            f"{made.duration_s:.3f} s in {made.audio.channels} were written"
        )
    return replace(
        record, audio_rate_hz=heard.rate_hz, audio_channels=heard.channels, audio_sha256=heard.sha256()
    )


def _remove(staged: Path) -> None:
    if staged.is_dir():
        shutil.rmtree(staged)
    staged.unlink(missing_ok=True)


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"{device} ({platform.machine()}, {torch.get_num_threads()} threads)"


def _reset_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: str) -> int:
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
