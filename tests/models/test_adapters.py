"""Generators outside diffusers: packages from PyPI with random weights, in whole runs.

The packages import libraries for training, which generating does not use (see generators.txt); a mock
replaces each one that is not installed.
"""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from safetensors.torch import save_model

from t2vbatch.models.adapters import imagen_video
from tests.models import line
from tests.models.tiny_parts import t5_encoder, t5_tokenizer

TRAINING = (
    "torchvision",
    "torchvision.transforms",
    "kornia",
    "kornia.augmentation",
    "datasets",
    "datasets.utils",
    "datasets.utils.file_utils",
    "ema_pytorch",
    "pytorch_warmup",
)


def test_video_diffusion_runs_from_a_job(tmp_path: Path) -> None:
    """A job that names the adapter and a folder of weights makes the same video twice."""
    library = _imported(lambda: import_module("video_diffusion_pytorch"))
    config: dict[str, dict[str, Any]] = {
        "unet": {"dim": 8, "dim_mults": [1, 2], "attn_heads": 2, "attn_dim_head": 8},
        "diffusion": {"image_size": 16, "num_frames": 4, "timesteps": 4},
    }
    torch.manual_seed(0)
    network = library.GaussianDiffusion(library.Unet3D(**config["unet"]), **config["diffusion"])
    _save(network, config, tmp_path / "weights")
    section = {"pipeline": "t2vbatch.models.adapters.video_diffusion:VideoDiffusion"}
    once = _run(tmp_path, "once", section, ["a ball"])
    assert once == _run(tmp_path, "again", section, ["a ball"])


def test_imagen_video_runs_from_a_job(tmp_path: Path) -> None:
    """Imagen with our text encoder makes the same videos twice, and another video for another prompt."""
    library = _imported(imagen_video.library)
    unet = {"dim": 8, "dim_mults": [1, 2], "num_resnet_blocks": 1, "attn_dim_head": 8, "attn_heads": 2}
    unet |= {"layer_attns": [False, True], "layer_cross_attns": [False, True]}
    config: dict[str, Any] = {"unets": [unet], "imagen": {"image_sizes": [16], "timesteps": 4}}
    torch.manual_seed(0)
    network = library.Imagen([library.Unet3D(**unet)], text_embed_dim=32, **config["imagen"])
    _save(network, config, tmp_path / "weights")
    for part in (t5_encoder(), t5_tokenizer()):
        part.save_pretrained(tmp_path / "weights" / "text_encoder")
    section = {
        "pipeline": "t2vbatch.models.adapters.imagen_video:ImagenVideo",
        "call": {"num_frames": 4, "cond_scale": 3.0},
    }
    once = _run(tmp_path, "once", section, ["a ball", "a cube"])
    assert once == _run(tmp_path, "again", section, ["a ball", "a cube"])
    assert once["a ball"] != once["a cube"]


def _imported(library: Callable[[], Any]) -> Any:
    absent = [name for name in TRAINING if find_spec(name.partition(".")[0]) is None]
    with pytest.MonkeyPatch.context() as patch:
        for name in absent:
            patch.setitem(sys.modules, name, MagicMock())
        return library()


def _save(network: torch.nn.Module, config: dict[str, Any], folder: Path) -> None:
    """Write the adapter's folder, with random values for zero weights, which would ignore the prompt."""
    for weights in network.parameters():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.1)
    folder.mkdir()
    save_model(network, str(folder / "model.safetensors"))
    (folder / "config.json").write_text(json.dumps(config))


def _run(folder: Path, output: str, section: dict[str, Any], prompts: list[str]) -> dict[str, str]:
    """Digest of each prompt's frames (4 frames of 16x16), all with the same seed."""
    models = {"mine": {"path": str(folder / "weights"), **section}}
    manifest = [{"id": prompt, "prompt": prompt, "seed": 1, "model": "mine"} for prompt in prompts]
    rows = line.run(folder, output, models, manifest)
    assert [(row["status"], row["error"]) for row in rows] == [("ok", None)] * len(prompts)
    assert {(row["num_frames"], row["height"], row["width"]) for row in rows} == {(4, 16, 16)}
    return {row["row_id"]: row["frames_sha256"] for row in rows}
