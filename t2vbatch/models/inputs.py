"""From a row's media to what a pipeline's call takes: Pillow images in RGB, upright."""

import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from t2vbatch.errors import RowError
from t2vbatch.manifest import Media
from t2vbatch.video import decode


def read_image(media: Media) -> Image.Image:
    """An image as the camera meant it: upright, RGB. Raises RowError."""
    try:
        image = Image.open(io.BytesIO(media.read()))
        return ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise RowError(f"{media.name}: no image that Pillow reads ({error})") from error


def read_frames(media: Media) -> list[Image.Image]:
    """The frames of a video file. Raises RowError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        path.write_bytes(media.read())
        try:
            video = decode(path)
        except Exception as error:
            raise RowError(f"{media.name}: no video that ffmpeg reads ({error})") from error
    return [Image.fromarray(frame) for frame in video.frames]


READERS: Mapping[str, Callable[[Media], Any]] = {
    "image": read_image,
    "last_image": read_image,
    "video": read_frames,
    "control": read_frames,
}
"""Manifest column: how it is read."""
