"""Sound in video files: its duration, its tones, and reproducible bytes."""

import wave
from pathlib import Path

import numpy as np
import pytest

from t2vbatch.errors import EncodeError
from t2vbatch.job import VideoFile
from t2vbatch.media.audio import Audio, read_wav, write_wav
from t2vbatch.media.video import Video, decode, decode_audio, digest_file, encode, holds_audio, suffix

_HEARING = ("mp4", "webm", "png")
_TONES_HZ = (440.0, 1250.0)


def _tones(duration_s: float = 1.5, rate_hz: int = 44100, channels: int = 2) -> Audio:
    """A pure tone in each channel, at a third of full scale."""
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    waves = [np.sin(2 * np.pi * tone * times) for tone in _TONES_HZ[:channels]]
    return Audio((np.stack(waves) * 11000).round().astype(np.int16), rate_hz)


def _video(audio: Audio | None, count: int = 12, fps: float = 8.0) -> Video:
    frames = np.full((count, 32, 48, 3), 90, np.uint8)
    frames[:, 8:16, 8:16] = (np.arange(count) * 9)[:, None, None, None]
    return Video(frames, fps, audio)


def _settings(name: str) -> VideoFile:
    return VideoFile.model_validate({"format": name})


def _loudest_hz(waveform: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(np.fft.rfftfreq(len(waveform), 1 / rate_hz)[spectrum.argmax()])


@pytest.mark.parametrize("rate_hz", [16000, 24000, 44100, 48000])
@pytest.mark.parametrize("name", _HEARING)
def test_a_sound_survives_its_file(tmp_path: Path, name: str, rate_hz: int) -> None:
    """Each channel keeps its tone and loudness, and the sound its duration, at every rate that models use."""
    path = tmp_path / f"video{suffix(_settings(name))}"
    encode(_video(_tones(rate_hz=rate_hz)), path, _settings(name))
    heard = decode_audio(path, 60.0)
    assert heard.channels == 2
    assert heard.duration_s == pytest.approx(1.5, abs=0.001)
    for channel, tone in zip(heard.waveform, _TONES_HZ, strict=True):
        assert _loudest_hz(channel, heard.rate_hz) == pytest.approx(tone, abs=2.0)
        assert np.abs(channel.astype(float)).mean() == pytest.approx(11000 * 2 / np.pi, rel=0.05)


@pytest.mark.parametrize("name", _HEARING)
def test_the_same_sound_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    """Encoding twice gives bit-equal files and bit-equal decoded sound."""
    video = _video(_tones())
    encode(video, tmp_path / "a", _settings(name))
    encode(video, tmp_path / "b", _settings(name))
    assert digest_file(tmp_path / "a") == digest_file(tmp_path / "b")
    assert decode_audio(tmp_path / "a", 60.0).sha256() == decode_audio(tmp_path / "b", 60.0).sha256()


@pytest.mark.parametrize("name", ["mp4", "webm", "gif", "png"])
def test_a_sound_leaves_the_frames_alone(tmp_path: Path, name: str) -> None:
    """The frames of a video are bit-equal with and without sound."""
    encode(_video(_tones()), tmp_path / "heard", _settings(name))
    encode(_video(None), tmp_path / "silent", _settings(name))
    assert decode(tmp_path / "heard").sha256() == decode(tmp_path / "silent").sha256()
    assert decode(tmp_path / "heard").fps == decode(tmp_path / "silent").fps


@pytest.mark.parametrize("sound_s", [0.4, 3.0])
@pytest.mark.parametrize("name", _HEARING)
def test_a_sound_ends_with_the_frames(tmp_path: Path, name: str, sound_s: float) -> None:
    """A longer sound is cut; a shorter one is padded with silence."""
    encode(_video(_tones(sound_s)), tmp_path / "v", _settings(name))
    heard = decode_audio(tmp_path / "v", 60.0)
    assert heard.duration_s == pytest.approx(1.5, abs=0.001)
    last = np.abs(heard.waveform[:, -heard.rate_hz // 2 :].astype(float)).mean()
    assert (last > 5000) == (sound_s > 1.5)
    assert last > 5000 or last < 20


def test_one_channel_stays_one(tmp_path: Path) -> None:
    """Mono stays mono."""
    encode(_video(_tones(channels=1)), tmp_path / "v", _settings("mp4"))
    assert decode_audio(tmp_path / "v", 60.0).channels == 1


@pytest.mark.parametrize("name", ["mp4", "webm", "gif", "png"])
def test_a_video_without_sound_has_none(tmp_path: Path, name: str) -> None:
    """A video without sound gets no audio track; a gif never has one."""
    encode(_video(_tones() if name == "gif" else None), tmp_path / "v", _settings(name))
    assert holds_audio(_settings(name)) == (name != "gif")
    with pytest.raises(EncodeError):
        decode_audio(tmp_path / "v", 60.0)


def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    """A truncated sound raises."""
    path = tmp_path / "v.mp4"
    encode(_video(_tones()), path, _settings("mp4"))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(EncodeError):
        decode_audio(path, 60.0)


def test_a_wav_file_keeps_every_value(tmp_path: Path) -> None:
    """A WAV file keeps every value, at full scale and in both channels."""
    waveform = np.array([[0, 1, -1, 32767], [5, 6, 7, -32768]], np.int16)
    write_wav(Audio(waveform, 22050), tmp_path / "a.wav")
    read_back = read_wav(tmp_path / "a.wav", 60.0)
    assert read_back.rate_hz == 22050
    assert np.array_equal(read_back.waveform, waveform)


@pytest.mark.parametrize("damage", ["text", "empty", "8 bits"])
def test_other_files_are_not_wav_files(tmp_path: Path, damage: str) -> None:
    """Text, an empty file and 8-bit sound raise."""
    path = tmp_path / "a.wav"
    if damage == "8 bits":
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 1, 8000, 0, "NONE", ""))
            file.writeframes(bytes(4))
    else:
        path.write_bytes(b"" if damage == "empty" else b"no sound")
    with pytest.raises(ValueError, match="not a 16-bit WAV file"):
        read_wav(path, 60.0)


@pytest.mark.parametrize(
    "waveform", [np.zeros((2, 9), np.float32), np.zeros(9, np.int16), np.zeros((6, 9), np.int16)]
)
def test_a_waveform_needs_int16_values(waveform: np.ndarray) -> None:
    """Audio checks the shape and type of its waveform."""
    with pytest.raises(ValueError, match="int16 of shape"):
        Audio(waveform, 16000)


def test_the_digest_covers_rate_and_shape() -> None:
    """The same values at another rate, or in other channels, have another digest."""
    waveform = np.arange(8, dtype=np.int16).reshape(2, 4)
    digests = {
        Audio(waveform, 16000).sha256(),
        Audio(waveform, 8000).sha256(),
        Audio(waveform.reshape(1, 8), 16000).sha256(),
    }
    assert len(digests) == 3
    assert Audio(np.asfortranarray(waveform), 16000).sha256() in digests
