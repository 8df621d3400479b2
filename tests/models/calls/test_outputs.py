"""Every form in which pipelines return frames becomes the same frames."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from t2vbatch.errors import DegenerateError
from t2vbatch.models.calls.outputs import to_frames

UINT8 = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), dtype=np.uint8)
FLOAT = (UINT8 / 255).astype(np.float32)
CHANNELS_FIRST = torch.from_numpy(FLOAT).permute(0, 1, 4, 2, 3)
PICTURES = [[Image.fromarray(frame) for frame in video] for video in UINT8]


class Output:
    """A pipeline's output: an object with one of the known fields."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


@pytest.mark.parametrize(
    "output",
    [
        Output(frames=FLOAT),
        Output(frames=list(FLOAT)),
        Output(frames=[list(video) for video in FLOAT]),
        Output(frames=UINT8),
        Output(frames=CHANNELS_FIRST),
        Output(frames=list(CHANNELS_FIRST)),
        Output(frames=CHANNELS_FIRST.to(torch.float64)),
        Output(frames=torch.from_numpy(UINT8)),
        Output(frames=PICTURES),
        Output(images=FLOAT),
        Output(video=FLOAT),
        (FLOAT,),
        FLOAT,
    ],
)
def test_a_batch_in_every_form(output: Any) -> None:
    """Arrays, tensors and pictures, stacked or in lists, under any known field, are the same two videos."""
    found = to_frames(output, 2)
    assert all(np.array_equal(a, b) for a, b in zip(found, UINT8, strict=True))


@pytest.mark.parametrize(
    "output",
    [Output(frames=FLOAT[0]), Output(frames=CHANNELS_FIRST[0]), Output(video=PICTURES[0]), list(FLOAT[0])],
)
def test_one_video_without_a_batch_axis(output: Any) -> None:
    """A pipeline that makes one video may leave the batch axis out."""
    assert np.array_equal(to_frames(output, 1)[0], UINT8[0])


def test_values_are_rounded_and_clamped() -> None:
    """Values are rounded to the nearest colour and clamped to the range."""
    values = np.array([-0.1, 0.4999 / 255, 0.5001 / 255, 254.6 / 255, 1.1], dtype=np.float32)
    frames = np.broadcast_to(values[:, None, None, None], (5, 1, 1, 3))
    assert to_frames(frames, 1)[0][:, 0, 0, 0].tolist() == [0, 0, 1, 255, 255]


def test_bfloat16_and_grey_and_alpha() -> None:
    """Tensors of a type that numpy lacks, grey frames and frames with transparency become RGB."""
    grey = torch.ones(1, 2, 1, 4, 4, dtype=torch.bfloat16)
    assert (to_frames(grey, 1)[0] == 255).all()
    assert to_frames(np.zeros((1, 2, 4, 4, 4), np.float32), 1)[0].shape == (2, 4, 4, 3)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (Output(frames=np.full((1, 2, 4, 4, 3), np.nan)), "in 2 of 2 frames"),
        (Output(frames=np.full((1, 2, 4, 4, 3), np.inf)), "in 2 of 2 frames"),
        (Output(frames=[]), "no frames"),
        (Output(frames=np.zeros((1, 0, 4, 4, 3))), "shape"),
        (Output(frames=FLOAT), "2 videos for 1"),
        (Output(frames=FLOAT[0, 0]), "3 axes"),
        (Output(latents=FLOAT), "without frames"),
    ],
)
def test_what_is_no_video_is_refused(output: Any, said: str) -> None:
    """NaN, infinity, no frames, a wrong number of videos or axes: each is a DegenerateError that says so."""
    with pytest.raises(DegenerateError, match=said):
        to_frames(output, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_tensor_is_rounded_like_an_array(dtype: torch.dtype) -> None:
    """A tensor that is converted on its device gives the bytes of the same values as an array."""
    torch.manual_seed(0)
    halves = (torch.arange(256).repeat(3) + 0.5).div(255).reshape(1, 1, 3, 16, 16)
    values = torch.cat([torch.randn(1, 4, 3, 16, 16), halves], dim=1).to(dtype)
    [tensor] = to_frames(values, 1)
    [array] = to_frames(values.float().numpy().transpose(0, 1, 3, 4, 2), 1)
    assert tensor.dtype == np.uint8
    assert tensor.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(tensor, array)


def test_nan_in_a_tensor_is_counted() -> None:
    """The error of a tensor with NaN has the same counts as that of an array."""
    values = torch.zeros(1, 4, 3, 2, 2)
    values[0, 1, 0, 0, 0] = float("nan")
    with pytest.raises(DegenerateError, match="1 of 48 values are NaN or infinite, in 1 of 4 frames"):
        to_frames(values, 1)
