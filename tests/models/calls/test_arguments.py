"""Values of call parameters: from media columns, from array files, and from lists."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save

from t2vbatch.errors import RowError
from t2vbatch.job import Limits
from t2vbatch.manifest import Media
from t2vbatch.models.calls.arguments import Target, list_arguments, media_arguments, setting_names
from t2vbatch.models.calls.signature import CallSignature, read_signature
from t2vbatch.models.calls.value_kinds import argument_problem, suited
from tests.models import tiny
from tests.models.tiny_parts import diffusers

TARGET = Target((16, 16), "crop", 9, 9, torch.device("cpu"), torch.float32)


def _signature(name: str) -> CallSignature:
    return read_signature(getattr(diffusers, name))


def _arguments(
    name: str, media: Mapping[str, Media], call: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return media_arguments(_signature(name), media, call or {}, TARGET)


@pytest.fixture
def image(tmp_path: Path) -> Media:
    """An image in a file."""
    return Media("image", str(tiny.write_image(tmp_path / "image.png")))


@pytest.fixture
def video(tmp_path: Path) -> Media:
    """A video of 12 frames in a file."""
    return Media("video", str(tiny.write_video(tmp_path / "video.mp4", frames=12)))


@pytest.fixture
def folder(tmp_path: Path) -> Media:
    """A folder of three images."""
    (tmp_path / "images").mkdir()
    for index in range(3):
        tiny.write_image(tmp_path / "images" / f"{index}.png")
    return Media("images", str(tmp_path / "images"))


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("WanImageToVideoPipeline", {"image": "image", "last_image": "last_image"}),
        ("WanVACEPipeline", {"image": "reference_images", "video": "video", "control": "mask"}),
        ("WanAnimatePipeline", {"image": "image", "video": "face_video", "control": "pose_video"}),
        ("LTX2HDRPipeline", {"video": "reference_conditions"}),
        ("AnimateDiffControlNetPipeline", {"control": "conditioning_frames"}),
        ("StableDiffusionInstructPix2PixPipeline", {"video": "image"}),
        ("WanPipeline", {}),
    ],
)
def test_columns_find_their_parameters(name: str, media: dict[str, str]) -> None:
    """Each general media column fills the pipeline's parameter for it, whatever its name."""
    signature = _signature(name)
    assert {column: signature.media[column] for column in media} == media
    assert signature.parameters.isdisjoint(media.values())


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("WanVACEPipeline", {"reference_images"}),
        ("WanAnimatePipeline", {"background_video", "mask_video", "face_video", "pose_video"}),
        ("AnimateDiffPipeline", {"ip_adapter_image"}),
        ("LTXConditionPipeline", {"conditions"}),
        ("CogVideoXFunControlPipeline", {"control_video"}),
    ],
)
def test_a_column_may_have_the_name_of_its_parameter(name: str, columns: set[str]) -> None:
    """Inputs without a general column come from a column with the name of the parameter."""
    signature = _signature(name)
    assert columns <= signature.accepts
    assert columns.isdisjoint(signature.requires)


def test_optional_inputs_are_optional() -> None:
    """Conditions and a reference image that the call tests for None are not required."""
    assert _signature("LTXConditionPipeline").requires == {"prompt"}
    assert _signature("EasyAnimateControlPipeline").requires == {"prompt", "control"}
    assert _signature("WanImageToVideoPipeline").requires == {"prompt", "image"}
    assert _signature("CosmosVideoToWorldPipeline").requires == {"prompt"}


def test_each_condition_has_its_place_and_settings(image: Media, video: Media) -> None:
    """A column's settings apply to its own condition; a last image is by default at the last frame."""
    media = {"image": image, "last_image": image, "video": video}
    call = {"last_image_strength": 0.5, "video_index": 8}
    first, last, moving = _arguments("LTXConditionPipeline", media, call)["conditions"]
    assert (first.frame_index, last.frame_index, moving.frame_index) == (0, 8, 8)
    assert (first.strength, last.strength, len(moving.video)) == (1.0, 0.5, 9)
    [ending] = _arguments("LTX2ConditionPipeline", {"last_image": image}, {"last_image_crf": 0})["conditions"]
    assert (ending.index, ending.crf) == (-1, 0)
    assert setting_names(_signature("LTXConditionPipeline")) <= _signature("LTXConditionPipeline").parameters


def test_a_folder_is_several_conditions(folder: Media) -> None:
    """Each image of the column conditions has an entry in lists of indices and strengths."""
    call = {"conditions_index": [0, 4, 8], "conditions_strength": [1.0, 0.5, 0.25]}
    found = _arguments("LTXConditionPipeline", {"conditions": folder}, call)["conditions"]
    assert [(one.frame_index, one.strength) for one in found] == [(0, 1.0), (4, 0.5), (8, 0.25)]
    with pytest.raises(RowError, match="set conditions_index to a list of 3 frame indices"):
        _arguments("LTXConditionPipeline", {"conditions": folder})
    with pytest.raises(RowError, match="conditions_index has 2 entries for 3"):
        _arguments("LTXConditionPipeline", {"conditions": folder}, {"conditions_index": [0, 4]})


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("conditions_index", "[0, 8]", None),
        ("conditions_strength", [1, 0.5], None),
        ("image_strength", "0.5", ("the text '0.5'", "a number")),
        ("last_image_crf", 0.5, ("the number 0.5", "a whole number")),
        ("conditions_index", [0, 0.5], ("the list [0, 0.5]", "a list of whole numbers")),
        ("image_strength", [1.0, 0.5], ("the list [1.0, 0.5]", "a number")),
    ],
)
def test_settings_of_conditions_have_kinds(column: str, value: Any, problem: tuple[str, str] | None) -> None:
    """The fields of the condition give the kinds of its settings; lists belong to the column conditions."""
    kinds = _signature("LTX2ConditionPipeline").kinds[column]
    assert argument_problem(column, suited(value, kinds), kinds, Limits()) == problem


