"""Quantized networks: GGUF files, and weights that are quantized while they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.calls.diffusers_model import DiffusersModel
from t2vbatch.models.checkpoints import quantization, settings
from t2vbatch.models.protocol import Request
from tests.models import line, original, tiny
from tests.models.tiny_parts import diffusers

Checkpoint = Callable[[str], Path]

_BITS = gguf.GGMLQuantizationType.Q4_0
_BLOCK = 32
"""Numbers that share a scale; a row must be a whole number of blocks."""


def _loaded(**section: Any) -> DiffusersModel:
    spec = Model.model_validate(section)
    model = load_model(spec, inspect_model("mine", spec), "cpu")
    assert isinstance(model, DiffusersModel)
    return model


def _digest(model: DiffusersModel) -> str:
    call = tiny.TINY_PIPELINES["WanPipeline"].call
    return model.generate([Request("a red ball", None, 7, call=call)])[0].sha256()


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Wan whose transformer changes the video visibly when its weights have four bits."""
    torch.manual_seed(0)
    folder = tiny.save("WanPipeline", tmp_path_factory.mktemp("wan"))
    transformer = diffusers.WanTransformer3DModel.from_pretrained(folder, subfolder="transformer")
    for weight in transformer.parameters():
        weight.data *= 3
    transformer.save_pretrained(folder / "transformer")
    return folder


