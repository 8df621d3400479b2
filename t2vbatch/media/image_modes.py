"""Pixels of any Pillow mode as 8-bit sRGB.

====================  ==================================================================================
mode                  conversion
====================  ==================================================================================
16-bit grey           0..65535; 0..4095 for 12 bits, also when MaxSampleValue says so; 0..32767 if signed
32-bit integers       0..65535, the range that Pillow's mode I has by convention
floats                0..1
palette, alpha        straight alpha on the background, also for a transparent colour of a PNG or GIF
CMYK, Lab, grey, RGB  by the embedded ICC profile; without one, Pillow's formulas
PNG without profile   by its chunks gAMA and cHRM; cICP comes before a profile
HDR                   tone-mapped from all of its bits
====================  ==================================================================================

Values outside the range are an error: no value is clipped.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from t2vbatch.media.colours import Conversion, png_conversion, tagged_conversion
from t2vbatch.media.hdr import HDR_TRANSFERS, HdrConversion, HdrPixels
from t2vbatch.media.reading import Colour

_BITS, _PHOTOMETRIC, _MAX_SAMPLE, _SAMPLE_FORMAT, _S_MAX_SAMPLE = 258, 262, 281, 339, 341
_WHITE_IS_ZERO, _SIGNED = 0, 2
_MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_CUBE_STEPS = 9


def to_srgb(
    image: Image.Image, background: Colour, deep: Callable[[], HdrPixels | None] = lambda: None
) -> Image.Image:
    """The current frame of an image as mode RGB, not yet turned by its EXIF orientation.

    Args:
        deep: reads the same frame at its full depth, while Pillow gives 8 bits; only called for HDR.

    Raises:
        ValueError: values outside their range, or colours that are not supported.
    """
    raw = _raw_mode(image)
    image.load()
    if image.mode.startswith("I") or image.mode == "F":
        colours, alpha = _deep_grey(image)
    else:
        _refuse_signed(image)
        _correct_transparent_colour(image, raw)
        colours, alpha = _colours(image), _alpha(image)
    shown = _by_tags(colours, image.info, deep)
    if alpha is None:
        return shown
    behind = Image.new("RGB", shown.size, background)
    behind.paste(shown, mask=alpha)
    return behind


def _raw_mode(image: Any) -> str:
    """How the file stores pixels, such as ``L;4``; only known before they are loaded."""
    args = image.tile[0].args if getattr(image, "tile", None) else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _correct_transparent_colour(image: Image.Image, raw: str) -> None:
    """Bring a PNG's transparent colour, which has the depth of the file, to the 8 bits of the pixels."""
    hidden = image.info.get("transparency")
    if raw in ("L;2", "L;4") and isinstance(hidden, int):
        image.info["transparency"] = hidden * 255 // (2 ** int(raw[-1]) - 1)
    elif raw == "RGB;16B" and isinstance(hidden, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in hidden)


def _alpha(image: Image.Image) -> Image.Image | None:
    return image.convert("RGBA").getchannel("A") if image.has_transparency_data else None


def _colours(image: Image.Image) -> Image.Image:
    """The colours without alpha, in a mode that ICC profiles are made for: L, RGB or CMYK."""
    match image.mode:
        case "1" | "L" | "LA":
            return image.convert("L")
        case "La":
            return image.convert("LA").convert("L")
        case "RGBa":
            return image.convert("RGBA").convert("RGB")
        case "CMYK" | "RGB":
            return image
        case "LAB":
            lab = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")
            return _transformed(image, lab)
        case _:
            return image.convert("RGB")


