"""The sound of pipelines: every form in which they return it, and the sound in the file."""

from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from t2vbatch.commands.verify import verify
from t2vbatch.errors import DegenerateError, RowError
from t2vbatch.media.video import decode, decode_audio
from t2vbatch.models.calls.sound import sound_rate, to_audio
from t2vbatch.output.store import open_store
from tests.models import line, tiny
from tests.models.calls.test_outputs import Output
from tests.models.tiny_parts import diffusers

STEREO = np.random.default_rng(0).uniform(-1, 1, (2, 2, 64)).astype(np.float32)
RATES = {"LTX2Pipeline": 24000, "Kandinsky6TI2VAPipeline": 44100, "Cosmos3OmniPipeline": 48000}
"""Pipelines that make sound, one for each place of the sampling rate, with the rate of the tiny pipeline."""


@pytest.mark.parametrize(
    "output",
    [
        Output(audio=STEREO),
        Output(audio=list(STEREO)),
        Output(sound=torch.from_numpy(STEREO)),
        Output(audio=torch.from_numpy(STEREO).to(torch.float64)),
        Output(audio=(STEREO * 32767).round().astype(np.int16)),
    ],
    ids=["array", "list", "tensor", "wide", "integers"],
)
def test_every_shape_of_a_batch_becomes_the_same_sounds(output: Output) -> None:
    """Each video has its own sound, rounded to 16 bits."""
    found = to_audio(output, 2, 16000)
    for audio, expected in zip(found, STEREO, strict=True):
        assert audio is not None
        assert audio.rate_hz == 16000
        assert np.array_equal(audio.waveform, (expected * 32767).round().astype(np.int16))


@pytest.mark.parametrize(
    ("sound", "count", "channels"),
    [
        (STEREO[0], 1, 2),
        (STEREO[:1], 1, 2),
        (STEREO[0, 0], 1, 1),
        (STEREO[0, :1], 1, 1),
        (STEREO[0], 2, 1),
        (torch.from_numpy(STEREO[0]).to(torch.bfloat16), 1, 2),
    ],
)
def test_axes_are_told_apart(sound: Any, count: int, channels: int) -> None:
    """Two axes are channels and time for one video, and videos and time for several."""
    found = to_audio(Output(audio=sound), count, 16000)
    assert [audio and audio.waveform.shape for audio in found] == [(channels, 64)] * count


def test_what_is_louder_than_full_scale_is_cut() -> None:
    """A value outside [-1, 1] is clamped and does not overflow."""
    [audio] = to_audio(Output(audio=np.array([[3.0, -3.0]])), 1, 16000)
    assert audio is not None
    assert audio.waveform.tolist() == [[32767, -32767]]


@pytest.mark.parametrize("output", [Output(frames=STEREO), Output(audio=None), (STEREO,)])
def test_most_pipelines_make_no_sound(output: Any) -> None:
    """Without sound the result is None for each video, and no rate is needed."""
    assert to_audio(output, 2, None) == [None, None]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_no_sound(value: float) -> None:
    """NaN in the sound is found before the conversion to integers."""
    with pytest.raises(DegenerateError, match="1 of 128 values of the sound"):
        to_audio(Output(audio=np.where(np.arange(128).reshape(1, 2, 64) == 5, value, 0.0)), 1, 16000)


@pytest.mark.parametrize(("sound", "rate"), [(STEREO, 16000), (np.zeros((6, 64)), 16000), (STEREO[0], None)])
def test_what_cannot_be_understood_is_an_error(sound: Any, rate: int | None) -> None:
    """A wrong number of sounds, more than two channels and an unknown rate raise errors."""
    with pytest.raises(RowError, match="sound"):
        to_audio(Output(audio=sound), 1, rate)


@pytest.mark.parametrize("name", RATES)
def test_the_parts_of_a_pipeline_say_its_rate(name: str) -> None:
    """The rate comes from vocoder, autoencoder or tokenizer; a vocoder's rate comes first."""
    assert sound_rate(_pipeline(name)) == RATES[name]


def test_a_class_may_say_its_rate() -> None:
    """The rate comes from the class if no part has it, and is None without both."""
    pipeline = _pipeline("TextToVideoSDPipeline")
    assert sound_rate(pipeline) is None
    pipeline.audio_sample_rate = 22050
    assert sound_rate(pipeline) == 22050


def _pipeline(name: str) -> Any:
    return getattr(diffusers, name)(**tiny.TINY_PIPELINES[name].parts())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of the pipelines with sound; the second was interrupted and resumed."""
    folder = tmp_path_factory.mktemp("sound")
    models = line.checkpoints(list(RATES), folder)
    manifest = line.rows(models, folder)
    line.run(folder, "once", models, manifest)
    line.run(folder, "resumed", models, manifest[:1])
    line.run(folder, "resumed", models, manifest)
    return folder


def _records(folder: Path, output: str) -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in open_store(str(folder / output)).records().to_pylist()}


@pytest.mark.parametrize("name", RATES)
def test_the_sound_that_a_model_makes_is_in_its_file(name: str, folder: Path) -> None:
    """The sound is as long as the frames, has the model's rate and is not silent, as recorded."""
    record = _records(folder, "once")[name]
    path = folder / "once" / record["video"]
    heard = decode_audio(path, 60.0)
    assert heard.duration_s == pytest.approx(len(decode(path).frames) / record["fps"], abs=0.001)
    assert (heard.rate_hz, heard.channels) == (record["audio_rate_hz"], record["audio_channels"])
    assert (heard.rate_hz, heard.sha256()) == (RATES[name], record["audio_sha256"])
    for second_half in np.array_split(heard.waveform, 2, axis=1)[1]:
        assert np.abs(second_half.astype(int)).mean() > 10


def test_a_resumed_run_sounds_the_same(folder: Path) -> None:
    """The files of both runs are equal in every byte."""
    once, resumed = _records(folder, "once"), _records(folder, "resumed")
    digests = ("audio_sha256", "video_sha256")
    assert {name: [row[key] for key in digests] for name, row in resumed.items()} == {
        name: [row[key] for key in digests] for name, row in once.items()
    }
    assert set(verify(open_store(str(folder / "once")))) == {None}


def test_verify_listens(folder: Path, tmp_path: Path) -> None:
    """verify finds a file whose sound differs from its record."""
    store = open_store(str(copytree(folder / "once", tmp_path / "out")))
    records = store.records()
    column = records.schema.get_field_index("audio_sha256")
    wrong = pa.array(["0" * 64] * records.num_rows)
    store.rewrite(records.set_column(column, "audio_sha256", wrong))
    findings = [finding for finding in verify(store) if finding and finding.place.endswith(".mp4")]
    assert [finding.found for finding in findings] == ["sound that differs from the record"] * len(RATES)


def test_a_sound_that_a_job_turns_off_is_not_made(tmp_path: Path) -> None:
    """The pipeline's own argument turns the sound off."""
    models = line.checkpoints(["Kandinsky6TI2VAPipeline"], tmp_path)
    models["Kandinsky6TI2VAPipeline"]["call"]["sample_audio"] = False
    [row] = line.run(tmp_path, "out", models, line.rows(models, tmp_path))
    assert (row["status"], row["audio_rate_hz"], row["audio_sha256"]) == ("ok", None, None)
