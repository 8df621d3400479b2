"""The checker: reads colour, shape and motion from the pixels of a video. It has no network and no training.

It uses the world's palette and outlines and nothing of the models. An attribute that it cannot read clearly
is None: garbage must not be read correctly by chance. Its thresholds were set on drawn clips, raw and after
H.264.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from t2vbatch.models.shapes.outlines import SHAPES, coverage, unit_area
from t2vbatch.models.shapes.world import BACKGROUNDS, COLOURS

Video = NDArray[np.uint8]  # (T, H, W, 3), RGB
Array = NDArray[np.float64]

_MIN_CONTRAST = 40.0  # RGB distance between shape and background; below it nothing is visible
_MIN_PIXELS = 30  # the smallest shape at its smallest has 60
_MAX_COLOUR_ERROR = 75.0  # RGB distance to the palette; the closest two colours are 93 apart
_SOLID = 0.75  # least share of the shape's full colour; the trail has at most 0.55
_MIN_OVERLAP = 0.70  # intersection over union with the best outline, to name the shape
_MIN_OVERLAP_OF_ANYTHING = 0.4  # below it there is no single object with a path
_MIN_VISIBLE = 0.75  # least share of frames with a shape


@dataclass(frozen=True)
class ShapeReading:
    """What a video shows; None for an attribute that is not clearly one of the world's."""

    colour: str | None
    shape: str | None
    motion: str | None
    background: str | None


UNREADABLE = ShapeReading(None, None, None, None)


@dataclass(frozen=True)
class _Track:
    """The shape's centre and area (both in pixels) in the frames with a shape."""

    t: Array
    x: Array
    y: Array
    area: Array


def read(video: Video) -> ShapeReading:
    """Read one uint8 video of shape (T, H, W, 3)."""
    frames = video.astype(np.float64)
    paper = _paper(frames)
    contrast = np.linalg.norm(frames - paper, axis=-1)
    strongest = np.quantile(contrast, 0.99)
    background = _nearest(paper.mean(axis=(0, 1, 2)), BACKGROUNDS, 40.0)
    if strongest < _MIN_CONTRAST:
        return ShapeReading(None, None, None, background)
    paint = np.median(frames[contrast > 0.85 * strongest], axis=0)
    towards = paint - paper
    ink = ((frames - paper) * towards).sum(-1) / (towards * towards).sum(-1)
    solid = ink > _SOLID
    found = np.array([_is_one_blob(mask) for mask in solid])
    colour = _nearest(paint, COLOURS, _MAX_COLOUR_ERROR)
    if found.mean() < _MIN_VISIBLE:
        return ShapeReading(None, None, None, background)
    track = _follow(solid, found)
    shape, overlap = _shape(solid, track)
    if overlap < _MIN_OVERLAP_OF_ANYTHING:
        return ShapeReading(None, None, None, background)
    return ShapeReading(colour, shape, _motion(track, len(frames)), background)


def _paper(frames: Array) -> Array:
    """The background's colour in each row, from the left and right edges over all frames: (1, H, 1, 3)."""
    edges = np.concatenate([frames[:, :, :3], frames[:, :, -3:]], axis=2)
    row: Array = np.median(edges, axis=(0, 2))
    return row[None, :, None, :]


def _nearest(colour: Array, palette: dict[str, tuple[int, int, int]], limit: float) -> str | None:
    distances = {name: float(np.linalg.norm(colour - np.array(rgb))) for name, rgb in palette.items()}
    best = min(distances, key=lambda name: distances[name])
    return best if distances[best] <= limit else None


def _is_one_blob(mask: NDArray[np.bool_]) -> bool:
    """Whether there are enough pixels, and most of them inside the circle around a star of that area."""
    ys, xs = np.nonzero(mask)
    if len(xs) < _MIN_PIXELS:
        return False
    reach = np.hypot(xs - np.median(xs), ys - np.median(ys))
    return bool((reach < 2.0 * math.sqrt(len(xs) / math.pi)).mean() > 0.9)


