"""HEIF images with HEVC, which phones write as HEIC, read by libheif.

AVIF has the same container; Pillow reads it, so ``is_heif`` leaves it out. pillow-heif is the extra
``t2vbatch[heic]``, because its wheel has another licence than t2vbatch. So only an image in HEIF imports it.
"""

import io
import struct
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
from PIL import Image

from t2vbatch.media.hdr import PEAK_NITS, HdrPixels

_SEQUENCES = (b"hevc", b"hevx", b"hevm", b"hevs", b"msf1")
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", *_SEQUENCES)
_AVIF = (b"avif", b"avis")
_HEAD_BYTES = 64
_BOX = struct.Struct(">I4s")
_DEEP_MODES = ("RGB;16", "RGBA;16", "RGBa;16")


def is_heif(head: bytes) -> bool:
    """Whether a file with these first bytes is an image, or a sequence of images, in HEIF with HEVC."""
    brands = head[8:_HEAD_BYTES]
    return head[4:8] == b"ftyp" and brands[:4] in _BRANDS and not any(name in brands for name in _AVIF)


def is_sequence(head: bytes) -> bool:
    """Whether such a file is first of all a sequence of images, which has a video track."""
    return head[8:12] in _SEQUENCES


def open_heif(data: bytes) -> Image.Image:
    """A HEIF file as an image of Pillow, at its primary image. Its pixels are upright, without orientation.

    Raises:
        ValueError: the file is damaged, or has no image that can be read; or pillow-heif is not installed.
    """
    if find_spec("pillow_heif") is None:
        raise ValueError(
            "a HEIC image, which needs another package; pip install 't2vbatch[heic]', or convert it to PNG"
        )
    import pillow_heif

    if not _is_complete(data):
        raise ValueError("a damaged HEIC image: its end is missing")
    try:
        image: Image.Image = pillow_heif.HeifImageFile(io.BytesIO(data))
    except IndexError:
        raise ValueError("a HEIC file without a still image") from None
    except (OSError, SyntaxError, RuntimeError, EOFError) as error:
        if "not identified" in str(error):  # Pillow's text for an image without a size.
            raise ValueError("a HEIF image of a codec that is not read; convert it to PNG") from None
        raise ValueError(f"a damaged HEIC image: {str(error).strip()}") from None
    return image


def deep_heif(data: bytes, page: int) -> HdrPixels | None:
    """The pixels of an image of more than 8 bits, from 0; None if it has 8. Errors: as ``open_heif``."""
    import pillow_heif

    image = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)[page]
    if image.mode not in _DEEP_MODES:
        return None
    pixels: npt.NDArray[np.uint16] = np.asarray(image)[..., :3]
    depth = int(image.info["bit_depth"])
    peak = image.info.get("content_light_level", {}).get("max_content_light_level")
    # libheif shifts 10 or 12 bits to the top of 16.
    return HdrPixels(pixels, (2**depth - 1) << (16 - depth), float(peak or PEAK_NITS))


def _is_complete(data: bytes) -> bool:
    """Whether the boxes of a file end where the file ends."""
    at = 0
    while at + _BOX.size <= len(data):
        size, _ = _BOX.unpack_from(data, at)
        if size == 0:
            return True
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if size < _BOX.size:
            return False
        at += size
    return at <= len(data)
