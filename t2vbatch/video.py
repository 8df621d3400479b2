"""A video, and the way to and from a file.

Owns ffmpeg: no other module runs it. Every file is written by one command whose bytes depend on nothing but
the frames and the settings: one thread, no assembly that varies with the processor, no time stamps.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Video:
    """Frames and their rate.

    Attributes:
        frames: uint8, shape (T, H, W, 3), RGB.
        fps: frames per second.
    """

    frames: npt.NDArray[np.uint8]
    fps: float

    def __post_init__(self) -> None:
        shape, kind = self.frames.shape, self.frames.dtype
        if kind != np.uint8 or len(shape) != 4 or shape[3] != 3 or min(shape[:3]) < 1:
            raise ValueError(f"frames are uint8 of shape (T, H, W, 3), not {kind} of shape {shape}")

    @property
    def duration_s(self) -> float:
        """How long it plays, in seconds."""
        return len(self.frames) / self.fps

    def sha256(self) -> str:
        """Digest of shape and pixels, as 64 hexadecimal digits."""
        digest = hashlib.sha256(repr(self.frames.shape).encode())
        digest.update(np.ascontiguousarray(self.frames).data)
        return digest.hexdigest()
