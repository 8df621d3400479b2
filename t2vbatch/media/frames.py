"""Choosing frames of a video.  [pure]"""

import numpy as np
import numpy.typing as npt


def spread(length: int, count: int | None) -> npt.NDArray[np.intp]:
    """Positions of ``count`` evenly spaced frames of ``length``; see ``sampled``."""
    if count is None or count >= length:
        return np.arange(length)
    return _spread(length, count)


def sampled(frames: npt.NDArray[np.uint8], count: int | None) -> npt.NDArray[np.uint8]:
    """``count`` evenly spaced frames, including the first and the last; all frames when count is None.

    A video with fewer frames gives each frame once: a repeated frame would count twice in a mean.
    A count of 1 gives the middle frame.
    """
    if count is None or count >= len(frames):
        return frames
    return np.take(frames, spread(len(frames), count), axis=0)


def repeated(frames: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """Like ``sampled``, but always ``count`` frames: a short video repeats some of its frames."""
    return np.take(frames, _spread(len(frames), count), axis=0)


def _spread(length: int, count: int) -> npt.NDArray[np.intp]:
    if count == 1:
        return np.array([length // 2])
    return np.linspace(0, length - 1, count).round().astype(np.intp)
