"""The pixels of PyAV's frames as arrays that share their memory.

PyAV's own conversions copy row by row while they hold Python's lock.
"""

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame


def packed_pixels(frame: VideoFrame, channels: int) -> npt.NDArray[np.uint8]:
    """The pixels of an ``rgb24`` (3 channels) or ``rgba`` (4) frame: (H, W, channels), writable, no copy.

    The array keeps the frame's memory alive.
    """
    rows = np.frombuffer(memoryview(frame.planes[0]), np.uint8).reshape(frame.height, -1)
    return rows[:, : channels * frame.width].reshape(frame.height, frame.width, channels)
