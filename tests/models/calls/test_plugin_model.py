"""What a plug-in's generate may return, and what is refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from t2vbatch.errors import DegenerateError, ModelError, RowError
from t2vbatch.job import Model, VideoFile
from t2vbatch.media.video import Video, encode
from t2vbatch.models import inspect_model
from t2vbatch.models.calls.plugin_model import PluginModel
from t2vbatch.models.protocol import Request

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
REQUESTS = [Request("a", None, 1), Request("b", None, 2)]


class Plugin:
    """Returns what it was made with."""

    def __init__(self, returned: Any) -> None:
        self._returned = returned

    def generate(self, requests: Sequence[Request]) -> Any:
        return self._returned


def some_function() -> None:
    """Not a class."""


@pytest.mark.parametrize(
    "form",
    [
        lambda frames: Video(frames, 5.0),
        lambda frames: frames,
        lambda frames: frames / 255,
        lambda frames: torch.from_numpy(frames / 255).permute(0, 3, 1, 2),
        lambda frames: torch.from_numpy(frames),
        lambda frames: [Image.fromarray(frame) for frame in frames],
        list,
    ],
    ids=["video", "uint8", "floats", "tensor", "uint8-tensor", "pillow", "list"],
)
def test_an_entry_is_a_video_or_frames_in_any_form(form: Callable[[Any], Any]) -> None:
    """Each form gives the same frames, at the model's rate."""
    made = PluginModel(Plugin([form(FRAMES), form(FRAMES[::-1].copy())]), 5.0).generate(REQUESTS)
    assert [video.fps for video in made] == [5.0, 5.0]
    assert (made[0].frames == FRAMES).all()
    assert (made[1].frames == FRAMES[::-1]).all()


def test_one_array_with_a_batch_axis_is_all_videos() -> None:
    """The first axis of an array is that of the requests."""
    made = PluginModel(Plugin(np.stack([FRAMES, FRAMES // 2])), 5.0).generate(REQUESTS)
    assert (made[1].frames == FRAMES // 2).all()


def test_an_entry_may_be_the_path_of_a_file(tmp_path: Path) -> None:
    """Frames and rate are those of the file; a file that is not a video is an error with its path."""
    place = tmp_path / "made.mp4"
    encode(Video(FRAMES, 12.0), place, VideoFile())
    for path in (place, str(place)):
        [video] = PluginModel(Plugin([path]), 5.0).generate(REQUESTS[:1])
        assert (video.fps, video.frames.shape) == (12.0, FRAMES.shape)
    place.write_text("not a video")
    with pytest.raises(RowError, match=r"made\.mp4"):
        PluginModel(Plugin([place]), 5.0).generate(REQUESTS[:1])
    with pytest.raises(RowError, match=r"absent\.mp4"):
        PluginModel(Plugin([tmp_path / "absent.mp4"]), 5.0).generate(REQUESTS[:1])


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        (None, "None for 2"),
        ([], "a list of length 0 for 2"),
        ([FRAMES], "a list of length 1 for 2"),
        (Video(FRAMES, 5.0), "a Video for 2"),
    ],
)
def test_anything_else_is_an_error_of_the_row(returned: Any, found: str) -> None:
    """The message says what was returned, and for how many requests."""
    with pytest.raises(RowError, match=f"Plugin.generate returned {found}"):
        PluginModel(Plugin(returned), 5.0).generate(REQUESTS)


@pytest.mark.parametrize("entry", [3, FRAMES[0], FRAMES * np.nan])
def test_frames_that_are_not_a_video_are_degenerate(entry: Any) -> None:
    """A number, one frame, and values that are not finite."""
    with pytest.raises(DegenerateError):
        PluginModel(Plugin([entry]), 5.0).generate(REQUESTS[:1])


def test_a_function_is_refused_as_a_plug_in() -> None:
    """The message names the kind of the object and what is expected, not all pipelines of diffusers."""
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", Model(path="x", pipeline=f"{__name__}:some_function"))
    assert caught.value.found.endswith("some_function, which is a function and not a class")
    assert "known:" not in str(caught.value)
