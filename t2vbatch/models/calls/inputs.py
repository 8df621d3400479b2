"""From a row's media to a pipeline's arguments: upright RGB Pillow images of the call's size."""

import tempfile
from pathlib import Path
from typing import Literal

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
