"""Opening images that somebody else wrote: known formats, bounded size, and no surprise later.

Owns Pillow's open. Its other formats are left out on purpose: one of them starts Ghostscript.
"""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from t2vbatch.errors import RowError

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""The formats that are read."""


MAX_PIXELS = 64_000_000
"""Most pixels of one image, known from its header before anything is decoded."""


def image_fault(data: bytes) -> str | None:
    """Why ``data`` is no image that can be used, or None where it is one.

    Costs about a millisecond: PNG is checked by its checksums, WebP and AVIF by their structure when they are
    opened. The others have neither and are decoded; JPEG at an eighth of its size, which reads all of it.
    """
    try:
        image = _open(data)
        if image.format in ("PNG", "WEBP", "AVIF"):
            image.verify()
        else:
            image.draft("RGB", (image.width // 8, image.height // 8))  # only JPEG heeds it
            image.load()
    except Exception as error:
        # Whatever a codec raises on hostile bytes (it is a long list), it means one thing.
        return _reason(error)
    return None


def decode_image(data: bytes) -> Image.Image:
    """The image in RGB, upright (its EXIF orientation applied).

    Raises:
        RowError: when it is broken, of another format, or of more than ``MAX_PIXELS`` pixels.
    """
    try:
        upright = ImageOps.exif_transpose(_open(data))
        return upright.convert("RGB")
    except Exception as error:
        raise RowError(f"the image cannot be read: {_reason(error)}") from error


def _open(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
    return image


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"no image of a known format ({', '.join(FORMATS)})"
    return str(error) or type(error).__name__
