"""What t2vbatch models shows, for every video pipeline of the installed diffusers."""

import subprocess
import sys
from pathlib import Path

import pytest

from t2vbatch.errors import ModelError
from t2vbatch.job import load_job
from t2vbatch.models import describe_pipeline, list_pipelines, missing_packages
from t2vbatch.models.families import family
from t2vbatch.models.protocol import FrameRule


def test_every_video_pipeline_is_listed() -> None:
    """Text, image, video and control pipelines are there; image generators are not."""
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
    """A card shows the call's arguments with their defaults, and an example that is a valid job."""
    card = describe_pipeline("MochiPipeline")
    assert card.call["num_frames"] == 19
    assert (card.fps, card.frames) == (30.0, "6k+1")
    path = tmp_path / "job.yaml"
    path.write_text(card.example())
    assert load_job(path).models["mine"].pipeline == "MochiPipeline"


def test_an_unknown_pipeline_names_the_nearest() -> None:
    """A misspelt pipeline is answered with the right one."""
    with pytest.raises(ModelError, match="did you mean 'MochiPipeline'"):
        describe_pipeline("MochiPipelin")


def test_missing_packages_are_named_as_pip_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pipeline needs beside our own dependencies is told by the name that pip takes."""
    monkeypatch.setattr("t2vbatch.models.catalog.find_spec", lambda name: None)
    assert missing_packages("ConsisIDPipeline") == ("opencv-python-headless",)
    assert missing_packages("WanPipeline") == ()


def test_the_longest_prefix_decides() -> None:
    """WanAnimate is a family of its own among the Wan pipelines; an unknown class gets the default."""
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
    """The neighbours of a count are valid themselves."""
    assert rule.nearest(count) == near
    assert all(rule.allows(number) for number in near)


def test_the_package_is_cheap_to_import() -> None:
    """Plans are made without torch: the protocol and the package's names come without it."""
    program = (
        "import sys, t2vbatch.models, t2vbatch.models.protocol, t2vbatch.models.calls;"
        "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
