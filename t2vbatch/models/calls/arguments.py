"""Values of the parameters that manifest columns fill: images, frames, conditions and arrays."""

import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import torch
from safetensors import SafetensorError

from t2vbatch.errors import RowError
from t2vbatch.manifest import Media
from t2vbatch.manifest.columns import IMAGES
from t2vbatch.media.reading import DEFAULT, Reading
from t2vbatch.models.calls.conditions import Condition
from t2vbatch.models.calls.inputs import Fit, fitted, read_frames, read_image
from t2vbatch.models.calls.signature import CallSignature

_MASKS = ("mask", "mask_video")


@dataclass(frozen=True)
class Target:
    """The size, number of frames and device that inputs are converted to.

    Attributes:
        size: (width, height) of the video; None: left to the pipeline.
        fit: how an image is brought to the size.
        input_frames: most frames of an input video that are used; None: all.
        num_frames: frames of the video to make; None: unknown.
        device, dtype: for arrays that become tensors.
        how: the limits of decoding, and the background of transparent pixels.
    """

    size: tuple[int, int] | None
    fit: Fit
    input_frames: int | None
    num_frames: int | None
    device: torch.device
    dtype: torch.dtype
    how: Reading = DEFAULT


def media_arguments(
    signature: CallSignature, media: Mapping[str, Media], call: Mapping[str, Any], target: Target
) -> dict[str, Any]:
    """The call arguments that the media of a row become; several columns may fill one parameter.

    Raises:
        RowError: an input cannot be read, or conditions lack their indices.
    """
    filled: dict[str, dict[str, Any]] = defaultdict(dict)
    for column, name in signature.media.items():
        if column in media:
            filled[name][column] = _read(column, media[column], target)
    found = {name: _value(signature, name, given, call, target) for name, given in filled.items()}
    arrays = {name: media[name] for name in signature.arrays if name in media}
    return found | {name: _array(item, signature.arrays[name], target) for name, item in arrays.items()}


def list_arguments(signature: CallSignature, call: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """The call arguments whose value is a list while the call takes an array, a tensor or a tuple."""
    given = {name: call[name] for name in signature.arrays if isinstance(call.get(name), list)}
    forms = {name: signature.arrays[name] for name in given}
    return {
        name: tuple(value) if forms[name] == "tuple" else _formed(np.asarray(value), forms[name], target)
        for name, value in given.items()
        if forms[name] != "list"
    }


def setting_names(signature: CallSignature) -> frozenset[str]:
    """Arguments such as ``image_strength`` that are settings of conditions, and not the pipeline's own."""
    return frozenset(
        f"{column}_{key}"
        for column, name in signature.media.items()
        if name in signature.conditions
        for key in signature.conditions[name].settings
    )


def _read(column: str, media: Media, target: Target) -> Any:
    if column in IMAGES:
        return fitted(read_image(media, target.how), target.size, target.fit)
    if column.endswith(("_image", "_images")) or column == "conditions":
        images = _images(media, target.how)
        # The image of an adapter is an input of another size.
        return images if column.startswith("ip_") else [_fit(image, target) for image in images]
    return [_fit(frame, target) for frame in read_frames(media, target.how)[: target.input_frames]]


def _fit(image: Any, target: Target) -> Any:
    return fitted(image, target.size, target.fit)


def _images(media: Media, how: Reading) -> list[Any]:
    """One image, or the images of a folder, in the order of their names."""
    try:
        return [read_image(media, how)]
    except RowError as no_image:
        try:
            return read_frames(media, how)
        except RowError:
            raise no_image from None


def _value(
    signature: CallSignature, name: str, given: Mapping[str, Any], call: Mapping[str, Any], target: Target
) -> Any:
    if name in signature.conditions:
        return _conditions(signature.conditions[name], given, call, target)
    value = next(iter(given.values()))
    if name in _MASKS:
        value = [frame.convert("L") for frame in value]
    if name in signature.tensors:
        return _frames_tensor(value, signature.tensors[name], scale=1.0 if name == "mask_video" else 255.0)
    if name.endswith("_images") and not isinstance(value, list):
        return [value]
    return value[0] if name == "ip_adapter_image" and len(value) == 1 else value


def _conditions(
    condition: Condition, given: Mapping[str, Any], call: Mapping[str, Any], target: Target
) -> list[Any]:
    """The conditions of all columns; each column has settings of its own, such as ``last_image_strength``."""
    module, _, name = condition.kind.partition(":")
    kind = getattr(import_module(module), name)
    found = []
    for column, value in given.items():
        values = value if column == "conditions" else [value]
        settings = [_settings(condition, column, index, len(values), call) for index in range(len(values))]
        found += [_one(kind, column, one, own, target) for one, own in zip(values, settings, strict=True)]
    return found


def _settings(
    condition: Condition, column: str, index: int, count: int, call: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings of one condition. A list has an entry for each image of the column ``conditions``."""
    settings = {}
    for key in condition.settings:
        value = call.get(f"{column}_{key}")
        if isinstance(value, list):
            if len(value) != count:
                raise RowError(f"{column}_{key} has {len(value)} entries for {count} image(s)")
            value = value[index]
        if value is None and key == "index" and count > 1:
            raise RowError(
                f"{column} has {count} images; set {column}_index to a list of {count} frame indices"
            )
        if value is not None:
            settings[key] = value
    return settings


def _one(kind: Any, column: str, value: Any, settings: Mapping[str, Any], target: Target) -> Any:
    names = {field.name for field in fields(kind)}
    index = settings.get("index", (target.num_frames or 1) - 1 if column == "last_image" else 0)
    if "frame_index" not in names and column == "last_image":
        index = settings.get("index", -1)
    known = {
        "frames": value,
        "video" if isinstance(value, list) else "image": value,
        **settings,
        "index": index,
        "frame_index": index,
    }
    return kind(**{name: item for name, item in known.items() if name in names})


def _frames_tensor(value: Any, axes: str, scale: float) -> torch.Tensor:
    """Frames as (1, C, T, H, W) or (1, T, C, H, W); an image is one frame."""
    frames = [
        np.asarray(frame, np.float32) / scale for frame in (value if isinstance(value, list) else [value])
    ]
    stacked = np.stack([frame if frame.ndim == 3 else frame[..., None] for frame in frames])
    return torch.from_numpy(stacked).permute(*("THWC".index(axis) for axis in axes))[None]


def _array(media: Media, form: str, target: Target) -> Any:
    """The array of a ``.npy`` file, or the only tensor of a ``.safetensors`` file."""
    data = media.read()
    try:
        if data.startswith(b"\x93NUMPY"):
            array = np.load(io.BytesIO(data), allow_pickle=False)
        else:
            [array] = safetensors.numpy.load(data).values()
    except (ValueError, OSError, EOFError, SafetensorError) as error:
        raise RowError(
            f"{media.name}: not a .npy file, nor a .safetensors file with one tensor ({error})"
        ) from error
    return _formed(array, form, target)


def _formed(array: npt.NDArray[Any], form: str, target: Target) -> Any:
    if form in ("list", "tuple"):
        return array.tolist() if form == "list" else tuple(array.tolist())
    if form == "ndarray":
        return array
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.to(target.device, target.dtype if tensor.is_floating_point() else None)
