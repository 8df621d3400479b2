"""A contact sheet: one row of frames for each prompt, enlarged, with the prompt above it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont


def write_sheet(
    path: Path,
    prompts: Sequence[str],
    videos: Sequence[NDArray[np.uint8]],
    rows: int = 8,
    columns: int = 5,
    zoom: int = 2,
) -> None:
    """Write a PNG of the first `rows` videos, `columns` frames each, evenly spaced from first to last."""
    height, width = videos[0].shape[1] * zoom, videos[0].shape[2] * zoom
    gap, label = 4, 22
    shown = list(zip(prompts, videos, strict=True))[:rows]
    sheet = Image.new("RGB", (columns * (width + gap) + gap, len(shown) * (height + label) + gap), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, (prompt, video) in enumerate(shown):
        top = row * (height + label) + gap
        draw.text((gap, top), prompt, fill="black", font=font)
        for column, t in enumerate(np.linspace(0, len(video) - 1, columns).round().astype(int)):
            frame = Image.fromarray(video[t]).resize((width, height), Image.Resampling.BICUBIC)
            sheet.paste(frame, (gap + column * (width + gap), top + label - gap))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)
