"""The sound of a video: a waveform in memory, and its WAV file.

This module reads and writes WAV only. ``video`` runs ffmpeg for compressed sound.
"""

import hashlib
import math
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from t2vbatch.storage.inputs import open_input


@dataclass(frozen=True)
class Audio:
    """A waveform and its sample rate.

    Attributes:
        waveform: int16, shape (channels, N), with one or two channels.
        rate_hz: samples per second, of each channel.
    """

    waveform: npt.NDArray[np.int16]
    rate_hz: int

    def __post_init__(self) -> None:
        shape, kind = self.waveform.shape, self.waveform.dtype
        if kind != np.int16 or len(shape) != 2 or shape[0] not in (1, 2) or shape[1] < 1:
            raise ValueError(f"a waveform must be int16 of shape (1 or 2, N), not {kind} of shape {shape}")

    @property
    def channels(self) -> int:
        """1 for mono, 2 for stereo."""
        return len(self.waveform)

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return float(self.waveform.shape[1] / self.rate_hz)

    def lasting(self, duration_s: float) -> "Audio":
        """The same sound with this duration: cut, or padded with silence."""
        length = max(1, round(duration_s * self.rate_hz))
        kept = self.waveform[:, :length]
        return Audio(np.pad(kept, ((0, 0), (0, length - kept.shape[1]))), self.rate_hz)

    def sha256(self) -> str:
        """SHA-256 of shape, rate and values, as 64 hexadecimal digits."""
        digest = hashlib.sha256(repr((self.waveform.shape, self.rate_hz)).encode())
        digest.update(np.ascontiguousarray(self.waveform, "<i2").data)
        return digest.hexdigest()


def write_wav(audio: Audio, path: Path) -> None:
    """Write a 16-bit WAV file, which is lossless. Raises OSError."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(audio.channels)
        file.setsampwidth(2)
        file.setframerate(audio.rate_hz)
        file.writeframes(np.ascontiguousarray(audio.waveform.T, "<i2").data)


def read_wav(path: Path, most_s: float) -> Audio:
    """Read the first ``most_s`` seconds of a 16-bit WAV file.

    Raises:
        OSError, StoreError: the file cannot be read, or is not a regular file.
        ValueError: it is another kind of file.
    """
    try:
        with open_input(path) as opened, wave.open(opened, "rb") as file:
            if file.getsampwidth() != 2:
                raise wave.Error(f"it has {8 * file.getsampwidth()} bits")
            length = min(file.getnframes(), math.ceil(most_s * file.getframerate()))
            data = np.frombuffer(file.readframes(length), "<i2")
            return Audio(data.reshape(-1, file.getnchannels()).T.astype(np.int16), file.getframerate())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path.name}: not a 16-bit WAV file ({error})") from error
