"""A worker: from the model's frames to a committed record."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2vbatch.errors import DegenerateError, EncodeError, MemoryExceededError, RowError
from t2vbatch.job import VideoFile, parse_job
from t2vbatch.media.audio import Audio
from t2vbatch.media.video import Video, decode, decode_audio, encode
from t2vbatch.metrics.scorer import Scorer
from t2vbatch.models.host_copies import copies_in_progress
from t2vbatch.models.protocol import Request
from t2vbatch.models.stages import stage
from t2vbatch.output.store import Store
from t2vbatch.plan import Sample
from t2vbatch.worker.finish import WorkerInfo, versions
from t2vbatch.worker.protocol import Work
from t2vbatch.worker.worker import RetryModel, Worker


class _Model:
    """Returns noise from the seed, or raises ``error``; keeps the requests of every call."""

    def __init__(self, error: Exception | None = None, salt: int = 0) -> None:
        self.error, self.salt = error, salt
        self.calls: list[Sequence[Request]] = []

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        self.calls.append(requests)
        if self.error:
            raise self.error
        return [Video(_noise(request.seed + self.salt), 8.0) for request in requests]


class _ModelWithSound(_Model):
    """Adds one second of noise as sound to each video; the video is shorter."""

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        waveform = np.random.default_rng(0).integers(-9000, 9000, (2, 16000)).astype(np.int16)
        return [replace(video, audio=Audio(waveform, 16000)) for video in super().generate(requests)]


class _CopyingModel(_Model):
    """Returns black frames, whose pixels arrive when the worker waits for them."""

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        videos = [Video(np.zeros((5, 32, 32, 3), np.uint8), 8.0) for _ in requests]
        if (copies := copies_in_progress()) is None:
            return super().generate(requests)
        for video, request in zip(videos, requests, strict=True):
            copies.add(_Copy(video, _noise(request.seed)))
        return videos


class _Copy:
    def __init__(self, video: Video, pixels: Any) -> None:
        self._video, self._pixels = video, pixels

    def synchronize(self) -> None:
        self._video.frames[:] = self._pixels


def _noise(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


def _sample(name: str, seed: int = 1) -> Sample:
    return Sample(name, f"row-{name}", "m", 0, seed, f"videos/m/{name}.mp4", "a prompt", None)


def _worker(
    folder: Path,
    model: _Model,
    batch: int = 1,
    format: str = "mp4",
    retry_with: RetryModel | None = None,
) -> Worker:
    models, video = {"m": {"path": "x", "batch": batch}}, {"format": format}
    text = json.dumps({"manifest": "m", "output": str(folder), "models": models, "video": video})
    job = parse_job(text, "job")
    info = WorkerInfo("m-1", "cpu", 2.5)
    return Worker(
        job, "m", Store(str(folder)), model, Scorer({}, {}), info, lambda sample: sample, retry_with
    )


def _work(key: int, *samples: Sample) -> Work[Sample]:
    count = len(samples)
    return Work(key, tuple(range(count)), samples, (2,) * count)


def test_a_record_describes_the_published_file(tmp_path: Path) -> None:
    """Digests, sizes, times, versions and attempts in the record are those of the published file."""
    worker = _worker(tmp_path, _Model())
    worker.generate(_work(1, _sample("a")))
    assert [outcome.status for outcome in worker.finish(1)] == ["ok"]
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    file = tmp_path / "videos/m/a.mp4"
    assert (record.bytes, record.num_frames, record.width, record.fps) == (file.stat().st_size, 5, 32, 8.0)
    assert record.frames_sha256 == decode(file).sha256()
    assert (record.attempts, record.load_s, record.worker) == (2, 2.5, "m-1")
    assert record.versions == versions()
    assert {"torch", "diffusers", "libavcodec", "x264", "ffmpeg", "t2vbatch"} <= set(record.versions)
    assert record.started_at is not None
    assert record.finished_at is not None
    assert record.started_at < record.finished_at


def test_a_record_has_the_seconds_of_every_stage(tmp_path: Path) -> None:
    """The pipeline's call, the time without a call before it, and each step up to the published file."""

    class Slow(_Model):
        def generate(self, requests: Sequence[Request]) -> list[Video]:
            time.sleep(0.2)
            with stage("convert"):
                time.sleep(0.1)
            return super().generate(requests)

    worker = _worker(tmp_path, Slow())
    time.sleep(0.1)
    worker.generate(_work(1, _sample("a")))
    worker.finish(1)
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    stages = ("wait", "generate", "convert", "encode", "verify", "commit", "score")
    seconds = {name: getattr(record, f"{name}_s") for name in stages}
    assert None not in seconds.values()
    assert min(seconds.values()) >= 0
    assert seconds["wait"] >= 0.1
    assert seconds["generate"] >= 0.2
    assert 0.1 <= seconds["convert"] < seconds["generate"] + seconds["convert"]


