"""Sizes and rates that every player shows, and the frames in that form.  [pure]

QuickTime, Safari and Firefox on Windows play H.264 only with half-size chroma, which needs even sides. They
and other browsers play a GIF with delays below 20 ms at 10 frames per second, so a GIF has at most 50.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from t2vbatch.job import VideoFile

MAX_GIF_FPS = 50.0
_MOST_DENOMINATOR = 1001
_TELEVISION_TOLERANCE = 0.0002
"""In frames per second: 119.88 for 120000/1001 differs by 0.00012."""


def written_size(width: int, height: int, settings: VideoFile) -> tuple[int, int]:
    """Width and height of the file: even for an mp4, unless ``odd_sides: keep``."""
    if settings.format != "mp4" or settings.odd_sides == "keep":
        return width, height
    if settings.odd_sides == "crop":
        return max(2, width - width % 2), max(2, height - height % 2)
    return width + width % 2, height + height % 2


def written_fps(fps: float, settings: VideoFile) -> float:
    """Frames per second of the file."""
    return min(fps, MAX_GIF_FPS) if settings.format == "gif" else fps


def written_rate(fps: float, settings: VideoFile) -> Fraction:
    """The rate of the file as a fraction. 23.976, 29.97 and 59.94 are rates of television: 24000/1001, ..."""
    rate = written_fps(fps, settings)
    television = Fraction(round(rate * 1.001) * 1000, 1001)
    if abs(television - Fraction(rate)) < _TELEVISION_TOLERANCE:
        return television
    return max(Fraction(rate).limit_denominator(_MOST_DENOMINATOR), Fraction(1, _MOST_DENOMINATOR))


def written_frames(
    frames: npt.NDArray[np.uint8], settings: VideoFile
) -> npt.NDArray[np.uint8] | Iterator[npt.NDArray[np.uint8]]:
    """Frames (T, H, W, 3) at the size of the file: cut, or with the last row and column repeated."""
    height, width = frames.shape[1:3]
    new_width, new_height = written_size(width, height, settings)
    if (new_width, new_height) == (width, height):
        return frames
    more = ((0, max(0, new_height - height)), (0, max(0, new_width - width)), (0, 0))
    return (np.pad(frame[:new_height, :new_width], more, mode="edge") for frame in frames)


def file_notes(settings: VideoFile, fps: float, width: object, height: object) -> Iterator[str]:
    """Sentences about a file that differs from its frames. Sizes that are not known are not integers."""
    if written_fps(fps, settings) != fps:
        yield f"{fps:g} fps are written as {MAX_GIF_FPS:g} fps: browsers slow down a faster gif"
    if isinstance(width, int) and isinstance(height, int):
        size = written_size(width, height, settings)
        if size != (width, height):
            yield (
                f"{width} x {height} frames are written as {size[0]} x {size[1]}: many players need even "
                "sides; video.odd_sides changes this"
            )
