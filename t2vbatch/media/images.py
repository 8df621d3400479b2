"""Opening untrusted images: known formats, limited size, and pixels in 8-bit sRGB.

Pillow's other formats are left out on purpose: one of them starts Ghostscript. ``image_modes`` converts the
pixels. A file with several frames or pages is its first one as an image, and all of them as a video. The
thumbnails of a TIFF are left out.
"""

import io
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from t2vbatch.errors import BrokenInputError
from t2vbatch.job import LIMITS, Limits
from t2vbatch.media.apng import drawn_frames, is_drawn_over
from t2vbatch.media.deadline import in_time
from t2vbatch.media.decode_budget import DecodeBudget
from t2vbatch.media.deep_images import deep_pixels
from t2vbatch.media.hdr import HDR_TRANSFERS
from t2vbatch.media.heif import is_heif, is_sequence, open_heif
from t2vbatch.media.image_modes import to_srgb
from t2vbatch.media.quiet import quiet_decoders
from t2vbatch.media.reading import DEFAULT, Reading
from t2vbatch.storage.file_kinds import HEAD_BYTES, file_kind

quiet_decoders()

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""Pillow's formats that are read."""

_KNOWN = ", ".join(sorted((*FORMATS, "HEIC")))

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", *_TIFF)
_YCBCR, _SUBSAMPLING, _BLACK_WHITE, _FULL_RANGE = 6, 530, 532, (0, 255, 128, 255, 128, 255)
_SUBFILE_TYPE, _COMPRESSION, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 254, 259, 262, 330, 50706
_SENSOR_VALUES = (32803, 34892)
"""Values of the tag PhotometricInterpretation for a mosaic of sensor values, and for linear ones."""
_VIDEO = re.compile(
    rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI |FLV\x01|OggS|\x30\x26\xb2\x75|\x00\x00\x01\xba", re.DOTALL
)
_DEFAULT_FPS = 8.0
_HEADER_BYTES = 1 << 20
_JPEG_SCAN = b"\xff\xda"
_MOST_SCANS = 100
"""Encoders write about ten. Each scan visits every block of the image and may have a hundred bytes, so that a
file of a megabyte would take minutes."""


def is_image(head: bytes) -> bool:
    """Whether a file with these first bytes is an image, still or animated. A GIF counts as a video."""
    riff = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    brands = head[8:32] if head[4:8] == b"ftyp" else b""
    heif = is_heif(head) and not is_sequence(head)
    return head.startswith(_MAGIC) or riff or heif or b"avif" in brands or b"avis" in brands


def image_fault(data: bytes, limits: Limits = LIMITS) -> str | None:
    """Why ``data`` is not a usable image; None if it is one.

    Takes about a millisecond: PNG is checked by its checksums, WebP and AVIF by their structure. The other
    formats have neither and are decoded; JPEG at an eighth of its size, which reads the whole file;
    HEIC by its thumbnail, if it has one.
    """
    try:
        return in_time(limits, lambda: _fault(data, limits))
    except Exception as error:
        # A codec raises many kinds of exception on hostile bytes; each means a broken image.
        return _reason(error)


def _fault(data: bytes, limits: Limits) -> str | None:
    image = _opened(data, limits)
    if image.format in ("PNG", "WEBP", "AVIF"):
        image.verify()
        if image.mode == "P" and image.format == "PNG" and image.palette is None:
            return "a palette image without a palette"
    elif image.format == "TIFF":
        to_srgb(image, DEFAULT.background)
    else:
        image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))  # Of JPEG and HEIC only.
        image.load()
    return None


def decode_image(data: bytes, how: Reading = DEFAULT) -> Image.Image:
    """The first frame or page of an image: upright, in 8-bit sRGB, transparent pixels on the background.

    Raises:
        BrokenInputError: the image is broken, in another format or mode, or exceeds a limit.
    """
    try:
        return in_time(how.limits, lambda: _first_page(data, how))
    except Exception as error:
        raise BrokenInputError(f"cannot read the image: {_reason(error)}") from error


