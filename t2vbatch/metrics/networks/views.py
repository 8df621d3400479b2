"""What an image encoder sees of a frame that is not square: crops, squashed frames, tiles, VBench's
resizing.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

Frames = npt.NDArray[np.uint8]


def tiles(frame: Frames) -> list[Frames]:
    """The fewest square tiles that cover a frame of shape (H, W, 3), spread evenly along its longer side."""
    height, width = frame.shape[:2]
    side, length = min(height, width), max(height, width)
    count = -(-length // side)
    starts = [round(step * (length - side) / max(1, count - 1)) for step in range(count)]
    if height < width:
        return [frame[:, start : start + side] for start in starts]
    return [frame[start : start + side] for start in starts]


def resized_like_torchvision(frames: Frames, short_side: int, mode: str) -> torch.Tensor:
    """uint8 frames (N, H, W, 3) with the shorter side at ``short_side``, as float32 (N, 3, H', W').

    The same as torchvision's ``Resize(short_side, mode, antialias=False)`` on float32 tensors from 0 to 255,
    as VBench calls it (``load_video`` returns ``torch.Tensor(frames)``): values are not rounded, and bicubic
    interpolation may leave the range.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, -1, 1)))
    height, width = pixels.shape[-2:]
    short, long = min(height, width), max(height, width)
    other = int(short_side * long / short)
    size = (short_side, other) if height <= width else (other, short_side)
    if size == (height, width):
        return pixels.float()
    return interpolate(pixels.float(), size=size, mode=mode, align_corners=False, antialias=False)


def center_crop(pixels: torch.Tensor, side: int) -> torch.Tensor:
    """The middle square of shape (N, 3, side, side)."""
    top, left = (round((length - side) / 2) for length in pixels.shape[-2:])
    return pixels[..., top : top + side, left : left + side]


def normalized(pixels: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """float32 pixels from 0 to 255, scaled to 0 to 1 and normalized by channel."""
    scale = torch.tensor(std).view(3, 1, 1)
    return (pixels.div(255) - torch.tensor(mean).view(3, 1, 1)) / scale


def means_by_frame(features: npt.NDArray[np.float64], counts: list[int]) -> npt.NDArray[np.float64]:
    """The mean feature of each frame's tiles, shape (N, D), of features of all tiles in order."""
    ends = np.cumsum([0, *counts])
    return np.stack([features[start:end].mean(axis=0) for start, end in pairwise(ends)])
