"""Outlines of the world's shapes: the share of each pixel that a shape with a centre and radius covers."""

import math
from functools import cache

import torch
from torch import Tensor

SHAPES = ("circle", "square", "triangle", "star")


@cache
def unit_area(shape: str) -> float:
    """Area in pixels of a shape of radius 1."""
    return float(coverage(shape, torch.tensor([64.0, 64.0, 32.0]), 128).sum()) / 32**2


def coverage(shape: str, paths: Tensor, size: int) -> Tensor:
    """The share of each pixel that the shape covers, in [0, 1]: (..., 3) -> (..., size, size)."""
    grid = torch.arange(size, dtype=torch.float32) + 0.5
    x = grid - paths[..., 0, None, None]
    y = grid.unsqueeze(-1) - paths[..., 1, None, None]
    return (0.5 - _distance(shape, x, y, paths[..., 2, None, None])).clamp_(0, 1)


def _distance(shape: str, x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """Signed distance in pixels to the outline, negative inside; sizes chosen for about equal areas."""
    if shape == "circle":
        return torch.hypot(x, y) - r
    if shape == "square":
        return torch.maximum(x.abs(), y.abs()) - 0.9 * r
    if shape == "triangle":  # upright; 0.7 r from the centre to each side
        slanted = math.cos(math.pi / 6) * x.abs() - math.sin(math.pi / 6) * y
        return torch.maximum(slanted, y) - 0.68 * r
    if shape == "star":
        return _star(x, y, 1.65 * r)
    raise ValueError(f"unknown shape {shape!r}, expected one of {', '.join(SHAPES)}")


def _star(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """A five-pointed star that stands on two points: fold the plane into one half point, then one edge."""
    angle = torch.atan2(x, -y)  # zero upwards
    sector = 2 * math.pi / 5
    folded = (torch.remainder(angle + sector / 2, sector) - sector / 2).abs()
    reach = torch.hypot(x, y)
    along, across = reach * torch.cos(folded), reach * torch.sin(folded)
    inner = 0.38  # of the outer radius
    ex, ey = inner * math.cos(sector / 2) - 1, inner * math.sin(sector / 2)  # the edge, tip to notch
    length = math.hypot(ex, ey)
    return ((along - r) * ey - across * ex) / length
