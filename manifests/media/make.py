"""Draws the pictures and videos of this folder: ``python manifests/media/make.py``.

harbour.png        a sun over hills and water, 1024x576
harbour-late.png   the same with the sun low: a last frame
harbour.mp4        the sun goes down: 24 frames, 512x512
harbour-edges.mp4  the edges of harbour.mp4, white on black: a control sequence
harbour-mask.mp4   white where the sky is: a mask
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from t2vbatch.video import Video, encode

from t2vbatch.job import VideoFile

HERE = Path(__file__).parent
FPS = 8.0
FRAMES = 24


def harbour(width: int, height: int, height_of_sun: float) -> npt.NDArray[np.uint8]:
    """A picture (height, width, 3); the sun stands between 0, at the water, and 1, at the top."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    low = np.array([250, 150, 90]) * (1 - height_of_sun) + np.array([200, 220, 245]) * height_of_sun
    high = np.array([70, 70, 130]) * (1 - height_of_sun) + np.array([60, 120, 210]) * height_of_sun
    image = high + (low - high) * np.clip(y / 0.6, 0, 1)[..., None]
    sun_y = 0.58 - 0.45 * height_of_sun
    distance = np.hypot((x - 0.62) * width / height, y - sun_y)[..., None]
    image = np.where(distance < 0.07, [255, 240, 190], image + 60 * np.exp(-distance * 8))
    hills = 0.52 + 0.05 * np.sin(9 * x) + 0.03 * np.sin(23 * x + 1)
    image = np.where((y > hills)[..., None], np.array([50, 80, 60]) * (0.6 + 0.4 * height_of_sun), image)
    mirror = image[np.clip(np.round((1.2 - y[:, 0]) * height).astype(int), 0, int(0.6 * height))]
    waves = 1 + 0.15 * np.sin(220 * y + 14 * np.sin(7 * x))[..., None]
    image = np.where((y > 0.6)[..., None], mirror * 0.7 * waves, image)
    return image.clip(0, 255).astype(np.uint8)


def edges(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """White lines on black where the frame changes."""
    found = Image.fromarray(frame).convert("L").filter(ImageFilter.FIND_EDGES)
    return np.asarray(found.point(lambda value: 255 if value > 24 else 0).convert("RGB"))


def sky(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """White in the upper half, where the sun moves."""
    mask = np.zeros_like(frame)
    mask[: len(frame) // 2] = 255
    return mask


def main() -> None:
    """Write them all."""
    Image.fromarray(harbour(1024, 576, 0.8)).save(HERE / "harbour.png", optimize=True)
    Image.fromarray(harbour(1024, 576, 0.2)).save(HERE / "harbour-late.png", optimize=True)
    frames = np.stack([harbour(512, 512, 0.9 - 0.7 * index / FRAMES) for index in range(FRAMES)])
    for name, draw in (("harbour", np.asarray), ("harbour-edges", edges), ("harbour-mask", sky)):
        drawn = np.stack([draw(frame) for frame in frames])
        encode(Video(drawn, FPS), HERE / f"{name}.mp4", VideoFile())


if __name__ == "__main__":
    main()