@pytest.mark.parametrize(("format", "rate_hz"), [("mp4", 16000), ("webm", 48000), ("png", 16000)])
def test_a_record_describes_the_sound(tmp_path: Path, format: str, rate_hz: int) -> None:
    """The record has rate, channels and digest of the file's sound, which is as long as the frames."""
    worker = _worker(tmp_path, _ModelWithSound(), format=format)
    worker.generate(_work(1, _sample("a")))
    worker.finish(1)
    record, sound = Store(str(tmp_path)).committed("a"), decode_audio(tmp_path / "videos/m/a.mp4", 60.0)
    assert record is not None
    assert (record.audio_rate_hz, record.audio_channels, record.audio_sha256) == (rate_hz, 2, sound.sha256())
    assert sound.duration_s == pytest.approx(5 / 8, abs=0.001)


@pytest.mark.parametrize(
    ("format", "described"), [("mp4", (34, 26, 60.0)), ("webm", (33, 25, 60.0)), ("gif", (33, 25, 50.0))]
)
def test_a_record_describes_the_file_and_not_the_frames(
    tmp_path: Path, format: str, described: tuple[int, int, float]
) -> None:
    """An mp4 has even sides, and a gif at most 50 frames per second; the record has the file's values."""

    class Odd(_Model):
        def generate(self, requests: Sequence[Request]) -> list[Video]:
            frames = np.random.default_rng(0).integers(0, 256, (5, 25, 33, 3), dtype=np.uint8)
            return [Video(frames, 60.0) for _ in requests]

    worker = _worker(tmp_path, Odd(), format=format)
    worker.generate(_work(1, _sample("a")))
    assert [outcome.status for outcome in worker.finish(1)] == ["ok"]
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    assert (record.width, record.height, record.fps) == described
    assert record.duration_s == pytest.approx(5 / described[2])


def test_a_gif_has_no_sound(tmp_path: Path) -> None:
    """GIF has no sound, so the record's sound columns are null."""
    worker = _worker(tmp_path, _ModelWithSound(), format="gif")
    worker.generate(_work(1, _sample("a")))
    assert [outcome.status for outcome in worker.finish(1)] == ["ok"]
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    assert (record.audio_rate_hz, record.audio_channels, record.audio_sha256) == (None, None, None)


def test_a_file_with_half_the_sound_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sound that is read back must be as long as the sound that was written."""
    half = Audio(np.zeros((2, 5000), np.int16), 16000)
    monkeypatch.setattr("t2vbatch.worker.finish.decode_audio", lambda path, most_s: half)
    worker = _worker(tmp_path, _ModelWithSound())
    worker.generate(_work(1, _sample("a")))
    [outcome] = worker.finish(1)
    assert outcome.failure is not None
    assert "0.312 s of sound in 2 channels; 0.625 s" in outcome.failure.error
    assert not (tmp_path / "videos").exists()


def test_a_partial_unit_is_padded(tmp_path: Path) -> None:
    """The model always gets a full batch; only real samples get records."""
    model = _Model()
    worker = _worker(tmp_path, model, batch=4)
    worker.generate(_work(1, _sample("a", 1), _sample("b", 2)))
    assert len(worker.finish(1)) == 2
    assert [request.seed for request in model.calls[0]] == [1, 2, 2, 2]
    assert Store(str(tmp_path)).records().num_rows == 2


@pytest.mark.parametrize("error", [RowError("x"), MemoryExceededError("x")])
def test_a_failed_call_raises_and_commits_nothing(tmp_path: Path, error: Exception) -> None:
    """The error reaches the engine, and there is no record."""
    worker = _worker(tmp_path, _Model(error))
    with pytest.raises(type(error)):
        worker.generate(_work(1, _sample("a")))
    assert Store(str(tmp_path)).records().num_rows == 0


def test_a_degenerate_result_is_recorded(tmp_path: Path) -> None:
    """The same seed would give the same result, so it is recorded and not retried."""
    worker = _worker(tmp_path, _Model(DegenerateError("frames hold NaN")))
    worker.generate(_work(1, _sample("a")))
    assert [outcome.status for outcome in worker.finish(1)] == ["degenerate"]
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    assert (record.error, record.video) == ("frames hold NaN", None)


def test_a_degenerate_result_in_a_batch_raises(tmp_path: Path) -> None:
    """A unit of two raises, so that the scheduler tries each sample alone."""
    worker = _worker(tmp_path, _Model(DegenerateError("x")), batch=2)
    with pytest.raises(DegenerateError):
        worker.generate(_work(1, _sample("a"), _sample("b")))


def test_an_encode_failure_fails_only_its_own_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other samples of the unit are committed; the outcome of the failed one has the failure."""

    def failing(video: Video, path: Path, settings: VideoFile) -> None:
        if np.array_equal(video.frames, _noise(1)):
            raise EncodeError("ffmpeg ended with code 1")
        encode(video, path, settings)

    monkeypatch.setattr("t2vbatch.worker.finish.encode", failing)
    worker = _worker(tmp_path, _Model(), batch=2)
    worker.generate(_work(1, _sample("a", 1), _sample("b", 2)))
    outcomes = worker.finish(1)
    assert [outcome.status for outcome in outcomes] == ["failed", "ok"]
    assert outcomes[0].failure is not None
    assert outcomes[0].failure.error_type == "EncodeError"
    assert Store(str(tmp_path)).records()["sample_id"].to_pylist() == ["b"]


