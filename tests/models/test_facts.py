"""Facts about a model, and refusals, before weights are read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t2vbatch.canonical import digest
from t2vbatch.errors import CombinedJobError, ModelError, UsageError
from t2vbatch.job import Model
from t2vbatch.models import inspect_model
from tests.models import tiny

Checkpoint = Callable[[str], Path]


def _spec(path: Path, **changes: Any) -> Model:
    return Model.model_validate({"path": str(path), **changes})


def _refused(spec: Model) -> UsageError:
    with pytest.raises((ModelError, CombinedJobError)) as caught:
        inspect_model("mine", spec)
    return caught.value


def test_facts_of_a_text_model(checkpoint: Checkpoint) -> None:
    """A text-to-video checkpoint needs a prompt; its token limit and frame rate come from its files."""
    facts = inspect_model("mine", _spec(checkpoint("TextToVideoSDPipeline")))
    assert facts.pipeline == "diffusers:TextToVideoSDPipeline"
    assert facts.requires == {"prompt"}
    assert facts.accepts == {"prompt", "negative_prompt"}
    assert {"num_frames", "guidance_scale", "height"} <= facts.parameters
    assert facts.parameters.isdisjoint({"prompt", "generator", "latents", "output_type", "callback"})
    assert (facts.fps, facts.token_limit, facts.batchable) == (8.0, 77, True)
    assert facts.signature["num_frames"] == 16


def test_facts_of_an_image_model(checkpoint: Checkpoint) -> None:
    """Stable Video Diffusion takes one image, no prompt, and a frame rate."""
    facts = inspect_model("mine", _spec(checkpoint("StableVideoDiffusionPipeline")))
    assert facts.requires == facts.accepts == {"image"}
    assert (facts.fps, facts.fps_argument, facts.batchable) == (7.0, "fps", False)


def test_facts_of_an_image_and_text_model(checkpoint: Checkpoint) -> None:
    """An image-to-video model needs a prompt and an image."""
    facts = inspect_model("mine", _spec(checkpoint("CogVideoXImageToVideoPipeline")))
    assert facts.requires == {"prompt", "image"}
    assert facts.token_limit == 226


def test_all_problems_of_a_model_are_one_message(checkpoint: Checkpoint) -> None:
    """A wrong component, LoRA, scheduler, setting and two arguments of the call are reported together."""
    wrong = {
        "components": {"vea": None},
        "loras": [{"pth": "x"}],
        "scheduler": "Foo",
        "memory": ["vae_slice"],
        "speed": {"compil": True},
        "call": {"hight": 64, "num_frames": "lots"},
    }
    error = _refused(_spec(checkpoint("WanPipeline"), **wrong))
    assert isinstance(error, CombinedJobError)
    assert [one.where.removeprefix("models.mine.") for one in error.errors] == [
        "components.vea",
        "loras[0].pth",
        "scheduler",
        "memory.vae_slice",
        "speed.compil",
        "call.hight",
        "call.num_frames",
    ]


def test_a_file_without_weights_is_refused_as_such(tmp_path: Path) -> None:
    """A path to a file of another kind is no folder with a broken index."""
    (tmp_path / "prompts.csv").write_text("prompt\n")
    error = _refused(_spec(tmp_path / "prompts.csv"))
    assert (error.where, "does not hold weights" in error.found) == ("models.mine.path", True)


def test_an_unknown_argument_is_refused_with_the_nearest(checkpoint: Checkpoint) -> None:
    """A misspelt call argument is refused with the nearest name."""
    error = _refused(_spec(checkpoint("WanPipeline"), call={"guidance_scal": 5.0}))
    assert error.where == "models.mine.call.guidance_scal"
    assert "did you mean 'guidance_scale'?" in error.expected


def test_a_wrong_frame_count_is_refused_with_the_nearest(checkpoint: Checkpoint) -> None:
    """A frame count that diffusers would round silently is refused with the nearest counts."""
    error = _refused(_spec(checkpoint("WanPipeline"), call={"num_frames": 16}))
    assert error.where == "models.mine.call.num_frames"
    assert error.expected == "4k+1 frames, such as 13 or 17"


@pytest.mark.parametrize(
    ("changes", "where", "expected"),
    [
        ({"pipeline": "WanPipelin"}, "models.mine.pipeline", "did you mean 'WanPipeline'?"),
        ({"pipeline": "no.such.module:Name"}, "models.mine.pipeline", "package.module:Name"),
        ({"scheduler": "DDIMSchedule"}, "models.mine.scheduler", "did you mean 'DDIMScheduler'?"),
        (
            {"scheduler": {"class": "DDIMScheduler", "clip_sampl": False}},
            "models.mine.scheduler.clip_sampl",
            "did you mean 'clip_sample'?",
        ),
        ({"components": {"va": None}}, "models.mine.components.va", "did you mean 'vae'?"),
        ({"components": {"vae": {"path": "x"}}}, "models.mine.components.vae", "{class: ..., path: ...}"),
        ({"memory": ["vae_tilin"]}, "models.mine.memory.vae_tilin", "did you mean 'vae_tiling'?"),
        (
            {"memory": ["model_cpu_offload", "group_offload"]},
            "models.mine.memory",
            "one offload",
        ),
        ({"speed": {"compil": True}}, "models.mine.speed.compil", "did you mean 'compile'?"),
        ({"loras": [{"weight": 1.0}]}, "models.mine.loras[0]", "{path: ..., weight: 1.0}"),
    ],
)
def test_a_wrong_key_is_refused_by_name(
    checkpoint: Checkpoint, changes: dict[str, Any], where: str, expected: str
) -> None:
    """Each wrong key of a model is refused by its name, with the expected value."""
    error = _refused(_spec(checkpoint("WanPipeline"), **changes))
    assert error.where == where
    assert expected in error.expected


def test_a_batch_is_refused_where_a_call_makes_one_video(checkpoint: Checkpoint) -> None:
    """A batch is refused if the pipeline takes one image."""
    error = _refused(_spec(checkpoint("StableVideoDiffusionPipeline"), batch=2))
    assert error.where == "models.mine.batch"


def test_a_missing_package_is_named(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is reported before anything is loaded."""
    monkeypatch.setattr("t2vbatch.models.catalog.find_spec", lambda name: None)
    error = _refused(_spec(checkpoint("WanPipeline"), loras=[{"path": "x"}]))
    assert error.fix == "pip install peft"


