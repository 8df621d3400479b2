"""Opening untrusted images: known formats and bounded size.

Pillow's other formats are left out on purpose: one of them starts Ghostscript.
"""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from t2vbatch.errors import RowError

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""The formats that are read."""


MAX_PIXELS = 64_000_000
"""Limit for the pixels of one image. The header has the size, so nothing is decoded to check it."""


def image_fault(data: bytes) -> str | None:
    """Why ``data`` is not a usable image; None if it is one.

    Takes about a millisecond: PNG is checked by its checksums, WebP and AVIF by their structure. The other
    formats have neither and are decoded; JPEG at an eighth of its size, which reads the whole file.
    """
    try:
        image = _open(data)
        if image.format in ("PNG", "WEBP", "AVIF"):
            image.verify()
        else:
            image.draft("RGB", (image.width // 8, image.height // 8))  # only JPEG supports it
            image.load()
    except Exception as error:
        # A codec raises many kinds of exception on hostile bytes; each means a broken image.
        return _reason(error)
    return None


def decode_image(data: bytes) -> Image.Image:
    """The image in RGB, upright (with its EXIF orientation applied).

    Raises:
        RowError: the image is broken, in another format, or has more than ``MAX_PIXELS`` pixels.
    """
    try:
        upright = ImageOps.exif_transpose(_open(data))
        return upright.convert("RGB")
    except Exception as error:
        raise RowError(f"cannot read the image: {_reason(error)}") from error


def _open(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
    return image


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"not an image in a known format ({', '.join(FORMATS)})"
    return str(error) or type(error).__name__
