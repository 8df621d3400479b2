"""Checkpoints and networks from single files in their authors' layout."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from t2vbatch.errors import ModelError
from t2vbatch.job import Model, load_job
from t2vbatch.media.video import Video
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.checkpoints import hub, single_file
from t2vbatch.models.protocol import Request
from tests.models import original, tiny
from tests.models.tiny_parts import diffusers

Checkpoint = Callable[[str], Path]


def _video(name: str, **section: Any) -> Video:
    spec = Model.model_validate(section)
    model = load_model(spec, inspect_model("mine", spec), "cpu")
    return model.generate([Request("a red ball", None, 7, call=tiny.TINY_PIPELINES[name].call)])[0]


def _part(kind: str, folder: Path, part: str) -> Any:
    return getattr(diffusers, kind).from_pretrained(folder, subfolder=part)


@pytest.fixture
def wan_file(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """The transformer of the tiny Wan in its authors' layout."""
    transformer = _part("WanTransformer3DModel", checkpoint("WanPipeline"), "transformer")
    save_file(original.wan(transformer), tmp_path / "wan.safetensors")
    return tmp_path / "wan.safetensors"


def _ltx(folder: Path) -> original.Weights:
    kinds = {"transformer": "LTXVideoTransformer3DModel", "vae": "AutoencoderKLLTXVideo"}
    return original.ltx({part: _part(kind, folder, part) for part, kind in kinds.items()})


def test_a_network_from_a_single_file_gives_the_same_bytes(checkpoint: Checkpoint, wan_file: Path) -> None:
    """A transformer from a single file makes the same video as the folder."""
    folder = checkpoint("WanPipeline")
    component = {"class": "WanTransformer3DModel", "path": str(wan_file)}
    video = _video("WanPipeline", path=str(folder), components={"transformer": component})
    assert video.sha256() == _video("WanPipeline", path=str(folder)).sha256()


