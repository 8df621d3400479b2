"""Modular pipelines of diffusers: their index, their parts, their guiders."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import diffusers
import numpy as np
import numpy.typing as npt
import pytest

from t2vbatch.errors import DeadlineError, ModelError
from t2vbatch.models import describe_pipeline, inspect_model, load_model
from t2vbatch.models.calls.modular import block_parameters
from t2vbatch.models.checkpoints.effects import EFFECTS
from t2vbatch.models.protocol import Request, VideoModel
from t2vbatch.models.steps import StepClock
from tests.models import tiny

WAN: Any = diffusers.WanModularPipeline


class OwnWan(WAN):  # type: ignore[misc]
    """A modular pipeline outside diffusers, with blocks of diffusers."""

    default_blocks_name: ClassVar[str] = "WanBlocks"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of WanModularPipeline."""
    return tiny.save("WanModularPipeline", tmp_path_factory.mktemp("modular") / "wan")


def _load(folder: Path, **changes: Any) -> VideoModel:
    spec = tiny.model("WanModularPipeline", folder, dtype="float32", **changes)
    return load_model(spec, inspect_model("mine", spec), "cpu")


def _frames(model: VideoModel, **call: Any) -> npt.NDArray[np.uint8]:
    given = {**tiny.TINY_PIPELINES["WanModularPipeline"].call, **call}
    return model.generate([Request("a ball", None, 3, call=given)])[0].frames


def _edit_index(folder: Path, changes: Mapping[str, Any]) -> None:
    path = folder / "modular_model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_guidance_belongs_to_one_call(checkpoint: Path) -> None:
    """The strength of guidance changes the frames, and the next call has the default again."""
    model = _load(checkpoint)
    before, strong, after = _frames(model), _frames(model, guidance_scale=9.0), _frames(model)
    assert (before != strong).any()
    assert (before == after).all()


def test_a_checkpoint_without_a_modular_index_can_be_run_by_modular_blocks(tmp_path: Path) -> None:
    """The parts of a plain checkpoint make the same frames."""
    folder = tiny.save("WanPipeline:plain", tmp_path)
    plain = _frames(_load(folder, pipeline="WanPipeline"))
    assert (_frames(_load(folder, pipeline="WanModularPipeline")) == plain).all()


def test_a_class_outside_diffusers_runs(checkpoint: Path) -> None:
    """A subclass takes the arguments of its blocks and makes their frames."""
    model = _load(checkpoint, pipeline=f"{__name__}:OwnWan")
    assert (_frames(model) == _frames(_load(checkpoint))).all()


def test_a_checkpoint_with_other_blocks_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    """The message names the blocks of the checkpoint; a job that names the pipeline runs its own blocks."""
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    _edit_index(folder, {"_blocks_class_name": "MyBlocks"})
    with pytest.raises(ModelError, match="MyBlocks") as caught:
        _load(folder)
    assert "plug-in" in caught.value.fix
    assert (_frames(_load(folder, pipeline="WanModularPipeline")) == _frames(_load(checkpoint))).all()


def test_a_part_may_come_from_elsewhere(checkpoint: Path, tmp_path: Path) -> None:
    """The index names another folder for a part; the part's content is in the identity of the model."""
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    shutil.move(folder / "vae", tmp_path / "elsewhere")
    place = {"pretrained_model_name_or_path": str(tmp_path / "elsewhere"), "subfolder": ""}
    _edit_index(folder, {"vae": ["diffusers", "AutoencoderKLWan", place]})
    spec = tiny.model("WanModularPipeline", folder)
    assert set(inspect_model("mine", spec).identity["components"]) == {"vae"}
    assert (_frames(_load(folder)) == _frames(_load(checkpoint))).all()


def test_a_part_that_cannot_be_loaded_ends_the_load(checkpoint: Path, tmp_path: Path) -> None:
    """diffusers itself would go on without the part; here the message names it."""
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    next((folder / "vae").glob("*.safetensors")).unlink()
    with pytest.raises(ModelError, match="vae"):
        _load(folder)


def test_a_deadline_ends_a_call_between_steps(checkpoint: Path) -> None:
    """A call that is over its time raises, and the next call makes its usual frames."""
    model = _load(checkpoint)
    expected, clock = _frames(model), StepClock()
    with clock.deadline(0.0), pytest.raises(DeadlineError):
        _frames(model)
    with clock.deadline(None):
        assert (_frames(model) == expected).all()
    assert clock.count > 2


@pytest.mark.parametrize("setting", ["group_offload", "sequential_cpu_offload"])
def test_offloading_layers_changes_no_pixel(
    setting: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A modular pipeline has no such methods: each of its networks gets hooks, here for the CPU."""
    expected = _frames(_load(checkpoint))
    module = "t2vbatch.models.checkpoints.effects"
    monkeypatch.setattr(f"{module}._is_cpu", lambda device: False)
    model = _load(checkpoint)
    EFFECTS[setting](model._pipeline, {"use_stream": False}, "cpu")  # type: ignore[attr-defined]
    assert (_frames(model) == expected).all()


def test_a_cache_that_blocks_do_not_support_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    """Every call would fail: Wan's blocks name no pass to a cache, LTX's give it no current timestep."""
    with pytest.raises(ModelError, match="pass of a step"):
        _load(checkpoint, speed={"cache": {"class": "FirstBlockCacheConfig", "threshold": 0.2}})
    by_step = {"class": "PyramidAttentionBroadcastConfig", "spatial_attention_block_skip_range": 2}
    with pytest.raises(ModelError, match="current timestep"):
        _load(tiny.save("LTXModularPipeline", tmp_path), call={}, speed={"cache": by_step})


def test_a_scheduler_for_a_pipeline_without_one_is_refused(tmp_path: Path) -> None:
    """Echo has no scheduler that a job could replace."""
    spec = tiny.model("EchoModularPipeline", tiny.save("EchoModularPipeline", tmp_path))
    with pytest.raises(ModelError, match="no scheduler"):
        inspect_model("mine", spec.model_copy(update={"scheduler": "DDIMScheduler"}))


def test_values_that_blocks_pass_on_are_no_arguments() -> None:
    """A job sets what a user gives: no latents of images, and no objects that a manifest cannot hold."""
    parameters, _ = block_parameters(diffusers.MiniMaxH3ModularPipeline().blocks)
    assert {"prompt", "num_frames", "latents", "image"} <= parameters.keys()
    assert not {"condition_latents", "keyframes", "references"} & parameters.keys()


def test_an_input_of_every_workflow_is_needed() -> None:
    """Each way to call these blocks reads an image, so that every row needs one."""
    assert "image" in describe_pipeline("WanImage2VideoModularPipeline").requires
