"""Which frames of a video are looked at.  [pure]"""

import numpy as np
import numpy.typing as npt


def sampled(frames: npt.NDArray[np.uint8], count: int | None) -> npt.NDArray[np.uint8]:
    """``count`` frames at equal distances, the first and the last among them; all where count is None.

    Of a video with fewer frames every one is taken once: a repeated frame would count double in a mean.
    One frame is the middle one.
    """
    if count is None or count >= len(frames):
        return frames
    return repeated(frames, count)


def repeated(frames: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """As ``sampled``, but always ``count``: for networks that take a fixed number, frames come twice."""
    if count == 1:
        return frames[[len(frames) // 2]]
    at = np.linspace(0, len(frames) - 1, count).round().astype(int)
    return np.take(frames, at, axis=0)
