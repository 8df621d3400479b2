"""The pixels of PyAV's frames as arrays that share their memory.

PyAV's own conversions copy row by row while they hold Python's lock.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame


def packed_pixels(frame: VideoFrame, channels: int, deep: bool = False) -> npt.NDArray[Any]:
    """The pixels of an ``rgb24`` (3 channels) or ``rgba`` (4) frame: (H, W, channels), writable, no copy.

    The array keeps the frame's memory alive.

    Args:
        deep: for ``rgb48`` and ``rgba64``; the values are uint16 then, else uint8.
    """
    kind = np.uint16 if deep else np.uint8
    rows = np.frombuffer(memoryview(frame.planes[0]), kind).reshape(frame.height, -1)
    return rows[:, : channels * frame.width].reshape(frame.height, frame.width, channels)
