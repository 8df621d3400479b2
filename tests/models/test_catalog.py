"""The output of `t2vbatch models`, for every video pipeline of the installed diffusers."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from t2vbatch.cli import app
from t2vbatch.errors import ModelError
from t2vbatch.job import load_job
from t2vbatch.models import describe_pipeline, list_pipelines, missing_packages
from t2vbatch.models.calls.signature import FRAMES
from t2vbatch.models.families import family
from t2vbatch.models.protocol import FrameRule
from tests.models import tiny


def test_every_video_pipeline_is_listed() -> None:
    """Pipelines from text, image, video and control are listed; image generators are not."""
    cards = {card.name: card for card in list_pipelines()}
    assert len(cards) >= 75
    assert cards["WanPipeline"].kind == "text to video"
    assert cards["CogVideoXImageToVideoPipeline"].kind == "text+image to video"
    assert cards["VideoToVideoSDPipeline"].kind == "text+video to video"
    assert cards["AnimateDiffControlNetPipeline"].kind == "text+control to video"
    assert cards["StableVideoDiffusionPipeline"].requires == ("image",)
    assert "StableDiffusionPipeline" not in cards
    assert (cards["LTXPipeline"].fps, cards["LTXPipeline"].frames) == (25.0, "8k+1")


def test_one_pipeline_in_full(tmp_path: Path) -> None:
    """A card has the call's arguments with their defaults, and an example that is a valid job."""
    card = describe_pipeline("MochiPipeline")
    assert card.call["num_frames"] == 19
    assert (card.fps, card.frames) == (30.0, "6k+1")
    path = tmp_path / "job.yaml"
    path.write_text(card.example())
    assert load_job(path).models["mine"].pipeline == "MochiPipeline"


def test_every_example_asks_for_frames_that_can_be_made() -> None:
    """An example never has a frame count that the model cannot make, even if the call's default is one."""
    cards = {card.name: card for card in list_pipelines()}
    for name, card in cards.items():
        call = yaml.safe_load(card.example())["models"]["mine"]["call"]
        assert all(family(name).frames.allows(call[frames]) for frames in call.keys() & set(FRAMES)), name
    odd = "SkyReelsV2DiffusionForcingVideoToVideoPipeline"
    assert cards[odd].call["num_frames"] == 120
    assert "num_frames: 117" in cards[odd].example()


@pytest.mark.parametrize(
    ("name", "row", "shown"),
    [
        ("WanPipeline", {"prompt": "a red ball"}, ["num_frames: 81", "guidance_scale: 5.0"]),
        (
            "StableVideoDiffusionPipeline",
            {"image": "image.png"},
            ["motion_bucket_id: 127", "num_frames: null"],
        ),
        (
            "AnimateDiffControlNetPipeline",
            {"prompt": "a red ball", "control": "video.mp4"},
            ["controlnet_conditioning_scale: 1.0", "single file"],
        ),
    ],
)
def test_the_example_of_a_pipeline_is_a_job_that_can_be_planned(
    name: str, row: dict[str, str], shown: list[str], tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    """The command shows arguments with defaults, and a job that can be planned with weights and rows."""
    done = CliRunner().invoke(app, ["models", name], catch_exceptions=False)
    said, _, example = done.output.partition("example job:\n")
    assert [line for line in shown if line not in said] == []
    tiny.write_image(tmp_path / "image.png")
    tiny.write_video(tmp_path / "video.mp4")
    with (tmp_path / "prompts.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, sorted(describe_pipeline(name).requires))
        writer.writeheader()
        writer.writerow(row)
    (tmp_path / "job.yaml").write_text(example)
    # The default scorer of a job is on the Hub.
    sets = [f"models.mine.path={checkpoint(name)}", "metrics=[]"]
    command = ["plan", str(tmp_path / "job.yaml"), "--json"]
    planned = CliRunner().invoke(app, [*command, *(f"--set={one}" for one in sets)], catch_exceptions=False)
    assert json.loads(planned.output)["models"] == {"mine": {"planned": 1, "pending": 1}}


def test_an_unknown_pipeline_names_the_nearest() -> None:
    """A misspelt pipeline is refused with the nearest name."""
    with pytest.raises(ModelError, match="did you mean 'MochiPipeline'"):
        describe_pipeline("MochiPipelin")


def test_missing_packages_are_named_as_pip_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline's missing packages have their names for pip."""
    monkeypatch.setattr("t2vbatch.models.catalog.find_spec", lambda name: None)
    assert missing_packages("ConsisIDPipeline") == ("opencv-python-headless",)
    assert missing_packages("WanPipeline") == ()


def test_the_longest_prefix_decides() -> None:
    """WanAnimate has its own row among the Wan pipelines; an unknown class gets the default."""
    assert family("WanAnimatePipeline").fps == 30.0
    assert family("WanImageToVideoPipeline").fps == 16.0
    assert family("NeverHeardOfPipeline").frames == FrameRule()


@pytest.mark.parametrize(
    ("rule", "count", "near"),
    [
        (FrameRule(4, 1), 16, (13, 17)),
        (FrameRule(4, 1), 0, (1,)),
        (FrameRule(8, 1), 1, (1, 9)),
        (FrameRule(4), 2, (4,)),
        (FrameRule(6, 1), 20, (19, 25)),
    ],
)
def test_the_nearest_frame_counts(rule: FrameRule, count: int, near: tuple[int, ...]) -> None:
    """The nearest counts of a rule are valid counts."""
    assert rule.nearest(count) == near
    assert all(rule.allows(number) for number in near)


def test_the_package_is_cheap_to_import() -> None:
    """Importing the package, the protocol and the checks of calls does not import torch."""
    program = (
        "import sys, t2vbatch.models, t2vbatch.models.protocol, t2vbatch.models.calls.check;"
        "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_example_names_the_latents_that_replace_a_video() -> None:
    """An upsampler reads a video or latents, and its example says so; an editor of videos has no choice."""
    upsampler, editor = map(describe_pipeline, ("LTXLatentUpsamplePipeline", "WanVideoToVideoPipeline"))
    assert "# instead of video: prompt and latents, the path of a .npy" in upsampler.example()
    assert "instead of" not in editor.example()


def test_a_card_shows_the_argument_of_each_media_column() -> None:
    """A user sees that VACE's mask comes from the column control."""
    fills = describe_pipeline("WanVACEPipeline").fills
    assert (fills["control"], fills["image"], fills["video"]) == ("mask", "reference_images", "video")
