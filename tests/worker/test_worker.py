"""A worker: what becomes of a unit between the model's frames and a committed record."""

import hashlib
import json
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
from t2vbatch.models.protocol import Request
from t2vbatch.output.store import Store
from t2vbatch.plan import Sample
from t2vbatch.worker.protocol import Work
from t2vbatch.worker.worker import Worker, versions


class _Model:
    """Gives what it was made with, or raises it; remembers what it was asked."""

    def __init__(self, answer: Exception | None = None, salt: int = 0) -> None:
        self.answer, self.salt = answer, salt
        self.asked: list[Sequence[Request]] = []

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        self.asked.append(requests)
        if self.answer:
            raise self.answer
        return [Video(_noise(request.seed + self.salt), 8.0) for request in requests]


class _Singer(_Model):
    """Gives each video a second of noise to hear; the video is shorter."""

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        waveform = np.random.default_rng(0).integers(-9000, 9000, (2, 16000)).astype(np.int16)
        return [replace(video, audio=Audio(waveform, 16000)) for video in super().generate(requests)]


def _noise(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


def _sample(name: str, seed: int = 1) -> Sample:
    return Sample(name, f"row-{name}", "m", 0, seed, f"videos/m/{name}.mp4", "a prompt", None)


def _worker(folder: Path, model: _Model, batch: int = 1, format: str = "mp4") -> Worker:
    models, video = {"m": {"path": "x", "batch": batch}}, {"format": format}
    text = json.dumps({"manifest": "m", "output": str(folder), "models": models, "video": video})
    job = parse_job(text, "job")
    return Worker(job, "m", Store(str(folder)), model, Scorer({}, {}), "m-1", "cpu", 2.5)


def _work(key: int, *samples: Sample) -> Work:
    count = len(samples)
    return Work(key, tuple(range(count)), samples, (2,) * count)


def test_a_record_says_all_that_was_seen(tmp_path: Path) -> None:
    """Digests, sizes, times, versions, attempts: from the file as it lies there."""
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
    assert {"torch", "diffusers", "ffmpeg", "t2vbatch"} <= set(record.versions)
    assert record.started_at is not None
    assert record.finished_at is not None
    assert record.started_at < record.finished_at


@pytest.mark.parametrize(("format", "rate_hz"), [("mp4", 16000), ("webm", 48000), ("png", 16000)])
def test_a_record_says_what_is_heard(tmp_path: Path, format: str, rate_hz: int) -> None:
    """Rate, channels and digest of the sound in the file, which is as long as the frames."""
    worker = _worker(tmp_path, _Singer(), format=format)
    worker.generate(_work(1, _sample("a")))
    worker.finish(1)
    record, heard = Store(str(tmp_path)).committed("a"), decode_audio(tmp_path / "videos/m/a.mp4")
    assert record is not None
    assert (record.audio_rate_hz, record.audio_channels, record.audio_sha256) == (rate_hz, 2, heard.sha256())
    assert heard.duration_s == pytest.approx(5 / 8, abs=0.001)


def test_a_gif_is_not_heard(tmp_path: Path) -> None:
    """The format has no sound, and the record says so."""
    worker = _worker(tmp_path, _Singer(), format="gif")
    worker.generate(_work(1, _sample("a")))
    assert [outcome.status for outcome in worker.finish(1)] == ["ok"]
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    assert (record.audio_rate_hz, record.audio_channels, record.audio_sha256) == (None, None, None)


def test_half_a_sound_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read back must be as long as what was written."""
    half = Audio(np.zeros((2, 5000), np.int16), 16000)
    monkeypatch.setattr("t2vbatch.worker.worker.decode_audio", lambda path: half)
    worker = _worker(tmp_path, _Singer())
    worker.generate(_work(1, _sample("a")))
    [outcome] = worker.finish(1)
    assert outcome.failure is not None
    assert "0.312 s in 2 channels where 0.625 s" in outcome.failure.error
    assert not (tmp_path / "videos").exists()


def test_a_unit_is_filled_up_and_what_fills_it_is_thrown_away(tmp_path: Path) -> None:
    """The model always sees a whole batch; records are of samples alone."""
    model = _Model()
    worker = _worker(tmp_path, model, batch=4)
    worker.generate(_work(1, _sample("a", 1), _sample("b", 2)))
    assert len(worker.finish(1)) == 2
    assert [request.seed for request in model.asked[0]] == [1, 2, 2, 2]
    assert Store(str(tmp_path)).records().num_rows == 2


@pytest.mark.parametrize("error", [RowError("x"), MemoryExceededError("x")])
def test_a_failure_is_the_schedulers_to_judge(tmp_path: Path, error: Exception) -> None:
    """It is raised, nothing is committed, and nothing is kept."""
    worker = _worker(tmp_path, _Model(error))
    with pytest.raises(type(error)):
        worker.generate(_work(1, _sample("a")))
    assert Store(str(tmp_path)).records().num_rows == 0


def test_a_degenerate_answer_is_an_answer(tmp_path: Path) -> None:
    """The same seed would give it again: it is recorded, not retried."""
    worker = _worker(tmp_path, _Model(DegenerateError("frames hold NaN")))
    worker.generate(_work(1, _sample("a")))
    assert [outcome.status for outcome in worker.finish(1)] == ["degenerate"]
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    assert (record.error, record.video) == ("frames hold NaN", None)


def test_of_several_the_degenerate_one_shows_alone(tmp_path: Path) -> None:
    """A unit of two raises, so that each is tried by itself."""
    worker = _worker(tmp_path, _Model(DegenerateError("x")), batch=2)
    with pytest.raises(DegenerateError):
        worker.generate(_work(1, _sample("a"), _sample("b")))


def test_a_file_that_cannot_be_written_costs_that_sample_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbours of the unit are committed, and it carries its failure."""

    def failing(video: Video, path: Path, settings: VideoFile) -> None:
        if np.array_equal(video.frames, _noise(1)):
            raise EncodeError("ffmpeg ended with code 1")
        encode(video, path, settings)

    monkeypatch.setattr("t2vbatch.worker.worker.encode", failing)
    worker = _worker(tmp_path, _Model(), batch=2)
    worker.generate(_work(1, _sample("a", 1), _sample("b", 2)))
    outcomes = worker.finish(1)
    assert [outcome.status for outcome in outcomes] == ["failed", "ok"]
    assert outcomes[0].failure is not None
    assert outcomes[0].failure.error_type == "EncodeError"
    assert Store(str(tmp_path)).records()["sample_id"].to_pylist() == ["b"]


def test_a_file_that_reads_back_as_another_video_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the frames written, exit code 0: found by reading, and nothing is left lying about."""

    def cut(video: Video, path: Path, settings: VideoFile) -> None:
        encode(Video(video.frames[:2], video.fps), path, settings)

    monkeypatch.setattr("t2vbatch.worker.worker.encode", cut)
    worker = _worker(tmp_path, _Model())
    worker.generate(_work(1, _sample("a")))
    assert worker.finish(1)[0].status == "failed"
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_the_first_record_stays(tmp_path: Path) -> None:
    """A second attempt that comes late changes nothing that a reader sees."""
    worker = _worker(tmp_path, _Model())
    seen = []
    for key in (1, 2):
        worker.generate(_work(key, _sample("a")))
        worker.finish(key)
        seen.append(Store(str(tmp_path)).committed("a"))
    assert seen[0] == seen[1]


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def _left_behind(folder: Path, model: _Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker leaves that is killed between publishing sample ``a`` and committing it."""
    worker = _worker(folder, model)
    worker.generate(_work(1, _sample("a")))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "commit", _die)
        with pytest.raises(KeyboardInterrupt):
            worker.finish(1)


