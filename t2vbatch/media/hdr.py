"""HDR colours as 8-bit sRGB: the transfer functions of BT.2100, and the tone mapping.  [pure]

1. Values become light: PQ by its EOTF; HLG as on a display of 1,000 cd/m2, with its OOTF on luminance.
2. Diffuse white of HDR, 203 cd/m2 by ITU-R BT.2408, is 1.
3. The primaries become those of sRGB.
4. Highlights are compressed: the largest of red, green and blue by the Moebius curve of ffmpeg's ``tonemap``
   (linear up to 0.3, 1 at the peak of the file), the other two in proportion, so that hues stay.
5. Light becomes sRGB; colours outside sRGB are clipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

PQ, HLG = 16, 18

HDR_TRANSFERS: Mapping[int, str] = {PQ: "PQ", HLG: "HLG"}
"""Transfer functions of HDR, by their numbers in ITU-T H.273."""

PEAK_NITS = 1000.0
"""Brightest light, in cd/m2, of a file that does not state it: the value of HLG and of common PQ masters."""

_WHITE_NITS = 203.0
_PQ_NITS = 10_000.0
_LINEAR_UP_TO = 0.3
_STRIP_PIXELS = 1 << 19
"""Pixels converted at a time, which bounds memory: each takes 12 bytes of floats, several times."""


@dataclass(frozen=True)
class HdrPixels:
    """The pixels of an HDR image at its own depth.

    Attributes:
        values: shape (H, W, 3), RGB.
        top: the largest value of the signal.
        peak_nits: brightest light of the file, in cd/m2; PEAK_NITS if it does not state it.
    """

    values: npt.NDArray[np.uint16]
    top: int
    peak_nits: float = PEAK_NITS


@dataclass(frozen=True)
class HdrConversion:
    """From HDR to 8-bit sRGB.

    Attributes:
        transfer: PQ or HLG.
        matrix: shape (3, 3), from linear RGB to linear sRGB.
        luminance: shape (3,), the share of red, green and blue in the luminance.
        peak_nits: brightest light of the file, in cd/m2.
        encoded: the sRGB value of each of 65,536 steps of light.
        top: the largest value of the signal in 16-bit pixels; in 8-bit pixels it is 255.
    """

    transfer: int
    matrix: Floats
    luminance: Floats
    peak_nits: float
    encoded: npt.NDArray[np.uint8]
    top: int = 65535

    def applied(self, pixels: Pixels) -> npt.NDArray[np.uint8]:
        """Pixels of shape (H, W, 3), of 8 or 16 bits, as 8-bit sRGB."""
        shown = np.empty(pixels.shape, np.uint8)
        rows = max(1, _STRIP_PIXELS // pixels.shape[1])
        for top in range(0, len(pixels), rows):
            light = self._toned(self._light(pixels[top : top + rows]) @ self.matrix.T)
            steps = np.rint(np.clip(light, 0, 1) * 65535).astype(np.uint16)
            shown[top : top + rows] = self.encoded[steps]
        return shown

    def _light(self, pixels: Pixels) -> Floats:
        """Linear RGB, 1 for diffuse white."""
        top = 255 if pixels.dtype == np.uint8 else self.top
        if self.transfer == PQ:
            return _pq_light(top)[np.minimum(pixels, top)]
        scene = _hlg_scene(top)[np.minimum(pixels, top)]
        steps = np.rint(np.clip(scene @ self.luminance, 0, 1) * 65535).astype(np.uint16)
        return np.asarray(scene * _hlg_gain()[steps][..., None], np.float32)

    def _toned(self, light: Floats) -> Floats:
        largest = np.maximum(light.max(axis=-1, keepdims=True), np.float32(1e-6))
        return np.asarray(light * (self._curve(largest) / largest), np.float32)

    def _curve(self, light: Floats) -> Floats:
        """ffmpeg's Moebius curve: the identity up to ``j``, and 1 at the peak."""
        peak, j = self.peak_nits / _WHITE_NITS, _LINEAR_UP_TO
        if peak <= 1:
            return light
        a = -j * j * (peak - 1) / (j * j - 2 * j + peak)
        b = (j * j - 2 * j * peak + peak) / (peak - 1)
        scale = (b * b + 2 * b * j + j * j) / (b - a)
        return np.where(light <= j, light, scale * (light + a) / (light + b))


@cache
def _pq_light(top: int) -> Floats:
    """Light of each value from 0 to ``top`` by the EOTF of SMPTE ST 2084."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = (np.arange(top + 1) / top) ** (1 / m2)
    nits = _PQ_NITS * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return np.asarray(nits / _WHITE_NITS, np.float32)


@cache
def _hlg_scene(top: int) -> Floats:
    """Light of the scene, 0 to 1, of each value from 0 to ``top`` by the inverse OETF of BT.2100."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    values = np.arange(top + 1) / top
    scene = np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
    return np.asarray(scene, np.float32)


@cache
def _hlg_gain() -> Floats:
    """What the OOTF multiplies the scene with, for each of 65,536 steps of its luminance."""
    luminance = np.arange(65536) / 65535
    return np.asarray(PEAK_NITS / _WHITE_NITS * luminance**0.2, np.float32)
