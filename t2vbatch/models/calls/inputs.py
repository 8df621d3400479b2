"""From a row's media to a pipeline's arguments: upright RGB Pillow images of the call's size."""

from typing import Literal

from PIL import Image, ImageOps

from t2vbatch.errors import BrokenInputError, EncodeError, shown_path
from t2vbatch.manifest import Media
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.frame_folder import unpack_frames
from t2vbatch.media.images import decode_image, decode_images
from t2vbatch.media.reading import DEFAULT, Reading

Fit = Literal["crop", "pad", "stretch", "keep"]


def read_image(media: Media, how: Reading = DEFAULT) -> Image.Image:
    """An image, upright and in sRGB; the first frame of an animation or page of a document.

    Raises:
        RowError: the bytes cannot be read.
        BrokenInputError: they are not an image, or exceed a limit.
    """
    data = media.read()
    try:
        return decode_image(data, how)
    except BrokenInputError as error:
        raise BrokenInputError(f"{_named(media)}: {error}") from error


def read_frames(media: Media, how: Reading = DEFAULT) -> list[Image.Image]:
    """Every frame of a video, of an animated image or of a folder of frames.

    Raises:
        RowError: the bytes cannot be read.
        BrokenInputError: they are not a video, or exceed a limit.
    """
    data = media.read()
    try:
        files = unpack_frames(data)
        if files is not None:
            return decode_images(files, how)
        return [Image.fromarray(frame) for frame in decode_file(data, how).frames]
    except (EncodeError, BrokenInputError) as error:
        raise BrokenInputError(f"{_named(media)}: {error}") from error


def _named(media: Media) -> str:
    """The column and the file, as the manifest names it."""
    return media.name if media.uri is None else f"{media.name} at {shown_path(media.uri)}"


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
