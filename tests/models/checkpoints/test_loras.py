"""LoRAs on a real pipeline: where their files are, their effect, and which are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.protocol import Request
from tests.models import tiny

Checkpoint = Callable[[str], Path]


def _spec(folder: Path, *loras: dict[str, Any], **more: Any) -> Model:
    return Model.model_validate({"path": str(folder), "loras": list(loras), **more})


def _digest(spec: Model) -> str:
    model = load_model(spec, inspect_model("mine", spec), "cpu")
    call = tiny.TINY_PIPELINES["WanPipeline"].call
    return model.generate([Request("a red ball", None, 7, call=call)])[0].sha256()


def test_a_lora_is_a_folder_or_a_file(checkpoint: Checkpoint, lora: Path) -> None:
    """A LoRA named by file or by folder has the same video and identity, and changes the video."""
    folder = checkpoint("WanPipeline")
    by_folder = _spec(folder, {"path": str(lora.parent)})
    by_file = _spec(folder, {"path": str(lora)})
    assert inspect_model("mine", by_folder).identity == inspect_model("mine", by_file).identity
    assert _digest(by_folder) == _digest(by_file) != _digest(_spec(folder))


def test_the_weight_of_a_lora_counts(checkpoint: Checkpoint, lora: Path) -> None:
    """With weight 0 the video equals that of the model alone; the identity differs."""
    folder = checkpoint("WanPipeline")
    spec = _spec(folder, {"path": str(lora), "weight": 0.0})
    assert _digest(spec) == _digest(_spec(folder))
    whole = inspect_model("mine", _spec(folder, {"path": str(lora)}))
    assert inspect_model("mine", spec).identity != whole.identity


def test_a_pickled_lora_is_refused(checkpoint: Checkpoint, lora: Path) -> None:
    """A LoRA that is a pickle is refused, like a checkpoint."""
    torch.save({}, lora.with_suffix(".bin"))
    by_file = {"path": str(lora.with_suffix(".bin"))}
    by_folder = {"path": str(lora.parent), "file": "pytorch_lora_weights.bin"}
    for given, key in ((by_file, "path"), (by_folder, "file")):
        with pytest.raises(ModelError, match="a pickle") as caught:
            inspect_model("mine", _spec(checkpoint("WanPipeline"), given))
        assert caught.value.where == f"models.mine.loras[0].{key}"
    inspect_model("mine", _spec(checkpoint("WanPipeline"), by_file, allow_pickle=True))


def test_a_file_beside_a_file_is_refused(checkpoint: Checkpoint, lora: Path) -> None:
    """A LoRA with a file in both path: and file: is refused."""
    with pytest.raises(ModelError, match="remove file:"):
        inspect_model("mine", _spec(checkpoint("WanPipeline"), {"path": str(lora), "file": "x.safetensors"}))


def test_a_lora_that_reaches_no_layer_is_refused(checkpoint: Checkpoint, lora: Path) -> None:
    """A LoRA of another model is refused; diffusers would ignore it silently."""
    save_file({"unet.conv_in.lora_A.weight": torch.ones(1, 4)}, lora)
    spec = _spec(checkpoint("WanPipeline"), {"path": str(lora)})
    with pytest.raises(ModelError) as caught:
        load_model(spec, inspect_model("mine", spec), "cpu")
    assert caught.value.where == "loras[0]"