def test_a_whole_checkpoint_from_a_single_file_gives_the_same_bytes(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Transformer and autoencoder come from the file, text encoder and configs from the config's folder."""
    folder = checkpoint("LTXPipeline")
    save_file(_ltx(folder), tmp_path / "ltx.safetensors")
    video = _video("LTXPipeline", path=str(tmp_path / "ltx.safetensors"), config=str(folder))
    assert video.sha256() == _video("LTXPipeline", path=str(folder)).sha256()


def test_a_stable_diffusion_file_and_a_motion_module_make_a_video(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """AnimateDiff makes the same video from single files of image model and motion module as from folders."""
    name, image = "AnimateDiffPipeline", checkpoint("TextToVideoZeroPipeline")
    motion = checkpoint(name) / "motion_adapter"
    save_file(
        original.stable_diffusion(diffusers.StableDiffusionPipeline.from_pretrained(image).components),
        tmp_path / "image.safetensors",
    )
    adapter = diffusers.MotionAdapter.from_pretrained(motion)
    save_file(original.motion_module(adapter), tmp_path / "motion.safetensors")

    def video(path: Path, adapter: dict[str, Any], **more: Any) -> Video:
        without = {"feature_extractor": None, "image_encoder": None}
        components = {"motion_adapter": {"class": "MotionAdapter", **adapter}, **without}
        return _video(name, path=str(path), pipeline=name, components=components, **more)

    from_folders = video(image, {"path": str(motion)})
    from_files = video(
        tmp_path / "image.safetensors",
        {"path": str(tmp_path / "motion.safetensors"), "config": str(motion)},
        config=str(image),
    )
    assert from_files.sha256() == from_folders.sha256()


def test_a_job_names_single_files_beside_itself(checkpoint: Checkpoint, wan_file: Path) -> None:
    """Paths and configs are relative to the job file; a file's content is its identity, not its name."""
    folder, base = checkpoint("WanPipeline"), wan_file.parent
    (base / "config").symlink_to(folder / "transformer")
    component = {"class": "WanTransformer3DModel", "path": "wan.safetensors", "config": "config"}
    section = {"path": str(folder), "components": {"transformer": component}}
    job = {"manifest": "rows.txt", "output": "out", "models": {"wan": section}}
    (base / "job.yaml").write_text(yaml.safe_dump(job))
    spec = load_job(base / "job.yaml").models["wan"]
    assert spec.components["transformer"] == {
        "class": "WanTransformer3DModel",
        "path": str(wan_file),
        "config": str(folder / "transformer"),
    }
    before = inspect_model("wan", spec).identity
    copied = wan_file.rename(base / "renamed.safetensors")
    renamed = spec.model_copy(
        update={
            "components": {"transformer": {**component, "path": str(copied), "config": str(base / "config")}}
        }
    )
    assert inspect_model("wan", renamed).identity == before


def test_a_pickle_is_read_where_the_job_says_so(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A .ckpt is refused as a pickle, and makes the folder's bytes if pickles are allowed."""
    folder, file = checkpoint("LTXPipeline"), tmp_path / "ltx.ckpt"
    torch.save({"state_dict": _ltx(folder)}, file)
    encoder = {"class": "T5EncoderModel", "path": str(folder), "subfolder": "text_encoder"}
    section = {"path": str(file), "config": str(folder), "components": {"text_encoder": encoder}}
    with pytest.raises(ModelError, match="a pickle") as caught:
        inspect_model("mine", Model.model_validate(section))
    assert "allow_pickle: true" in caught.value.fix
    video = _video("LTXPipeline", **section, allow_pickle=True)
    assert video.sha256() == _video("LTXPipeline", path=str(folder)).sha256()


def test_a_file_of_another_network_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A file with the weights of another class is refused when it is loaded, with the file and the class."""
    adapter = diffusers.MotionAdapter.from_pretrained(checkpoint("AnimateDiffPipeline") / "motion_adapter")
    save_file(original.motion_module(adapter), tmp_path / "motion.safetensors")
    component = {"class": "WanTransformer3DModel", "path": str(tmp_path / "motion.safetensors")}
    spec = Model(path=str(checkpoint("WanPipeline")), components={"transformer": component})
    with pytest.raises(ModelError, match="as WanTransformer3DModel") as caught:
        load_model(spec, inspect_model("mine", spec), "cpu")
    assert caught.value.where == "components.transformer.path"


def test_a_file_that_lacks_weights_is_refused(checkpoint: Checkpoint, wan_file: Path) -> None:
    """A file that lacks one weight is refused."""
    weights = load_file(wan_file)
    del weights["head.head.bias"]
    save_file(weights, wan_file)
    component = {"class": "WanTransformer3DModel", "path": str(wan_file)}
    spec = Model(path=str(checkpoint("WanPipeline")), components={"transformer": component})
    with pytest.raises(ModelError, match="some weights are missing"):
        load_model(spec, inspect_model("mine", spec), "cpu")


def _refusal(**section: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", Model.model_validate(section))
    return caught.value


def test_what_a_single_file_cannot_do_is_refused(checkpoint: Checkpoint, wan_file: Path) -> None:
    """Keys that a single file does not support are refused before anything is loaded."""
    file, folder = str(wan_file), str(checkpoint("WanPipeline"))
    whole = _refusal(path=file, config=folder)
    assert "a single file, from which WanPipeline cannot be loaded" in whole.found
    assert "models.mine.components.transformer" in whole.fix
    assert _refusal(path=folder, config=folder).where == "models.mine.config"
    assert _refusal(path=file, config=folder, variant="fp16").where == "models.mine.variant"
    asked = {"quantization": {"transformer": {"class": "TorchAoConfig"}}}
    assert _refusal(path=file, config=folder, speed=asked).where == "models.mine.speed.quantization"
    assert "components.transformer" in _refusal(path="wan.gguf", config=folder).fix
    assert "does not exist" in _refusal(path="here/wan.safetensors", config=folder).found


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"variant": "fp16"}, "variant"),
        ({"class": "UMT5EncoderModel"}, "path"),
        ({"dtype": "float8"}, "dtype"),
        ({"path": "gone/away.safetensors"}, "path"),
        ({"path": "FOLDER", "config": "FOLDER"}, "config"),
        ({"config": "FOLDER", "subfolder": "nowhere"}, "config"),
    ],
)
def test_what_a_component_from_a_single_file_cannot_be_is_refused(
    changes: dict[str, Any], where: str, checkpoint: Checkpoint, wan_file: Path
) -> None:
    """A variant, a class without single files, a missing file and wrong configs are refused."""
    folder = str(checkpoint("WanPipeline"))
    given = {key: value.replace("FOLDER", folder) for key, value in changes.items()}
    component = {"class": "WanTransformer3DModel", "path": str(wan_file), **given}
    error = _refusal(path=folder, components={"transformer": component})
    assert error.where == f"models.mine.components.transformer.{where}"


def test_weights_that_need_scales_are_refused(checkpoint: Checkpoint, wan_file: Path) -> None:
    """A file of scaled 8-bit weights is refused, as it would load as noise."""
    save_file({**load_file(wan_file), "blocks.0.ffn.0.scale_weight": torch.ones(1)}, wan_file)
    component = {"class": "WanTransformer3DModel", "path": str(wan_file)}
    error = _refusal(path=str(checkpoint("WanPipeline")), components={"transformer": component})
    assert "blocks.0.ffn.0.scale_weight" in error.found


def test_half_a_file_is_refused(checkpoint: Checkpoint, wan_file: Path) -> None:
    """An incomplete download is found by its header before anything is loaded."""
    wan_file.write_bytes(wan_file.read_bytes()[:-100])
    component = {"class": "WanTransformer3DModel", "path": str(wan_file)}
    error = _refusal(path=str(checkpoint("WanPipeline")), components={"transformer": component})
    assert (error.where, error.fix) == (str(wan_file), "download it again")


def test_a_config_that_is_not_named_is_guessed(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without config:, the repository that diffusers guesses is named."""
    save_file(_ltx(checkpoint("LTXPipeline")), tmp_path / "ltx.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    error = _refusal(path=str(tmp_path / "ltx.safetensors"))
    assert error.where == "models.mine.config"
    assert error.found.startswith(
        "no config, and the one that diffusers guesses is diffusers/LTX-Video-0.9.0"
    )


def test_a_file_of_the_hub_is_not_fetched_for_a_plan(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning requests only the commit and the header of weights on the Hub."""
    asked = []

    def metadata(url: str) -> Any:
        asked.append(url)
        return SimpleNamespace(commit_hash="c0ffee")

    monkeypatch.setattr(hub, "hub_reachable", lambda: True)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", metadata)
    monkeypatch.setattr(single_file, "hub_header", lambda *at: {})
    component = {"class": "WanTransformer3DModel", "path": "org/wan/deep/wan.safetensors", "revision": "v1"}
    spec = Model(path=str(checkpoint("WanPipeline")), components={"transformer": component})
    weights = inspect_model("mine", spec).identity["components"]["transformer"]["weights"]
    assert {key: weights[key] for key in ("hub", "commit", "file")} == {
        "hub": "org/wan",
        "commit": "c0ffee",
        "file": "deep/wan.safetensors",
    }
    assert asked[0].endswith("/org/wan/resolve/v1/deep/wan.safetensors")


def test_a_cached_file_is_loaded_at_the_commit_of_the_plan(
    checkpoint: Checkpoint, wan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline, a file of the Hub comes from the cache; a branch that moves after planning has no effect."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository, commit = tmp_path / "hub" / "models--org--wan", "0123456789abcdef0123456789abcdef01234567"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    wan_file.rename(repository / "snapshots" / commit / "wan.safetensors")
    component = {"class": "WanTransformer3DModel", "path": "org/wan/wan.safetensors"}
    folder = checkpoint("WanPipeline")
    spec = Model(path=str(folder), components={"transformer": component})
    facts = inspect_model("mine", spec)
    assert facts.identity["components"]["transformer"]["weights"]["commit"] == commit
    (repository / "refs" / "main").write_text("f" * 40)
    video = load_model(spec, facts, "cpu").generate(
        [Request("a red ball", None, 7, call=tiny.TINY_PIPELINES["WanPipeline"].call)]
    )[0]
    assert video.sha256() == _video("WanPipeline", path=str(folder)).sha256()