def _digests(folder: Path) -> tuple[str, str | None]:
    """Of the file of sample ``a``, and the one in its record."""
    record = Store(str(folder)).committed("a")
    assert record is not None
    return hashlib.sha256((folder / "videos/m/a.mp4").read_bytes()).hexdigest(), record.video_sha256


def test_a_finished_video_whose_record_was_lost_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is not asked for it again; its neighbours in the unit are made."""
    _left_behind(tmp_path, _Model(), monkeypatch)
    assert Store(str(tmp_path)).committed("a") is None
    model = _Model(salt=7)
    worker = _worker(tmp_path, model, batch=2)
    worker.generate(_work(1, _sample("a"), _sample("b", 2)))
    assert [outcome.status for outcome in worker.finish(1)] == ["ok", "ok"]
    assert [[request.seed for request in asked] for asked in model.asked] == [[2, 2]]
    found, recorded = _digests(tmp_path)
    assert found == recorded
    assert list(Store(str(tmp_path)).folder.names("drafts")) == []


@pytest.mark.parametrize("damage", ["another sample's draft", "a torn draft", "another file", "no file"])
def test_only_the_samples_own_bytes_are_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Whatever is not as its draft says is made again."""
    _left_behind(tmp_path, _Model(), monkeypatch)
    draft, file = tmp_path / "drafts/a.json", tmp_path / "videos/m/a.mp4"
    match damage:
        case "another sample's draft":
            draft.write_text(draft.read_text().replace('"sample_id": "a"', '"sample_id": "other"'))
        case "a torn draft":
            draft.write_bytes(draft.read_bytes()[:50])
        case "another file":
            file.write_bytes(b"of another row that had this name")
        case _:
            file.unlink()
    model = _Model(salt=7)
    worker = _worker(tmp_path, model)
    worker.generate(_work(1, _sample("a")))
    worker.finish(1)
    assert len(model.asked) == 1
    found, recorded = _digests(tmp_path)
    assert found == recorded