def test_a_folder_that_is_no_pipeline(tmp_path: Path) -> None:
    """A folder without an index and a path that does not exist are refused."""
    assert "model_index.json" in _refused(_spec(tmp_path)).found
    assert "does not exist" in _refused(_spec(tmp_path / "nothing" / "here")).found


def test_a_bundled_model_that_is_not_there() -> None:
    """An unknown bundled model is refused with the known one."""
    assert "bundled:shapes" in _refused(Model(path="bundled:circles")).expected


def test_a_checkpoint_of_a_class_that_diffusers_lacks(tmp_path: Path) -> None:
    """A repository's own pipeline code is never run; the message asks for a class."""
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": ["my_pipeline", "Mine"]}))
    error = _refused(_spec(tmp_path))
    assert error.where == "models.mine.path"
    assert "models.mine.pipeline" in error.fix


def _identity(path: Path, **changes: Any) -> str:
    return digest(inspect_model("mine", _spec(path, **changes)).identity)


def test_identity_follows_content_and_not_place(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A copy has the same identity, also with another README; one changed weight changes it."""
    original = checkpoint("WanPipeline")
    copy = shutil.copytree(original, tmp_path / "copy")
    (copy / "README.md").write_text("notes")
    assert _identity(copy) == _identity(original)
    weights = next((copy / "transformer").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    assert _identity(copy) != _identity(original)


def test_identity_holds_what_decides_pixels(checkpoint: Checkpoint) -> None:
    """Settings that change pixels change the identity; settings that only move weights do not."""
    path = checkpoint("WanPipeline")
    plain = _identity(path)
    changing: list[dict[str, Any]] = [
        {"dtype": "bfloat16"},
        {"scheduler": "FlowMatchEulerDiscreteScheduler"},
        {"memory": ["vae_tiling"]},
        {"speed": {"attention_backend": "native"}},
        {"components": {"transformer_2": None}},
        {"components": {"vae": {"class": "AutoencoderKLWan", "path": str(path), "subfolder": "vae"}}},
    ]
    assert len({plain, *(_identity(path, **changes) for changes in changing)}) == len(changing) + 1
    for neutral in ({"memory": ["model_cpu_offload"]}, {"call": {"guidance_scale": 2.0}}, {"fps": 3.0}):
        assert _identity(path, **neutral) == plain


def test_a_variant_is_identified_by_its_own_files(tmp_path: Path) -> None:
    """The weights of another variant do not change the identity."""
    folder = tiny.save("TextToVideoSDPipeline", tmp_path / "both")
    plain = _identity(folder)
    tiny.save("TextToVideoSDPipeline", folder, variant="fp16")
    assert (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").exists()
    assert _identity(folder) == plain
    assert _identity(folder, variant="fp16") != plain


def test_a_variant_without_files_is_refused(checkpoint: Checkpoint) -> None:
    """A folder in which no part has weights of the variant is refused at the key."""
    refused = _refused(_spec(checkpoint("TextToVideoSDPipeline"), variant="fp16"))
    assert refused.where == "models.mine.variant"
    assert "no weights of this variant" in refused.found


@pytest.mark.parametrize(
    ("argument", "advice"),
    [
        ("num_videos_per_prompt", "use samples:"),
        ("output_type", "t2vbatch reads the frames"),
        ("latents", "manifest column latents of .npy"),
        ("image", "manifest column image"),
        ("generator", "use seed:"),
    ],
)
def test_an_argument_that_t2vbatch_sets_has_advice(
    argument: str, advice: str, checkpoint: Checkpoint
) -> None:
    """An argument of the pipeline that a job cannot set names what to use instead."""
    error = _refused(_spec(checkpoint("WanImageToVideoPipeline"), call={argument: 1}))
    assert error.found == "an argument that WanImageToVideoPipeline takes but t2vbatch sets"
    assert advice in error.fix