@pytest.fixture(scope="module")
def files(wan: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The transformer as GGUF, and the same numbers as safetensors."""
    transformer = diffusers.WanTransformer3DModel.from_pretrained(wan, subfolder="transformer")
    base = tmp_path_factory.mktemp("gguf")
    writer = gguf.GGUFWriter(base / "wan.gguf", "wan")
    meant = {}
    for name, weight in original.wan(transformer).items():
        value = weight.numpy()
        if value.ndim == 2 and value.shape[1] % _BLOCK == 0:
            bits = gguf.quants.quantize(value, _BITS)
            writer.add_tensor(name, bits, raw_dtype=_BITS)
            value = np.array(gguf.quants.dequantize(bits, _BITS))
        else:
            writer.add_tensor(name, value)
        meant[name] = torch.from_numpy(value)
    for write in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{write}_to_file")()
    writer.close()
    save_file(meant, base / "meant.safetensors")
    return {"gguf": base / "wan.gguf", "meant": base / "meant.safetensors"}


def _section(folder: Path, file: Path, **more: Any) -> dict[str, Any]:
    component = {"class": "WanTransformer3DModel", "path": str(file), **more}
    return {"path": str(folder), "components": {"transformer": component}}


def test_a_gguf_file_means_its_numbers(wan: Path, files: dict[str, Path]) -> None:
    """A GGUF network makes the same bytes as the same numbers in safetensors."""
    model = _loaded(**_section(wan, files["gguf"]))
    assert quantization.is_quantized(model._pipeline.transformer)
    digest = _digest(model)
    assert digest == _digest(_loaded(**_section(wan, files["meant"])))
    assert digest != _digest(_loaded(path=str(wan)))


def test_a_job_runs_a_gguf_file(wan: Path, files: dict[str, Path], tmp_path: Path) -> None:
    """A whole run with a GGUF network uses the job's dtype for its arithmetic."""
    call = {"call": dict(tiny.TINY_PIPELINES["WanPipeline"].call)}
    models = {
        dtype: {**_section(wan, files["gguf"]), **call, "dtype": dtype} for dtype in ("float32", "bfloat16")
    }
    manifest = [{"id": dtype, "model": dtype, "prompt": "a red ball"} for dtype in models]
    rows = line.run(tmp_path, "out", models, manifest)
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert len({row["video_sha256"] for row in rows}) == 2


def test_a_gguf_file_wants_its_package(
    wan: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package gguf, planning reports what to install."""
    monkeypatch.setattr("t2vbatch.models.checkpoints.single_file.absent", lambda names: ("gguf",))
    with pytest.raises(ModelError, match="gguf, which reads such files, is not installed") as caught:
        inspect_model("mine", Model.model_validate(_section(wan, files["gguf"])))
    assert caught.value.fix == "pip install gguf"


QUANTO = {"class": "QuantoConfig", "weights_dtype": "int8"}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_parts_are_quantized_while_they_are_read(wan: Path) -> None:
    """The named parts are quantized by their own library, both the checkpoint's parts and the job's."""
    encoder = {"class": "QuantoConfig", "weights": "int8"}
    asked = {"speed": {"quantization": {"transformer": QUANTO, "text_encoder": encoder}}}
    own = {"transformer": {"class": "WanTransformer3DModel", "path": str(wan), "subfolder": "transformer"}}
    models = [_loaded(path=str(wan), **asked), _loaded(path=str(wan), components=own, **asked)]
    for model in models:
        parts = model._pipeline.components
        quantized = {
            name for name in ("transformer", "text_encoder", "vae") if quantization.is_quantized(parts[name])
        }
        assert quantized == {"transformer", "text_encoder"}
    digests = {_digest(model) for model in models}
    assert len(digests) == 1
    assert digests != {_digest(_loaded(path=str(wan)))}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_quantization_without_effect_is_refused(wan: Path) -> None:
    """A quantization config that excludes every layer is an error."""
    transformer = diffusers.WanTransformer3DModel.from_pretrained(wan, subfolder="transformer")
    layers = sorted({name.rpartition(".")[2] for name, _ in transformer.named_modules()})
    nothing = {**QUANTO, "modules_to_not_convert": layers}
    with pytest.raises(ModelError, match="no weight of its transformer") as caught:
        _loaded(path=str(wan), speed={"quantization": {"transformer": nothing}})
    assert caught.value.where == "speed: quantization"


@pytest.mark.parametrize(
    ("asked", "where", "said"),
    [
        ("int8", "", "found:    'int8'"),
        ({"transfomer": QUANTO}, ".transfomer", "did you mean 'transformer'"),
        ({"transformer": "int8"}, ".transformer", "{class: BitsAndBytesConfig"),
        ({"transformer": {"class": "QuantConfig"}}, ".transformer.class", "did you mean 'QuantoConfig'"),
        ({"transformer": {"class": "GGUFQuantizationConfig"}}, ".transformer.class", "does not have"),
        ({"text_encoder": {"class": "SDNQConfig"}}, ".text_encoder.class", "transformers does not have"),
        ({"transformer": {**QUANTO, "weight_dtype": "int8"}}, ".transformer.weight_dtype", "'weights_dtype'"),
        ({"transformer": {**QUANTO, "weights_dtype": "int3"}}, ".transformer", "int3"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_cannot_be_quantized_is_refused_by_the_plan(
    asked: Any, where: str, said: str, checkpoint: Checkpoint
) -> None:
    """A misspelt part, class or option is refused, and so is a class that the part's library lacks."""
    spec = Model(path=str(checkpoint("WanPipeline")), speed={"quantization": asked})
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", spec)
    assert caught.value.where == f"models.mine.speed.quantization{where}"
    assert said in str(caught.value)


def test_a_missing_package_is_named(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is reported by its name for pip before anything is loaded."""
    monkeypatch.setattr("t2vbatch.models.catalog.find_spec", lambda name: None)
    spec = Model(path=str(checkpoint("WanPipeline")), speed={"quantization": {"transformer": QUANTO}})
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", spec)
    assert caught.value.fix == "pip install optimum-quanto"


def test_a_gguf_part_is_not_quantized_again(wan: Path, files: dict[str, Path]) -> None:
    """A GGUF part cannot be quantized again."""
    spec = Model.model_validate(
        {**_section(wan, files["gguf"]), "speed": {"quantization": {"transformer": QUANTO}}}
    )
    with pytest.raises(ModelError, match="already quantized"):
        inspect_model("mine", spec)


def test_torchao_takes_the_names_of_its_classes(wan: Path) -> None:
    """With torchao installed, a job names its classes, with or without options."""
    pytest.importorskip("torchao")
    for kind in ("Int8WeightOnlyConfig", {"class": "Int8WeightOnlyConfig", "version": 2}):
        asked = {"transformer": {"class": "TorchAoConfig", "quant_type": kind}}
        model = _loaded(path=str(wan), speed={"quantization": asked})
        assert quantization.is_quantized(model._pipeline.transformer)
    asked = {"transformer": {"class": "TorchAoConfig", "quant_type": "Int3"}}
    with pytest.raises(ModelError, match="a class of torchao"):
        _loaded(path=str(wan), speed={"quantization": asked})


def test_quantization_is_a_speed_setting() -> None:
    """Every quantization changes the identity."""
    assert not settings.SPEED["quantization"].moves_only
