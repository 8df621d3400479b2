"""A generator outside diffusers, from PyPI and with random weights, through the whole line.

The package imports torchvision, which has no CPU build everywhere; where it cannot be had, the test is
skipped and says so.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_model

from tests.models import line

_CONFIG: dict[str, dict[str, Any]] = {
    "unet": {"dim": 8, "dim_mults": [1, 2], "attn_heads": 2, "attn_dim_head": 8},
    "diffusion": {"image_size": 16, "num_frames": 4, "timesteps": 4},
}


def test_a_generator_outside_diffusers_runs_from_a_job(tmp_path: Path) -> None:
    """A folder of its weights and a job that names the adapter give the same video twice."""
    library = pytest.importorskip("video_diffusion_pytorch")
    torch.manual_seed(0)
    network = library.GaussianDiffusion(library.Unet3D(**_CONFIG["unet"]), **_CONFIG["diffusion"])
    weights = tmp_path / "weights"
    weights.mkdir()
    save_model(network, str(weights / "model.safetensors"))
    (weights / "config.json").write_text(json.dumps(_CONFIG))
    adapter = "t2vbatch.models.adapters.video_diffusion:VideoDiffusion"
    models = {"mine": {"path": str(weights), "pipeline": adapter}}
    manifest = [{"id": "one", "prompt": "a ball", "model": "mine"}]
    [once] = line.run(tmp_path, "once", models, manifest)
    [again] = line.run(tmp_path, "again", models, manifest)
    assert (once["status"], once["error"]) == ("ok", None)
    assert (once["num_frames"], once["height"], once["width"]) == (4, 16, 16)
    assert once["frames_sha256"] == again["frames_sha256"]
