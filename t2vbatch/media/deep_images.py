"""HDR images at their own depth: 8 bits of PQ or HLG show bands.

Pillow gives 8 bits of a PNG and an AVIF; ffmpeg's decoders give all of them. They read only the first image
of a file, and neither the grid of a large AVIF nor its alpha. So all else of an image comes from Pillow.
"""

import io
from contextlib import suppress

import av
from PIL import Image

from t2vbatch.media.hdr import HdrPixels
from t2vbatch.media.heif import deep_heif
from t2vbatch.media.presentation import hdr_pixels

_CONTAINERS = {"PNG": "png_pipe", "AVIF": "mov"}
_8_BITS = 8


def deep_pixels(data: bytes, image: Image.Image) -> HdrPixels | None:
    """The pixels of the current page of an image, not yet turned; None if only 8 bits can be read."""
    if image.format == "HEIF":
        return deep_heif(data, image.tell())
    container = _CONTAINERS.get(str(image.format))
    if container is None or image.tell():
        return None
    # ffmpeg shows grey of limited range as if it had the full range, and converts fewer matrices than Pillow.
    with suppress(av.error.FFmpegError, ValueError), av.open(io.BytesIO(data), "r", container) as file:
        frame = next(file.decode(video=0))
        bits = max(part.bits for part in frame.format.components)
        is_grey = container == "mov" and len(frame.format.components) == 1
        if bits > _8_BITS and not is_grey and (frame.width, frame.height) == image.size:
            return hdr_pixels(frame)
    return None
