"""A job makes the frames that diffusers makes of the same checkpoint, inputs and seed.

Some classes need torchvision, which has no build beside torch's CPU build:
``make pipelines-torchvision`` runs them in an environment of its own.
"""

from pathlib import Path
from typing import Any

import pytest

from t2vbatch.media.video import Video
from tests.models import direct, line
from tests.models.test_every_pipeline import RUNNING

_IMAGES = {"StableDiffusion"}
"""Image pipelines, which make videos by t2vbatch's own method."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RUNNING if not name.startswith(tuple(_IMAGES))])
def test_the_frames_of_a_job_are_those_of_diffusers(name: str, tmp_path: Path) -> None:
    """Every bit is equal."""
    _check(name, tmp_path, *direct.row(name, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "inputs", "length"),
    [
        ("SkyReelsV2DiffusionForcingVideoToVideoPipeline", None, 25),
        ("WanAnimatePipeline", None, 21),
        ("HeliosPipeline", [direct.VIDEO], 41),
        ("CosmosVideoToWorldPipeline", [direct.VIDEO], 17),
        ("Cosmos2VideoToWorldPipeline", [direct.VIDEO], 17),
        ("Cosmos2_5_PredictBasePipeline", [direct.VIDEO], 17),
    ],
)
def test_a_video_that_is_continued_is_read_to_its_end(
    name: str, inputs: list[tuple[str, str]] | None, length: int, tmp_path: Path
) -> None:
    """These pipelines read the last frames of a video, or as many segments as it has; it is not cut."""
    _check(name, tmp_path, *direct.row(name, tmp_path, inputs, length))


def _check(name: str, folder: Path, cells: dict[str, Any], arguments: dict[str, Any]) -> None:
    models = line.checkpoints([name], folder)
    models[name]["dtype"] = "float32"
    [made] = line.run(folder, "out", models, [cells], {"video": {"format": "png"}})
    assert (made["status"], made["error"]) == ("ok", None)
    expected = direct.frames(name, folder / name, arguments)
    assert made["frames_sha256"] == Video(expected, 8.0).sha256()
