"""From a row's media to a pipeline's arguments: upright RGB Pillow images of the call's size."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image, ImageOps

from t2vbatch.errors import EncodeError, RowError
from t2vbatch.manifest import Media, decode_image, unpack_frames
from t2vbatch.media.video import decode

Fit = Literal["crop", "pad", "stretch", "keep"]


def read_image(media: Media) -> Image.Image:
    """An image, upright and in RGB. Raises RowError."""
    try:
        return decode_image(media.read())
    except RowError as error:
        raise RowError(f"{media.name}: {error}") from error


def read_frames(media: Media) -> list[Image.Image]:
    """The frames of a video file, or of a folder of frames. Raises RowError."""
    data = media.read()
    pictures = unpack_frames(data)
    if pictures is not None:
        return [decode_image(picture) for picture in pictures]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        path.write_bytes(data)
        try:
            return [Image.fromarray(frame) for frame in decode(path).frames]
        except EncodeError as error:
            raise RowError(f"{media.name}: not a video that can be decoded ({error})") from error


def fitted(image: Image.Image, size: tuple[int, int] | None, fit: Fit) -> Image.Image:
    """The image at ``size`` (width, height).

    Args:
        size: None leaves the image to the pipeline, like ``keep``.
        fit: ``crop`` fills the frame and cuts the rest evenly; ``pad`` shows the whole image between black
            bars; ``stretch`` changes the aspect ratio.
    """
    if size is None or fit == "keep" or image.size == size:
        return image
    match fit:
        case "crop":
            return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
        case "pad":
            return ImageOps.pad(image, size, Image.Resampling.LANCZOS)
        case "stretch":
            return image.resize(size, Image.Resampling.LANCZOS)


def argument(parameter: str, kind: Any, given: Mapping[str, Any], call: Mapping[str, Any]) -> Any:
    """The value of a media parameter.

    Args:
        parameter: its name.
        kind: its annotation.
        given: manifest column -> image or list of frames; one entry, except for conditions.
        call: the call's other arguments.
    """
    if parameter.endswith("conditions"):
        return [_condition(_dataclass(kind), column, value, call) for column, value in given.items()]
    value = next(iter(given.values()))
    if parameter in ("mask", "mask_video"):
        value = [frame.convert("L") for frame in value]
    if kind is torch.FloatTensor:
        return _tensor(value, scale=1.0 if parameter == "mask_video" else 255.0)
    return [value] if parameter == "reference_images" else value


def _dataclass(kind: Any) -> Any:
    """The condition class in an annotation such as ``Condition | list[Condition]``."""
    return next(part for part in get_args(kind) if is_dataclass(part))


def _condition(kind: Any, column: str, value: Any, call: Mapping[str, Any]) -> Any:
    """An image or a video at its time position: the first frames, or the last frame."""
    names = {field.name for field in fields(kind)}
    place = call.get("num_frames", 1) - 1 if column == "last_image" else 0
    known = {
        "frames": value,
        "video" if isinstance(value, list) else "image": value,
        "index": -1 if column == "last_image" else 0,
        "frame_index": place,
        "strength": call.get("strength", 1.0),
    }
    return kind(**{name: item for name, item in known.items() if name in names})


def _tensor(value: Any, scale: float) -> torch.Tensor:
    """Frames as a tensor of shape (1, C, T, H, W); an image is one frame."""
    frames = [
        np.asarray(frame, np.float32) / scale for frame in (value if isinstance(value, list) else [value])
    ]
    stacked = np.stack([frame if frame.ndim == 3 else frame[..., None] for frame in frames])
    return torch.from_numpy(stacked).permute(3, 0, 1, 2)[None]


READERS: Mapping[str, Callable[[Media], Any]] = {
    "image": read_image,
    "last_image": read_image,
    "video": read_frames,
    "control": read_frames,
}
"""Manifest column -> its reader."""
