"""A worker refuses local files that are not those of the plan."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t2vbatch.errors import NodeError
from t2vbatch.job import Model
from t2vbatch.models import inspect_model, load_model

Checkpoint = Callable[[str], Path]


def _change(file: Path) -> None:
    """Change the last byte, which belongs to a weight, to the description of a config, or to a line."""
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def _refusal(spec: Model, changed: Path) -> str:
    facts = inspect_model("mine", spec)
    load_model(spec, facts, "cpu")
    _change(changed)
    with pytest.raises(NodeError) as caught:
        load_model(spec, facts, "cpu")
    return str(caught.value)


def test_weights_that_change_after_the_plan(checkpoint: Checkpoint, lora: Path, tmp_path: Path) -> None:
    """A model, a component and a LoRA whose file has changed are refused by their keys."""
    model = shutil.copytree(checkpoint("WanPipeline"), tmp_path / "model")
    part = shutil.copytree(model / "vae", tmp_path / "vae")
    vae: dict[str, Any] = {"class": "AutoencoderKLWan", "path": str(part)}
    spec = Model.model_validate(
        {"path": str(model), "components": {"vae": vae}, "loras": [{"path": str(lora)}]}
    )
    changed = {
        "loras[0].path": lora,
        "components.vae.path": part / "diffusion_pytorch_model.safetensors",
        "path": model / "transformer" / "diffusion_pytorch_model.safetensors",
    }
    for key, file in changed.items():
        refusal = _refusal(spec, file)
        assert refusal.startswith(f"{key}\n")
        assert "not those of the plan" in refusal
        _change(file)
