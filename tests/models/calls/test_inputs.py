"""Images and frames from media, brought to the size of the video."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from t2vbatch.errors import RowError
from t2vbatch.manifest import Media
from t2vbatch.models.calls.inputs import fitted, read_frames, read_image
from tests.models import tiny


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
    with pytest.raises(RowError, match="video: not a complete video"):
        read_frames(Media("video", data=b"no video"))


def test_images_are_upright_and_rgb(tmp_path: Path) -> None:
    """EXIF orientation is applied, and grey becomes RGB."""
    path = tmp_path / "turned.jpg"
    exif: Any = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (8, 4)).save(path, exif=exif)
    image = read_image(Media("image", uri=str(path)))
    assert (image.size, image.mode) == ((4, 8), "RGB")
