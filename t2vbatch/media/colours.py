"""Colour tags of videos and images, and the conversion of other colours to sRGB.  [pure]

The numbers of tags are those of ITU-T H.273, which video codecs, AVIF and PNG share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from t2vbatch.media.hdr import HDR_TRANSFERS, PEAK_NITS, HdrConversion

Array = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue, in this order."""

BT709, TV_RANGE = 1, 1
"""The tags of written videos: BT.709 as matrix, primaries and transfer; luma from 16 to 235."""

SCALE_EXACT = "flags=bitexact+accurate_rnd+full_chroma_int"
"""Option of ffmpeg's ``scale`` filter: the same result on every processor."""

_D65 = (0.3127, 0.3290)
_SRGB = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_BT2020 = 9
_WIDE: Mapping[int, Chromaticities] = {
    _BT2020: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI-P3
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
_XYZ = 10
_REFUSED_TRANSFERS = {9: "logarithmic, 100:1", 10: "logarithmic, 316:1"}
_REFUSED_MATRICES = {8: "YCgCo", 10: "BT.2020 with constant luminance", 14: "ICtCp", 15: "IPT-C2"}
_UNSPECIFIED = 2
_SUPPORTED_MATRICES = (0, 1, _UNSPECIFIED, 4, 5, 6, 7, 9)
_SRGB_GAMMA = 1 / 2.2
_GAMMA_TOLERANCE = 0.01
_XY_TOLERANCE = 0.005
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Conversion:
    """From RGB of other colours to sRGB.

    Attributes:
        linear: light of each of the 256 values, 0 to 1.
        matrix: shape (3, 3), from linear RGB to linear sRGB.
    """

    linear: Floats
    matrix: Floats

    def applied(self, pixels: Array) -> Array:
        """Pixels of shape (H, W, 3) in sRGB; colours outside sRGB are clipped."""
        light = np.clip(self.linear[pixels] @ self.matrix.T, 0, 1)
        return np.asarray(_encoded()[np.rint(light * 65535).astype(np.uint16)], np.uint8)


def matrix_option(matrix: int, width: int, height: int) -> str:
    """Option of ffmpeg's ``scale`` filter for the colour matrix of a video, if it needs one.

    An untagged video is BT.709 from 1280 pixels of width or 577 of height on, and BT.601 below, as in mpv.

    Raises:
        ValueError: a matrix that cannot be converted.
    """
    if matrix not in _SUPPORTED_MATRICES:
        name = _REFUSED_MATRICES.get(matrix, f"number {matrix} of ITU-T H.273")
        raise ValueError(f"an unsupported colour matrix ({name}); convert the file to BT.709 first")
    large = width >= 1280 or height > 576
    return ":in_color_matrix=bt709" if matrix == _UNSPECIFIED and large else ""


def tagged_conversion(
    primaries: int, transfer: int, peak_nits: float = PEAK_NITS
) -> Conversion | HdrConversion | None:
    """The conversion for tags of H.273; None for colours that are shown as sRGB.

    Primaries of SD and HD television differ little from those of sRGB and are not converted, as in players.
    HDR without a tag for its primaries has those of BT.2020.

    Args:
        peak_nits: brightest light of an HDR file, in cd/m2.

    Raises:
        ValueError: colours that cannot be converted.
    """
    if transfer in _REFUSED_TRANSFERS or primaries == _XYZ:
        name = "CIE XYZ" if primaries == _XYZ else _REFUSED_TRANSFERS[transfer]
        raise ValueError(f"unsupported colours ({name}); convert the file to BT.709 first")
    if transfer in HDR_TRANSFERS:
        points = _WIDE.get(_BT2020 if primaries == _UNSPECIFIED else primaries, _SRGB)
        luminance = np.asarray(_to_xyz(points)[1], np.float32)
        return HdrConversion(transfer, _to_srgb(points), luminance, peak_nits, _encoded())
    gamma = _GAMMAS.get(transfer)
    if primaries not in _WIDE and gamma is None:
        return None
    return Conversion(_linear(gamma), _to_srgb(_WIDE.get(primaries, _SRGB)))


def png_conversion(info: Mapping[Any, Any]) -> Conversion | None:
    """The conversion for a PNG's gAMA and cHRM chunks, as Pillow has them in ``info``; None for sRGB."""
    if "srgb" in info:
        return None
    gamma = float(info.get("gamma") or _SRGB_GAMMA)
    points = tuple(float(value) for value in info.get("chromaticity", _SRGB))
    plain = abs(gamma - _SRGB_GAMMA) < _GAMMA_TOLERANCE
    if plain and np.allclose(points, _SRGB, atol=_XY_TOLERANCE):
        return None
    return Conversion(_linear(None if plain else 1 / gamma), _to_srgb(points))


def _linear(gamma: float | None) -> Floats:
    values = np.arange(256) / 255
    if gamma is not None:
        return (values**gamma).astype(np.float32)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _encoded() -> Array:
    """The sRGB value of each of 65,536 steps of light."""
    light = np.arange(65536) / 65535
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(values * 255), np.uint8)


def _to_srgb(points: Chromaticities) -> Floats:
    source, target = _to_xyz(points), _to_xyz(_SRGB)
    white, d65 = _BRADFORD @ source.sum(axis=1), _BRADFORD @ target.sum(axis=1)
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(d65 / white) @ _BRADFORD
    return np.asarray(np.linalg.inv(target) @ adapted @ source, np.float32)


def _to_xyz(points: Chromaticities) -> npt.NDArray[np.float64]:
    """Matrix from linear RGB to XYZ. Raises ValueError for points that span no colours."""
    xy = np.array(points, np.float64).reshape(4, 2)
    if np.any(xy[:, 1] <= 0):
        raise ValueError("chromaticities that are not colours")
    xyz = np.stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(axis=1)) / xy[:, 1]])
    try:
        return np.asarray(xyz[:, 1:] * np.linalg.solve(xyz[:, 1:], xyz[:, 0]), np.float64)
    except np.linalg.LinAlgError:
        raise ValueError("chromaticities that are not colours") from None