def _deep_grey(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Grey of more than 8 bits as mode L, and the alpha of a PNG's transparent grey."""
    values, tags = np.asarray(image), _tags(image)
    top = _top(image.mode, tags)
    if not np.isfinite(values).all():
        raise ValueError(
            f"values that are NaN or infinite in an image of mode {image.mode}; expected 0 to {top:g}"
        )
    if values.min() < 0 or values.max() > top:
        found = f"values from {values.min():g} to {values.max():g}"
        raise ValueError(f"{found} in an image of mode {image.mode}; expected 0 to {top:g}")
    grey = np.rint(values.astype(np.float32) * (255 / top)).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey
    hidden = image.info.get("transparency")
    alpha = (
        Image.fromarray(np.where(values == hidden, 0, 255).astype(np.uint8)) if hidden is not None else None
    )
    return Image.fromarray(grey), alpha


def _top(mode: str, tags: Mapping[int, Any]) -> float:
    """The value that means white."""
    if mode == "F":
        return 1.0
    bits = _first(tags.get(_BITS, 16))
    if _first(tags.get(_SAMPLE_FORMAT, 1)) == _SIGNED and bits == 16:
        return 32767
    # By its standard MaxSampleValue is a statistic; 1023, 4095 and 16383 are the ranges of sensors.
    named = _first(tags.get(_S_MAX_SAMPLE, tags.get(_MAX_SAMPLE)))
    if named in (1023, 4095, 16383):
        return float(named)
    return float(2 ** min(bits, 16) - 1)


def _refuse_signed(image: Image.Image) -> None:
    if _first(_tags(image).get(_SAMPLE_FORMAT, 1)) == _SIGNED:
        raise ValueError(f"signed values in a TIFF of mode {image.mode}; expected unsigned ones")


def _tags(image: Any) -> Mapping[int, Any]:
    return getattr(image, "tag_v2", {})


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _by_tags(
    image: Image.Image, info: Mapping[Any, Any], deep: Callable[[], HdrPixels | None]
) -> Image.Image:
    """The image as mode RGB in sRGB, by its profile or its other colour tags."""
    if "cicp" in info:
        return _tagged(image, info["cicp"], deep)
    if nclx := info.get("nclx_profile"):  # Of a HEIC without an ICC profile.
        return _tagged(image, (nclx["color_primaries"], nclx["transfer_characteristics"]), deep)
    if transform := _profile(info.get("icc_profile"), image.mode):
        return _transformed(image, transform)
    if info.get("icc_profile") and (transform := _profile(info["icc_profile"], "RGB")):
        return _transformed(image.convert("RGB"), transform)
    return _converted(image, png_conversion(info))


def _tagged(image: Image.Image, tags: tuple[int, int], deep: Callable[[], HdrPixels | None]) -> Image.Image:
    """The image by its tags of H.273, primaries and transfer: of HDR all bits, if they can be read."""
    primaries, transfer = tags
    pixels = deep() if transfer in HDR_TRANSFERS else None
    if pixels is None:
        return _converted(image, tagged_conversion(primaries, transfer))
    conversion = tagged_conversion(primaries, transfer, pixels.peak_nits)
    assert isinstance(conversion, HdrConversion)
    return Image.fromarray(replace(conversion, top=pixels.top).applied(pixels.values))


def _converted(image: Image.Image, conversion: Conversion | HdrConversion | None) -> Image.Image:
    shown = image.convert("RGB")
    return shown if conversion is None else Image.fromarray(conversion.applied(np.asarray(shown)))


def _transformed(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    shown = ImageCms.applyTransform(image, transform)
    assert shown is not None
    return shown


@lru_cache(maxsize=64)
def _profile(data: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile to sRGB; None for sRGB, a profile of another mode and a broken one."""
    if not data:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if _MODE_OF_SPACE.get(profile.profile.xcolor_space.strip()) != mode:
            return None
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(profile))
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        transform = ImageCms.buildTransform(profile, _srgb(), mode, "RGB", intent, flags)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return None if _is_identity(transform, mode) else transform


def _is_identity(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform changes RGB by at most one step: a variant of sRGB is left as it is."""
    if mode != "RGB":
        return False
    steps = np.linspace(0, 255, _CUBE_STEPS).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(_CUBE_STEPS, -1, 3)
    shown = np.asarray(_transformed(Image.fromarray(cube), transform))
    return bool(np.abs(shown.astype(int) - cube).max() <= 1)


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