def test_a_file_that_differs_from_the_frames_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoding detects an encoder that drops frames and exits with code 0; no file stays behind."""

    def cut(video: Video, path: Path, settings: VideoFile) -> None:
        encode(Video(video.frames[:2], video.fps), path, settings)

    monkeypatch.setattr("t2vbatch.worker.finish.encode", cut)
    worker = _worker(tmp_path, _Model())
    worker.generate(_work(1, _sample("a")))
    assert worker.finish(1)[0].status == "failed"
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_the_first_record_wins(tmp_path: Path) -> None:
    """A later attempt at the same sample does not change the record."""
    worker = _worker(tmp_path, _Model())
    records = []
    for key in (1, 2):
        worker.generate(_work(key, _sample("a")))
        worker.finish(key)
        records.append(Store(str(tmp_path)).committed("a"))
    assert records[0] == records[1]


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def _leave_orphan(folder: Path, model: _Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the files of a worker that was killed between publishing sample ``a`` and committing it."""
    worker = _worker(folder, model)
    worker.generate(_work(1, _sample("a")))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "commit", _die)
        with pytest.raises(KeyboardInterrupt):
            worker.finish(1)


def _digests(folder: Path) -> tuple[str, str | None]:
    """Digest of the file of sample ``a``, and the digest in its record."""
    record = Store(str(folder)).committed("a")
    assert record is not None
    return hashlib.sha256((folder / "videos/m/a.mp4").read_bytes()).hexdigest(), record.video_sha256


def test_a_published_video_without_a_record_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model does not generate it again; the other samples of the unit are generated."""
    _leave_orphan(tmp_path, _Model(), monkeypatch)
    assert Store(str(tmp_path)).committed("a") is None
    model = _Model(salt=7)
    worker = _worker(tmp_path, model, batch=2)
    worker.generate(_work(1, _sample("a"), _sample("b", 2)))
    assert [outcome.status for outcome in worker.finish(1)] == ["ok", "ok"]
    assert [[request.seed for request in call] for call in model.calls] == [[2, 2]]
    found, recorded = _digests(tmp_path)
    assert found == recorded
    assert list(Store(str(tmp_path)).folder.names("drafts")) == []


@pytest.mark.parametrize("damage", ["another sample's draft", "a torn draft", "another file", "no file"])
def test_only_a_file_that_matches_its_draft_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """A file that differs from its draft, or has no valid draft, is generated again."""
    _leave_orphan(tmp_path, _Model(), monkeypatch)
    draft, file = tmp_path / "drafts/a.json", tmp_path / "videos/m/a.mp4"
    match damage:
        case "another sample's draft":
            draft.write_text(draft.read_text().replace('"sample_id": "a"', '"sample_id": "other"'))
        case "a torn draft":
            draft.write_bytes(draft.read_bytes()[:50])
        case "another file":
            file.write_bytes(b"the video of another row")
        case _:
            file.unlink()
    model = _Model(salt=7)
    worker = _worker(tmp_path, model)
    worker.generate(_work(1, _sample("a")))
    worker.finish(1)
    assert len(model.calls) == 1
    found, recorded = _digests(tmp_path)
    assert found == recorded


def test_a_late_attempt_does_not_replace_the_committed_video(tmp_path: Path) -> None:
    """File and record stay the first attempt's even where the second attempt gives other bytes."""
    early, late = _worker(tmp_path, _Model()), _worker(tmp_path, _Model(salt=7))
    late.generate(_work(1, _sample("a")))
    early.generate(_work(1, _sample("a")))
    early.finish(1)
    before = _digests(tmp_path)
    assert [outcome.status for outcome in late.finish(1)] == ["ok"]
    assert _digests(tmp_path) == before
    assert before[0] == before[1]