def test_a_late_attempt_leaves_the_committed_video_alone(tmp_path: Path) -> None:
    """Also where the model gives other bytes the second time: file and record stay the first attempt's."""
    early, late = _worker(tmp_path, _Model()), _worker(tmp_path, _Model(salt=7))
    late.generate(_work(1, _sample("a")))
    early.generate(_work(1, _sample("a")))
    early.finish(1)
    before = _digests(tmp_path)
    assert [outcome.status for outcome in late.finish(1)] == ["ok"]
    assert _digests(tmp_path) == before
    assert before[0] == before[1]


def test_where_two_publish_at_once_the_record_is_that_of_the_file_that_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One attempt stops just before its file moves, and goes on when the other has committed other bytes."""
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


@pytest.mark.parametrize("first", [None, DegenerateError("frames hold NaN")], ids=["black", "NaN"])
def test_a_degenerate_answer_is_asked_for_once_more(tmp_path: Path, first: Exception | None) -> None:
    """Of the more precise model alone, with the same seed; the record says what was wrong with the first."""

    class Black(_Model):
        def generate(self, requests: Sequence[Request]) -> list[Video]:
            return [Video(np.zeros_like(video.frames), 8.0) for video in super().generate(requests)]

    worker, precise = _worker(tmp_path, Black(first)), _Model()
    worker.retry_with = lambda: precise
    worker.generate(_work(1, _sample("a", 5)))
    assert [outcome.status for outcome in worker.finish(1)] == ["ok"]
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    assert ("NaN" if first else "black") in (record.retry_reason or "")
    assert [request.seed for request in precise.asked[0]] == [5]


def test_a_sample_that_stays_degenerate_is_recorded_so(tmp_path: Path) -> None:
    """After one more answer, not after many."""
    precise = _Model(DegenerateError("frames hold NaN still"))
    worker = _worker(tmp_path, _Model(DegenerateError("frames hold NaN")))
    worker.retry_with = lambda: precise
    worker.generate(_work(1, _sample("a")))
    assert [outcome.status for outcome in worker.finish(1)] == ["degenerate"]
    record = Store(str(tmp_path)).committed("a")
    assert record is not None
    assert (record.error, record.retry_reason) == ("frames hold NaN still", "frames hold NaN")
    assert len(precise.asked) == 1
