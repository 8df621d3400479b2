"""Choosing frames of a video.  [pure]"""

import numpy as np
import numpy.typing as npt


def sampled(frames: npt.NDArray[np.uint8], count: int | None) -> npt.NDArray[np.uint8]:
    """``count`` evenly spaced frames, including the first and the last; all frames when count is None.

    A video with fewer frames gives each frame once: a repeated frame would count twice in a mean.
    A count of 1 gives the middle frame.
    """
    if count is None or count >= len(frames):
        return frames
    return repeated(frames, count)


def repeated(frames: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """Like ``sampled``, but always ``count`` frames: a short video repeats some of its frames."""
    if count == 1:
        return frames[[len(frames) // 2]]
    at = np.linspace(0, len(frames) - 1, count).round().astype(int)
    return np.take(frames, at, axis=0)