def test_two_attempts_that_publish_at_once_leave_a_matching_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One attempt stops before its file moves, and continues after the other committed other bytes."""
    stopped, other = _worker(tmp_path, _Model()), _worker(tmp_path, _Model(salt=7))
    stopped.generate(_work(1, _sample("a")))
    other.generate(_work(1, _sample("a")))
    place = Store._place

    def stop(store: Store, name: str, local: Path) -> None:
        monkeypatch.setattr(Store, "_place", place)
        other.finish(1)
        place(store, name, local)

    monkeypatch.setattr(Store, "_place", stop)
    stopped.finish(1)
    found, recorded = _digests(tmp_path)
    assert found == recorded


def test_a_video_that_differs_from_the_job_has_notes(tmp_path: Path) -> None:
    """The notes of the model and those of the file are in the record; a video as asked has none."""

    class Padded(_Model):
        def generate(self, requests: Sequence[Request]) -> list[Video]:
            return [
                Video(video.frames[:, :31, :], 8.0, notes=("made 5 frames",))
                for video in super().generate(requests)
            ]

    for name, model in (("a", Padded()), ("b", _Model())):
        worker = _worker(tmp_path, model)
        worker.generate(_work(1, _sample(name)))
        worker.finish(1)
    padded, exact = (Store(str(tmp_path)).committed(name) for name in ("a", "b"))
    assert padded is not None
    assert exact is not None
    assert str(padded.video_notes).startswith("made 5 frames; 32 x 31 frames are written as 32 x 32")
    assert exact.video_notes is None


@pytest.mark.parametrize("first", [None, DegenerateError("frames hold NaN")], ids=["black", "NaN"])
def test_a_degenerate_result_is_generated_once_more(tmp_path: Path, first: Exception | None) -> None:
    """The more precise model gets the same seed; the record says why the first result was degenerate."""

    class Black(_Model):
        def generate(self, requests: Sequence[Request]) -> list[Video]:
            return [Video(np.zeros_like(video.frames), 8.0) for video in super().generate(requests)]

    precise = _Model()
    worker = _worker(tmp_path, Black(first), retry_with=lambda: precise)
    worker.generate(_work(1, _sample("a", 5)))
    assert [outcome.status for outcome in worker.finish(1)] == ["ok"]
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    assert ("NaN" if first else "black") in (record.retry_reason or "")
    assert [request.seed for request in precise.calls[0]] == [5]


def test_a_sample_that_stays_degenerate_is_recorded(tmp_path: Path) -> None:
    """A sample that is degenerate twice is recorded after the second call."""
    precise = _Model(DegenerateError("frames hold NaN still"))
    black = _Model(DegenerateError("frames hold NaN"))
    worker = _worker(tmp_path, black, retry_with=lambda: precise)
    worker.generate(_work(1, _sample("a")))
    assert [outcome.status for outcome in worker.finish(1)] == ["degenerate"]
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    assert (record.error, record.retry_reason) == ("frames hold NaN still", "frames hold NaN")
    assert len(precise.calls) == 1


@pytest.mark.parametrize("is_retried", [False, True])
def test_frames_are_read_after_their_copy(tmp_path: Path, is_retried: bool) -> None:
    """The record is that of the pixels that arrive after the call, with and without retry_degenerate."""
    frames = []
    for name, model in (("direct", _Model()), ("copied", _CopyingModel())):
        worker = _worker(tmp_path / name, model, retry_with=(lambda: _Model()) if is_retried else None)
        worker.generate(_work(1, _sample("a")))
        assert [outcome.status for outcome in worker.finish(1)] == ["ok"]
        record = Store(str(tmp_path / name)).committed("a")
        assert record is not None
        frames.append(record.frames_sha256)
    assert frames[0] == frames[1]