def _first_page(data: bytes, how: Reading) -> Image.Image:
    image = _opened(data, how.limits)
    if image.format != "HEIF":  # It is opened at its primary image.
        image.seek(_pages(image)[0])
    return _upright(image, how, data)


def decode_images(files: Sequence[bytes], how: Reading = DEFAULT) -> list[Image.Image]:
    """The images of a folder of frames. All headers are checked against the limits before one is decoded.

    Raises:
        BrokenInputError: as ``decode_image``; or the images together exceed a limit.
    """
    budget, size_bytes = DecodeBudget(how.limits), 0
    try:
        for file in files:
            width, height = _opened(file, how.limits).size
            size_bytes += width * height * 3
            budget.total(len(files), size_bytes)
    except Exception as error:
        raise BrokenInputError(f"cannot read the images: {_reason(error)}") from error
    images = []
    for file in files:
        images.append(decode_image(file, how))
        _in_time(budget)
    return images


def decode_animation(data: bytes, how: Reading) -> tuple[list[Image.Image], float]:
    """Every frame or page of an image, and the average rate per second (8 if it has no rate).

    Raises:
        BrokenInputError: as ``decode_image``; or the frames together exceed a limit.
    """
    try:
        return in_time(how.limits, lambda: _every_page(data, how))
    except Exception as error:
        raise BrokenInputError(f"cannot read the image: {_reason(error)}") from error


def _every_page(data: bytes, how: Reading) -> tuple[list[Image.Image], float]:
    budget = DecodeBudget(how.limits)
    image = _opened(data, how.limits)
    pages = _pages(image)
    if len(pages) > 1 and image.info.get("default_image"):
        del pages[0]  # In such an APNG the first image is for programs that show no animation.
    budget.frames(len(pages), *image.size)
    frames, size_bytes, duration_ms, is_drawn = [], 0, 0.0, False
    for page in pages:
        budget.time()
        image.seek(page)
        budget.frame(*image.size)
        size_bytes += image.width * image.height * 3
        budget.total(len(pages), size_bytes)
        is_drawn |= is_drawn_over(image)
        frames.append(_upright(image, how, data))
        duration_ms += float(image.info.get("duration", 0))
    if is_drawn and image.has_transparency_data:
        drawn = _drawn_over(data, image, how, budget)
        frames = drawn if len(drawn) == len(frames) else frames
    return frames, len(frames) * 1000 / duration_ms if duration_ms > 0 else _DEFAULT_FPS


def _drawn_over(data: bytes, image: Image.Image, how: Reading, budget: DecodeBudget) -> list[Image.Image]:
    """The frames of an animated PNG in the colours that it states."""
    drawn = list(drawn_frames(data, budget))
    for frame in drawn:
        frame.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return [_turned(to_srgb(frame, how.background), _orientation(image)) for frame in drawn]


def _in_time(budget: DecodeBudget) -> None:
    try:
        budget.time()
    except ValueError as error:
        raise BrokenInputError(f"cannot read the images: {error}") from error


def _opened(data: bytes, limits: Limits | None) -> Image.Image:
    budget = DecodeBudget(limits)
    if limits and Image.MAX_IMAGE_PIXELS is not None:
        # Pillow has a limit of its own for the whole process; the job's may be higher.
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, limits.media_pixels)
    try:
        image = open_heif(data) if is_heif(data) else Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        allowed = (limits or LIMITS).bound("media_pixels", "pixels")
        raise ValueError(
            f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; expected {allowed}"
        ) from None
    except UnidentifiedImageError:
        raise ValueError(_unknown(data)) from None
    _refuse_raw(image)
    _refuse_plain_ycbcr(image)
    budget.frame(*image.size)
    if image.format in ("JPEG", "MPO") and data.count(_JPEG_SCAN) > _MOST_SCANS:
        raise ValueError(f"a JPEG of more than {_MOST_SCANS} scans")
    tags = _colour_tags(data, str(image.format))
    # In a PNG these tags come before a profile; in an AVIF after it, but an HDR image must not pass as SDR.
    if tags and (image.format == "PNG" or "icc_profile" not in image.info or tags[1] in HDR_TRANSFERS):
        image.info["cicp"] = tags
    return image