def test_reference_conditions_have_a_column_of_their_name(video: Media) -> None:
    """The columns control and reference_conditions are the same input of LTX-2's in-context pipeline."""
    for column in ("control", "reference_conditions"):
        [one] = _arguments("LTX2InContextPipeline", {column: video})["reference_conditions"]
        assert len(one.frames) == 9


def test_several_reference_images_are_a_folder(folder: Media, image: Media) -> None:
    """The column reference_images may name a folder; one image is a list of one."""
    images = _arguments("WanVACEPipeline", {"reference_images": folder})["reference_images"]
    assert [one.size for one in images] == [(16, 16)] * 3
    assert len(_arguments("WanVACEPipeline", {"reference_images": image})["reference_images"]) == 1
    assert len(_arguments("WanVACEPipeline", {"image": image})["reference_images"]) == 1


def test_videos_and_masks_come_by_their_names(video: Media) -> None:
    """background_video arrives as frames, mask_video as frames of one channel."""
    found = _arguments("WanAnimatePipeline", {"background_video": video, "mask_video": video})
    assert [frame.mode for frame in found["background_video"]] == ["RGB"] * 9
    assert {frame.mode for frame in found["mask_video"]} == {"L"}


def test_frames_become_tensors(video: Media) -> None:
    """Frames become (1, C, T, H, W): colours in [0, 1], masks of one channel in [0, 255]."""
    found = _arguments("EasyAnimateInpaintPipeline", {"video": video, "control": video})
    assert tuple(found["video"].shape) == (1, 3, 9, 16, 16)
    assert tuple(found["mask_video"].shape) == (1, 1, 9, 16, 16)
    assert found["video"].max() <= 1.0 < found["mask_video"].max()


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_an_array_comes_from_a_file(suffix: str) -> None:
    """Intrinsics become the array in the file, and latents a tensor in the job's dtype."""
    array = np.arange(4, dtype=np.float64)
    data = _npy(array) if suffix == ".npy" else save({"intrinsics": array})
    media = Media("intrinsics", data=data)
    np.testing.assert_array_equal(_arguments("SanaWMPipeline", {"intrinsics": media})["intrinsics"], array)
    latents = _arguments("WanPipeline", {"latents": Media("latents", data=data)})["latents"]
    assert (latents.dtype, latents.tolist()) == (torch.float32, [0.0, 1.0, 2.0, 3.0])


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_a_wrong_array_names_its_column() -> None:
    """A file that is neither format, or a pickle inside a .npy file, is an error of the row."""
    for data in (b"no array", _npy(np.array([{"a": 1}], dtype=object))):
        with pytest.raises(RowError, match=r"intrinsics: not a \.npy file"):
            _arguments("SanaWMPipeline", {"intrinsics": Media("intrinsics", data=data)})


def test_a_list_becomes_what_the_call_takes() -> None:
    """A list is given as an array where the call takes only arrays, and stays a list elsewhere."""
    found = list_arguments(_signature("SanaWMPipeline"), {"intrinsics": [1.0, 2.0]}, TARGET)
    assert isinstance(found["intrinsics"], np.ndarray)
    assert list_arguments(_signature("WanVideoToVideoPipeline"), {"timesteps": [9, 1]}, TARGET) == {}


def test_a_broken_image_names_its_column() -> None:
    """The error of a broken file in an image column names that column."""
    broken = Media("reference_images", data=b"nothing")
    with pytest.raises(RowError, match="reference_images"):
        _arguments("WanVACEPipeline", {"reference_images": broken})
    assert isinstance(Image.new("RGB", (1, 1)), Image.Image)


def test_a_call_that_takes_only_a_tuple_gets_one() -> None:
    """The sizes of Stable Diffusion XL are tuples, which a job and a manifest can only write as lists."""
    found = list_arguments(_signature("AnimateDiffSDXLPipeline"), {"original_size": [32, 32]}, TARGET)
    assert found == {"original_size": (32, 32)}


def test_a_video_that_a_call_takes_only_as_a_tensor_has_its_layout(video: Media) -> None:
    """AnyFlow reads (batch, frames, colours, height, width), and values from 0 to 1."""
    found = _arguments("AnyFlowFARPipeline", {"video": video})["video"]
    assert found.shape == (1, 9, 3, 16, 16)
    assert 0 <= found.min() < found.max() <= 1


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("LTXLatentUpsamplePipeline", {"video": "latents"}),
        ("LTX2LatentUpsamplePipeline", {"video": "latents"}),
        ("CogVideoXFunControlPipeline", {"control": "control_video_latents"}),
        ("Kandinsky6SRPipeline", {"video": None}),
    ],
)
def test_latents_replace_the_video_that_they_encode(name: str, columns: Mapping[str, str | None]) -> None:
    """A pipeline that takes either has the column that a row may have in place of the video."""
    signature = _signature(name)
    assert columns.keys() <= signature.requires
    assert {column: signature.replaced_by.get(column) for column in columns} == columns


def test_an_inpainting_call_without_a_video_needs_none() -> None:
    """EasyAnimate's call tests video and mask for None, whatever their annotations say."""
    assert _signature("EasyAnimateInpaintPipeline").requires == {"prompt"}
