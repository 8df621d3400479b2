"""Frames of animated PNGs that are drawn over each other.

Pillow mixes a frame that is partly transparent with the earlier ones by another formula than the
specification: half-transparent over nothing becomes a quarter. ffmpeg follows the specification.
"""

import io
from collections.abc import Iterator

import av
from PIL import Image

from t2vbatch.media.decode_budget import DecodeBudget

_OVER = 1
"""Pillow's number of the operation that draws a frame over the earlier ones."""


def is_drawn_over(page: Image.Image) -> bool:
    """Whether the current frame of an animated PNG is drawn over the earlier ones."""
    return page.format == "PNG" and page.info.get("blend") == _OVER


def drawn_frames(data: bytes, budget: DecodeBudget) -> Iterator[Image.Image]:
    """The frames of an animated PNG in mode RGBA, as its specification draws them. Raises ValueError."""
    try:
        with av.open(io.BytesIO(data), "r", "apng", timeout=budget.seconds) as file:
            for frame in file.decode(video=0):
                budget.time()
                budget.frame(frame.width, frame.height)
                yield Image.fromarray(frame.to_ndarray(format="rgba"))
    except av.error.FFmpegError as error:
        raise ValueError(f"a damaged animated PNG ({error.strerror or type(error).__name__})") from error
