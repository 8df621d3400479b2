"""The program clap_score with tiny weights of CLAP's classes."""

import sys
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly
from transformers import (
    BertTokenizer,
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
)

from t2vbatch.metrics.process import RunningProgram
from t2vbatch.metrics.program_file import find_program
from t2vbatch.metrics.protocol import UnscorableError

RATE = 8000
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "barks", "rain"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLAP with random weights that takes one second of sound at 8 kHz."""
    folder = tmp_path_factory.mktemp("clap")
    audio = ClapAudioConfig(
        spec_size=64,
        num_mel_bins=16,
        window_size=4,
        patch_size=2,
        patch_stride=2,
        patch_embeds_hidden_size=16,
        hidden_size=32,
        depths=[2, 2],
        num_attention_heads=[2, 2],
        num_hidden_layers=2,
        projection_dim=8,
    )
    text = ClapTextConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        projection_dim=8,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    config = ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=8)
    ClapModel(config).save_pretrained(folder)
    ClapFeatureExtractor(
        feature_size=16, sampling_rate=RATE, max_length_s=1, hop_length=80, fft_window_size=256,
        frequency_max=4000, truncation="rand_trunc", padding="repeatpad",
    ).save_pretrained(folder)  # fmt: skip
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def program(checkpoint: Path) -> Iterator[RunningProgram]:
    """The running program."""
    command = [sys.executable, str(find_program("clap_score").path), "--model", str(checkpoint)]
    process = RunningProgram("clap_score", command)
    yield process
    process.close()


def sound(path: Path, seconds: float, rate: int = RATE, channels: int = 1) -> np.ndarray[Any, Any]:
    """Write noise to a WAV file, and return it as int16 of shape (N, channels)."""
    data = np.random.default_rng(0).integers(-9000, 9000, (int(seconds * rate), channels)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(data.tobytes())
    return data


def features(checkpoint: Path, windows: list[Any]) -> Any:
    """The embeddings of windows of sound, by CLAP's own classes, not normalized."""
    extractor, model = ClapFeatureExtractor.from_pretrained(checkpoint), ClapModel.from_pretrained(checkpoint)
    found = extractor(windows, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        return model.eval().get_audio_features(**found).pooler_output


@pytest.mark.parametrize(
    ("prompt", "seconds", "rate", "channels"),
    [
        ("a dog barks", 2.5, 16000, 2),
        ("rain", 1.0, RATE, 1),
        ("rain", 0.4, 12000, 6),
        ("a dog barks", 2.0001, 11025, 1),
    ],
)
def test_the_score_is_the_cosine_of_sound_and_prompt(
    checkpoint: Path,
    program: RunningProgram,
    tmp_path: Path,
    prompt: str,
    seconds: float,
    rate: int,
    channels: int,
) -> None:
    """A sound of any rate and length is the mean of its windows of one second, computed here."""
    data = sound(tmp_path / "a.wav", seconds, rate, channels)
    factor = Fraction(RATE, rate)
    mono = data.mean(axis=1) / 32768
    if factor != 1:
        mono = resample_poly(mono, factor.numerator, factor.denominator)
    mono = mono.astype(np.float32)
    heard = features(checkpoint, [mono[start : start + RATE] for start in range(0, len(mono), RATE)])
    heard = (heard / heard.norm(dim=-1, keepdim=True)).mean(dim=0)
    tokens = BertTokenizer.from_pretrained(checkpoint)(prompt, return_tensors="pt")
    with torch.no_grad():
        read = ClapModel.from_pretrained(checkpoint).eval().get_text_features(**tokens).pooler_output[0]
    expected = 100 * float(torch.nn.functional.cosine_similarity(heard, read, dim=0))
    answer = program.ask({"prompt": prompt, "audio": str(tmp_path / "a.wav")}, 120)
    assert answer["clap_score"] == pytest.approx(expected, abs=1e-3)


def test_a_video_without_sound_or_prompt_has_no_score(program: RunningProgram, tmp_path: Path) -> None:
    """The reason names what is missing."""
    sound(tmp_path / "a.wav", 0.5)
    with pytest.raises(UnscorableError, match="no sound"):
        program.ask({"prompt": "rain", "audio": None}, 120)
    with pytest.raises(UnscorableError, match="no prompt"):
        program.ask({"prompt": "", "audio": str(tmp_path / "a.wav")}, 120)