def _follow(solid: NDArray[np.bool_], found: NDArray[np.bool_]) -> _Track:
    t = np.nonzero(found)[0]
    centres = [np.argwhere(solid[i]).mean(axis=0) + 0.5 for i in t]
    y, x = np.array(centres).T
    return _Track(t.astype(float), x, y, solid[t].sum(axis=(1, 2)).astype(float))


def _shape(solid: NDArray[np.bool_], track: _Track) -> tuple[str | None, float]:
    """The outline of equal area and centre with the best overlap if the shape is large; the overlap."""
    size = solid.shape[1]
    large = np.nonzero(track.area >= 0.5 * track.area.max())[0]
    overlaps = dict.fromkeys(SHAPES, 0.0)
    for i in large:
        mask = solid[int(track.t[i])]
        for shape in SHAPES:
            radius = math.sqrt(track.area[i] / unit_area(shape))
            place = torch.tensor([track.x[i], track.y[i], radius], dtype=torch.float32)
            outline = coverage(shape, place, size).numpy() > 0.5
            overlaps[shape] += float((mask & outline).sum() / (mask | outline).sum()) / len(large)
    best = max(overlaps, key=lambda name: overlaps[name])
    return (best if overlaps[best] >= _MIN_OVERLAP else None), overlaps[best]


def _motion(track: _Track, frames: int) -> str | None:
    """The motion by rules on the path: its length, straightness and roundness, and the change of size."""
    span_x, span_y = float(np.ptp(track.x)), float(np.ptp(track.y))
    third = max(1, len(track.t) // 3)
    growth = math.sqrt(np.median(track.area[-third:]) / np.median(track.area[:third]))
    if growth < 0.8 and max(span_x, span_y) < 8:
        return "shrinking"
    if not 0.8 <= growth <= 1.25:
        return None
    if max(span_x, span_y) < 5:
        return "still"
    drift_x, drift_y = _drift(track.t, track.x, frames), _drift(track.t, track.y, frames)
    if abs(drift_x) > 12 and span_y < 0.3 * span_x and _straight(track.t, track.x):
        return "right" if drift_x > 0 else "left"
    if abs(drift_y) > 12 and span_x < 0.3 * span_y and _straight(track.t, track.y):
        return "down" if drift_y > 0 else "up"
    if _is_circle(track):
        return "circling"
    if drift_x > 8 and span_y > 10 and _turns(track.y) >= 2:
        return "bouncing"
    return None


def _drift(t: Array, position: Array, frames: int) -> float:
    """Pixels travelled over the whole clip, by the line of least squares."""
    return float(np.polyfit(t, position, 1)[0] * (frames - 1))


def _straight(t: Array, position: Array) -> bool:
    slope, start = np.polyfit(t, position, 1)
    return bool(np.abs(position - (slope * t + start)).max() < 5)


def _is_circle(track: _Track) -> bool:
    """A clockwise arc of at least 200 degrees with a nearly constant radius."""
    # x^2 + y^2 = 2 cx x + 2 cy y + c is linear in the circle's unknowns
    system = np.stack([2 * track.x, 2 * track.y, np.ones_like(track.x)], axis=1)
    (cx, cy, _), *_ = np.linalg.lstsq(system, track.x**2 + track.y**2, rcond=None)
    radius = np.hypot(track.x - cx, track.y - cy)
    angle = np.unwrap(np.arctan2(track.y - cy, track.x - cx))
    swept = math.degrees(angle[-1] - angle[0])  # y points down: clockwise is positive
    return bool(swept > 200 and radius.mean() > 6 and radius.std() < 0.2 * radius.mean())


def _turns(position: Array) -> int:
    """Number of changes of direction; swings under 5 pixels do not count."""
    turns, direction, extreme = 0, 0, position[0]
    for value in position[1:]:
        step = value - extreme
        if direction * step > 0:
            extreme = value
        elif abs(step) > 5:
            turns += direction != 0
            direction, extreme = int(np.sign(step)), value
        elif direction == 0:
            continue
    return turns
