"""The training videos of the bundled model: one coloured shape that moves, drawn by a procedure.

This module has the vocabulary (colours, motions, backgrounds, sizes; the shapes are in outlines.py), the
drawing, and the split into seen and held-out combinations; captions.py has the sentences. A shape leaves a
fading trail along its path, also along its path before the first frame. So a single frame shows the motion:
the scorer is a CLIP, which reads one frame at a time.

A caption decides nearly everything in a scene; only start position, speed and phase are random. Two CPU cores
can train a model on that.
"""

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from t2vbatch.models.shapes.outlines import SHAPES
from t2vbatch.models.shapes.outlines import coverage as outline_coverage

SIZE = 64  # pixels, height and width
FRAMES = 9  # the autoencoder takes 4k + 1
FPS = 8

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (230, 35, 45),
    "orange": (255, 140, 20),
    "yellow": (245, 225, 40),
    "green": (40, 180, 70),
    "cyan": (40, 215, 230),
    "blue": (45, 85, 245),
    "purple": (150, 50, 200),
    "pink": (255, 125, 185),
}
MOTIONS = ("left", "right", "up", "down", "circling", "bouncing", "shrinking", "still")
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "dark": (22, 22, 28),
    "navy": (14, 28, 78),
    "gray": (90, 92, 98),
    "light": (232, 230, 222),
}
RADII: dict[str, float] = {"small": 10.0, "medium": 12.5, "large": 14.5}  # pixels
DEFAULT_BACKGROUND, DEFAULT_SIZE = "dark", "medium"  # meant by a caption without a background or a size

_MOMENTS = 2  # times the shape leaves its trail in a frame
_PAST = 5 * _MOMENTS  # moments drawn before the first frame, for the trail
_TRAIL_START, _TRAIL_DECAY = 0.55, 0.86  # share of the full colour; its decay per moment


@dataclass(frozen=True)
class Scene:
    """One video's description. `jitter` holds four numbers in [-1, 1] that move start, speed and phase."""

    colour: str
    shape: str
    motion: str
    background: str = DEFAULT_BACKGROUND
    size: str = DEFAULT_SIZE
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


def is_held_out(colour: str, shape: str, motion: str) -> bool:
    """Whether the combination is held out from training (about an eighth of all), by a hash of its words."""
    digest = hashlib.sha256(f"{colour} {shape} {motion}".encode()).digest()
    return digest[0] % 8 == 0


def combinations(held_out: bool) -> list[tuple[str, str, str]]:
    """Every (colour, shape, motion) of one side of the split, in a fixed order."""
    return [
        (colour, shape, motion)
        for colour in COLOURS
        for shape in SHAPES
        for motion in MOTIONS
        if is_held_out(colour, shape, motion) == held_out
    ]


_SEEN, _HELD_OUT = combinations(held_out=False), combinations(held_out=True)


def sample_scene(rng: random.Random, held_out: bool = False, even: bool = False) -> Scene:
    """A scene of a seen (or a held-out) combination, more than half of them on the default background.

    `even`: all backgrounds equally often. Training uses it, because shapes on light backgrounds are learnt
    slowest.
    """
    colour, shape, motion = rng.choice(_HELD_OUT if held_out else _SEEN)
    background = rng.choice(list(BACKGROUNDS)) if even or rng.random() < 0.6 else DEFAULT_BACKGROUND
    size = rng.choice(list(RADII)) if rng.random() < 0.45 else DEFAULT_SIZE
    a, b, c, d = (rng.uniform(-1, 1) for _ in range(4))
    return Scene(colour, shape, motion, background, size, (a, b, c, d))


def render(scenes: Sequence[Scene], frames: int = FRAMES, start: int = 0) -> Tensor:
    """Draw scenes from frame `start` on: uint8, shape (scenes, frames, SIZE, SIZE, 3), RGB, anti-aliased."""
    paths = torch.stack([_path(scene, start, frames) for scene in scenes])  # (B, moments, 3): x, y, radius
    coverage = torch.empty(len(scenes), paths.shape[1], SIZE, SIZE)
    for shape in SHAPES:
        rows = [i for i, scene in enumerate(scenes) if scene.shape == shape]
        if rows:
            coverage[rows] = outline_coverage(shape, paths[rows], SIZE)
    trail = torch.zeros(len(scenes), SIZE, SIZE)
    ink = torch.empty(len(scenes), frames, SIZE, SIZE)
    for moment in range(paths.shape[1]):
        frame, rest = divmod(moment - _PAST, _MOMENTS)
        if frame >= 0 and rest == 0:
            ink[:, frame] = torch.maximum(coverage[:, moment], trail)
        trail = torch.maximum(trail * _TRAIL_DECAY, coverage[:, moment] * _TRAIL_START)
    paper = torch.tensor([BACKGROUNDS[scene.background] for scene in scenes], dtype=torch.float32)
    paint = torch.tensor([COLOURS[scene.colour] for scene in scenes], dtype=torch.float32)
    slope = torch.linspace(1.06, 0.94, SIZE).view(1, 1, SIZE, 1, 1)  # slightly brighter at the top
    canvas = paper.view(-1, 1, 1, 1, 3) * slope
    pixels = canvas + (paint.view(-1, 1, 1, 1, 3) - canvas) * ink.unsqueeze(-1)
    return pixels.round_().clamp_(0, 255).to(torch.uint8)


def _path(scene: Scene, start: int, frames: int) -> Tensor:
    """Centre and radius (pixels) at each moment, from the past to the last frame: shape (moments, 3)."""
    moments = torch.arange(_PAST + (frames - 1) * _MOMENTS + 1, dtype=torch.float32)
    t = start + (moments - _PAST) / _MOMENTS  # in frames
    a, b, c, d = scene.jitter
    radius = RADII[scene.size] * (1 + 0.05 * d)
    middle = SIZE / 2
    along = (t - (FRAMES - 1) / 2) * (3.6 + 0.3 * c) + 3 * a  # pixels travelled, zero in mid-clip
    across = 8 * b
    x, y = torch.full_like(t, middle), torch.full_like(t, middle)
    r = torch.full_like(t, radius)
    match scene.motion:
        case "left" | "right":
            x = middle + (along if scene.motion == "right" else -along)
            y = y + across
        case "up" | "down":
            y = middle + (along if scene.motion == "down" else -along)
            x = x + across
        case "circling":
            angle = 2 * math.pi * (t / 10.5 + 0.12 * c) - math.pi / 2
            x = middle + 3 * a + 15 * torch.cos(angle)
            y = middle + 3 * b + 15 * torch.sin(angle)
        case "bouncing":
            x = middle + 3 * a + (t - (FRAMES - 1) / 2) * 3
            y = SIZE - 16 + 2 * b - 25 * torch.sin(math.pi * (t / 6 + 0.15 * c)).abs()
        case "shrinking":
            x, y = x + 7 * a, y + 7 * b
            r = radius * (1.5 - 0.115 * t)
        case "still":
            x, y = x + 8 * a, y + 8 * b
        case unknown:
            raise ValueError(f"unknown motion {unknown!r}, expected one of {', '.join(MOTIONS)}")
    return torch.stack([x, y, r], dim=-1)
