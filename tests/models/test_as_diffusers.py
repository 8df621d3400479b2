"""A job makes the frames that diffusers makes of the same checkpoint, inputs and seed.

Some classes need torchvision, which has no build beside torch's CPU build:
``make pipelines-torchvision`` runs them in an environment of its own.
"""

from pathlib import Path

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
    cells, arguments = direct.row(name, tmp_path)
    models = line.checkpoints([name], tmp_path)
    models[name]["dtype"] = "float32"
    [made] = line.run(tmp_path, "out", models, [cells], {"video": {"format": "png"}})
    assert (made["status"], made["error"]) == ("ok", None)
    expected = direct.frames(name, tmp_path / name, arguments)
    assert made["frames_sha256"] == Video(expected, 8.0).sha256()
