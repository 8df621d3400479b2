"""Converts a pipeline's output to frames, from every form in which diffusers' pipelines return them.

Values are checked before they become uint8: afterwards NaN would be black.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from t2vbatch.errors import DegenerateError
from t2vbatch.models.host_copies import to_host

_FIELDS = ("frames", "images", "video", "videos")


def to_frames(output: Any, count: int) -> list[npt.NDArray[np.uint8]]:
    """The frames of each of the ``count`` videos in a pipeline's output, uint8 (T, H, W, 3), RGB.

    Args:
        output: a pipeline output, its tuple form, or its frames alone: numpy (last axis is colour) or torch
            (colour before height) arrays of float in [0, 1] or uint8, or Pillow images; with or without a
            batch axis; stacked or in lists.

    Within ``HostCopies.begin``, frames from CUDA may be read after ``wait`` only.

    Raises:
        DegenerateError: there are no frames, or they hold NaN or infinity.
    """
    frames = _field(output)
    videos = _split(frames, count)
    if len(videos) != count:
        raise DegenerateError(f"the pipeline returned {len(videos)} videos for {count} samples")
    return [_rounded_tensor(video) if _is_stacked(video) else _rounded(_array(video)) for video in videos]


def _field(output: Any) -> Any:
    for name in _FIELDS:
        if (value := getattr(output, name, None)) is not None:
            return value
    value = output[0] if isinstance(output, tuple) and output else output
    if not isinstance(value, list | np.ndarray | torch.Tensor):
        raise DegenerateError(f"the pipeline returned a {type(output).__name__} without frames")
    return value


def _split(frames: Any, count: int) -> Sequence[Any]:
    """One entry for each video. The output of one video may lack the batch axis or the list of videos."""
    depth = _depth(frames)
    if depth == 5:
        return list(frames)
    if depth == 4 and count == 1:
        return [frames]
    raise DegenerateError(f"the pipeline returned frames with {depth} axes; a video has 4, a batch of them 5")


def _depth(frames: Any) -> int:
    """Number of axes; each list counts as one axis and a Pillow image as three."""
    if isinstance(frames, list | tuple):
        if not frames:
            raise DegenerateError("the pipeline returned no frames")
        return 1 + _depth(frames[0])
    if isinstance(frames, Image.Image):
        return 3
    return int(frames.ndim)


def _array(video: Any) -> npt.NDArray[Any]:
    """One video as an array (T, H, W, C)."""
    if isinstance(video, list | tuple):
        return np.stack([_frame(frame) for frame in video])
    array = as_array(video)
    if isinstance(video, torch.Tensor) and array.shape[-1] not in (1, 3, 4):
        return np.moveaxis(array, 1, -1)
    return array


def _frame(frame: Any) -> npt.NDArray[Any]:
    if isinstance(frame, Image.Image):
        return np.asarray(frame.convert("RGB"))
    array = as_array(frame)
    moved = isinstance(frame, torch.Tensor) and array.shape[-1] not in (1, 3, 4)
    return np.moveaxis(array, 0, -1) if moved else array


def as_array(array: Any) -> npt.NDArray[Any]:
    """A tensor of any device and dtype, or an array, as a numpy array."""
    if isinstance(array, torch.Tensor):
        array = array.detach().cpu()
        # numpy has no bfloat16.
        return np.asarray((array.float() if array.is_floating_point() else array).numpy())
    return np.asarray(array)


def _is_stacked(video: Any) -> bool:
    """Whether a video is one float tensor, which is converted on its device."""
    return isinstance(video, torch.Tensor) and video.is_floating_point() and video.ndim == 4


def _rounded_tensor(video: torch.Tensor) -> npt.NDArray[np.uint8]:
    """The same as ``_rounded``, bit by bit, on the tensor's device: a quarter of the bytes is copied."""
    if video.shape[-1] not in (1, 3, 4):
        video = video.movedim(1, -1)
    _check_shape(tuple(video.shape))
    values = video.detach()[..., :3].float()
    finite = torch.isfinite(video)
    if not bool(finite.all()):
        raise _not_finite((~finite).cpu().numpy())
    rounded = (values.clamp(0, 1) * 255).round().to(torch.uint8)
    rounded = (rounded.expand(*rounded.shape[:3], 3) if rounded.shape[3] == 1 else rounded).contiguous()
    return np.asarray(to_host(rounded).numpy())


def _rounded(video: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    _check_shape(video.shape)
    video = np.repeat(video, 3, axis=3) if video.shape[3] == 1 else video[..., :3]
    if video.dtype == np.uint8:
        return np.ascontiguousarray(video)
    bad = ~np.isfinite(video)
    if bad.any():
        raise _not_finite(bad)
    return np.ascontiguousarray((video.clip(0, 1) * 255).round().astype(np.uint8))


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 4 or shape[3] not in (1, 3, 4) or 0 in shape:
        raise DegenerateError(f"the pipeline returned frames of shape {shape}; expected (T, H, W, 3)")


def _not_finite(bad: npt.NDArray[np.bool_]) -> DegenerateError:
    return DegenerateError(
        f"{int(bad.sum())} of {bad.size} values are NaN or infinite, in {int(bad.any((1, 2, 3)).sum())} "
        f"of {len(bad)} frames; a wider dtype (bfloat16, float32) may help"
    )
