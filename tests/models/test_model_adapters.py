"""Generators outside diffusers, from PyPI and with random weights, through the whole line.

Both packages import torchvision, which has no CPU build everywhere, and imagen-pytorch asks the hub about T5
when it is imported; where either cannot be had, its test is skipped and says so.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_model

from t2vbatch.models import hub_reachable
from tests.models import line

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[int, int]]] = {
    "video_diffusion_pytorch": (
        "t2vbatch.models.adapters.video_diffusion:VideoDiffusion",
        {
            "unet": {"dim": 8, "dim_mults": [1, 2], "attn_heads": 2, "attn_dim_head": 8},
            "diffusion": {"image_size": 16, "num_frames": 4, "timesteps": 4},
        },
        {},
        (4, 16),
    ),
    "imagen_pytorch": (
        "t2vbatch.models.adapters.imagen:ImagenVideo",
        {
            "unets": [
                {"dim": 8, "dim_mults": [1, 2], "attn_heads": 2, "attn_dim_head": 8, "cond_on_text": False},
            ],
            "imagen": {"image_sizes": [16], "timesteps": 4, "condition_on_text": False},
        },
        {"num_frames": 4},
        (4, 16),
    ),
}


def _network(package: str, config: dict[str, Any]) -> Any:
    if package == "imagen_pytorch" and not hub_reachable():
        pytest.skip("imagen-pytorch reads a configuration from the hub when it is imported")
    library = pytest.importorskip(package)
    torch.manual_seed(0)
    if package == "imagen_pytorch":
        unets = tuple(library.Unet3D(**unet) for unet in config["unets"])
        return library.Imagen(unets, **config["imagen"])
    return library.GaussianDiffusion(library.Unet3D(**config["unet"]), **config["diffusion"])


@pytest.mark.parametrize("package", sorted(CASES))
def test_a_generator_outside_diffusers_runs_from_a_job(package: str, tmp_path: Path) -> None:
    """A folder of its weights and a job that names the adapter give the same video twice."""
    adapter, config, call, (frames, size) = CASES[package]
    weights = tmp_path / "weights"
    weights.mkdir()
    save_model(_network(package, config), str(weights / "model.safetensors"))
    (weights / "config.json").write_text(json.dumps(config))
    models = {"mine": {"path": str(weights), "pipeline": adapter, "call": call}}
    manifest = [{"id": "one", "prompt": "a ball", "model": "mine"}]
    [once] = line.run(tmp_path, "once", models, manifest)
    [again] = line.run(tmp_path, "again", models, manifest)
    assert (once["status"], once["error"]) == ("ok", None)
    assert (once["num_frames"], once["height"], once["width"]) == (frames, size, size)
    assert once["frames_sha256"] == again["frames_sha256"]