def _colour_tags(data: bytes, kind: str) -> tuple[int, int] | None:
    """Primaries and transfer function (of ITU-T H.273) of an AVIF or PNG, which Pillow does not read."""
    if kind == "AVIF" and (at := data.find(b"colrnclx", 0, _HEADER_BYTES)) >= 0:
        primaries, transfer = struct.unpack_from(">HH", data, at + 8)
        return primaries, transfer
    before = data.find(b"IDAT", 0, _HEADER_BYTES)
    if kind == "PNG" and (at := data.find(b"\0\0\0\4cICP", 0, max(before, 0))) >= 0:
        return data[at + 8], data[at + 9]
    return None


def _pages(image: Image.Image) -> list[int]:
    """The frames that are shown: of a TIFF no reduced copies, of a camera's JPEG only the photograph."""
    count = getattr(image, "n_frames", 1) if image.format != "MPO" else 1
    if image.format != "TIFF" or count == 1:
        return list(range(count))
    return list(_full_pages(image, count)) or [0]


def _full_pages(image: Any, count: int) -> Iterator[int]:
    for page in range(count):
        image.seek(page)
        if not image.tag_v2.get(_SUBFILE_TYPE, 0) & 1:
            yield page


def _upright(image: Image.Image, how: Reading, data: bytes) -> Image.Image:
    shown = to_srgb(image, how.background, lambda: deep_pixels(data, image))
    return _turned(shown, _orientation(image))


def _turned(shown: Image.Image, orientation: Any) -> Image.Image:
    if orientation not in range(2, 9):
        return shown
    shown.getexif()[0x0112] = orientation
    return ImageOps.exif_transpose(shown)


def _orientation(image: Image.Image) -> Any:
    """How the EXIF of an image says that it is turned; None without EXIF, and for one that is damaged."""
    try:
        return image.getexif().get(0x0112)
    except Exception:
        return None  # The pixels are complete: they are loaded before. Pillow raises many kinds of exception.


def _unknown(data: bytes) -> str:
    if not data:
        return f"an empty file, not an image in a known format ({_KNOWN})"
    if (kind := file_kind(data[:HEAD_BYTES])) is not None:
        found = f"{kind.name}, not an image in a known format ({_KNOWN})"
        return f"{found}; {kind.fix}" if kind.fix else found
    if _VIDEO.match(data):
        return f"a video, not an image in a known format ({_KNOWN}); name it in a column of videos"
    if data.startswith(_MAGIC[:2]):
        return "a damaged PNG or JPEG"
    if data.startswith(_TIFF):
        return "a TIFF of a mode that is not read, or a damaged one; save it as grey or RGB of 8 or 16 bits"
    return f"not an image in a known format ({_KNOWN}) and mode"


def _refuse_raw(image: Any) -> None:
    """A raw file of many cameras is a TIFF whose first page is a small preview."""
    tags = getattr(image, "tag_v2", {})
    preview = tags.get(_SUBFILE_TYPE, 0) & 1 and _SUB_IFDS in tags
    if _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _SENSOR_VALUES or preview:
        raise ValueError("a camera's raw file, not an image in a known format; develop it to PNG or JPEG")


def _refuse_plain_ycbcr(image: Any) -> None:
    """Pillow shows it as if it had the full range and all colours. It leaves compressed ones to libtiff."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) != _YCBCR or tags.get(_COMPRESSION, 1) != 1:
        return
    if tags.get(_SUBSAMPLING, (2, 2)) != (1, 1) or tags.get(_BLACK_WHITE, _FULL_RANGE) != _FULL_RANGE:
        raise ValueError("a TIFF with uncompressed YCbCr; save it as RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, AssertionError):  # Pillow asserts that a PNG with a palette image has the palette
        return "a broken image"
    reason = str(error).strip() or type(error).__name__
    return (
        f"a damaged image, or one of a codec that is not read ({reason})" if "decoder" in reason else reason
    )
