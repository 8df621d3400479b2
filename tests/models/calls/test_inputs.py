"""Call arguments from manifest columns: the parameter of each column, and its value."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from t2vbatch.errors import RowError
from t2vbatch.manifest import Media
from t2vbatch.models.calls.inputs import argument, fitted, read_frames, read_image
from t2vbatch.models.calls.signature import read_signature
from tests.models import tiny
from tests.models.tiny_parts import diffusers


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
    """Each media column fills the pipeline's parameter for it, whatever its name."""
    signature = read_signature(getattr(diffusers, name))
    assert signature.media == media
    assert signature.parameters.isdisjoint(media.values())


def test_conditions_stand_at_their_places_in_time() -> None:
    """A first and a last image become two conditions, at the first and the last frame."""
    kind = read_signature(diffusers.LTXConditionPipeline).types["conditions"]
    image = Image.new("RGB", (4, 4))
    first, last = argument("conditions", kind, {"image": image, "last_image": image}, {"num_frames": 9})
    assert (first.image, first.frame_index, last.frame_index) == (image, 0, 8)
    kind = read_signature(diffusers.LTX2ConditionPipeline).types["conditions"]
    [ending] = argument("conditions", kind, {"last_image": image}, {})
    assert (ending.frames, ending.index) == (image, -1)


def test_pipelines_that_want_tensors_get_tensors() -> None:
    """Frames become (1, C, T, H, W): colours in [0, 1], masks of one channel in [0, 255]."""
    frames = [Image.new("RGB", (6, 4), "white")] * 3
    video = argument("video", torch.FloatTensor, {"video": frames}, {})
    mask = argument("mask_video", torch.FloatTensor, {"control": frames}, {})
    assert (tuple(video.shape), video.max().item()) == ((1, 3, 3, 4, 6), 1.0)
    assert (tuple(mask.shape), mask.max().item()) == ((1, 1, 3, 4, 6), 255.0)


def test_each_way_to_fit() -> None:
    """crop fills the frame, pad shows the whole image, stretch distorts it, keep leaves it unchanged."""
    wide = Image.new("RGB", (40, 20), "white")
    corner = {way: np.asarray(fitted(wide, (20, 20), way))[0, 0, 0] for way in ("crop", "pad", "stretch")}
    assert corner == {"crop": 255, "pad": 0, "stretch": 255}
    assert {fitted(wide, (20, 20), way).size for way in ("crop", "pad", "stretch")} == {(20, 20)}
    assert fitted(wide, (20, 20), "keep").size == fitted(wide, None, "crop").size == (40, 20)


def test_frames_come_from_a_file_or_a_folder(tmp_path: Path) -> None:
    """A video file and a folder of images both give frames; a broken file's error names the column."""
    video = Media("video", uri=str(tiny.write_video(tmp_path / "v.mp4", frames=5)))
    assert [frame.size for frame in read_frames(video)] == [(16, 16)] * 5
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(3):
        tiny.write_image(folder / f"{index}.png", 8, 12)
    assert [frame.size for frame in read_frames(Media("control", uri=str(folder)))] == [(12, 8)] * 3
    with pytest.raises(RowError, match="video: not a video that can be decoded"):
        read_frames(Media("video", data=b"no video"))


def test_images_are_upright_and_rgb(tmp_path: Path) -> None:
    """EXIF orientation is applied, and grey becomes RGB."""
    path = tmp_path / "turned.jpg"
    exif: Any = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (8, 4)).save(path, exif=exif)
    image = read_image(Media("image", uri=str(path)))
    assert (image.size, image.mode) == ((4, 8), "RGB")
