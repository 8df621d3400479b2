"""IP adapters on a real pipeline: where their files are, their effect, and which are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from t2vbatch.commands.pins import find_pins, pin
from t2vbatch.commands.prepare import prepare
from t2vbatch.errors import ManifestError, ModelError
from t2vbatch.job import Job, Model, load_job
from t2vbatch.models import inspect_model, load_model
from tests.models import line, tiny
from tests.models.tiny_parts import clip_vision

Checkpoint = Callable[[str], Path]

NAME = "AnimateDiffPipeline"
WEIGHTS = "ip-adapter.safetensors"


def _given(adapter: Path, **more: Any) -> dict[str, Any]:
    return {"path": str(adapter), "subfolder": "models", "weight_name": WEIGHTS, **more}


def _spec(folder: Path, given: dict[str, Any] | None, **more: Any) -> Model:
    return tiny.model(NAME, folder, ip_adapter=given, **more)


def test_the_image_of_a_row_reaches_the_video(checkpoint: Checkpoint, adapter: Path, tmp_path: Path) -> None:
    """Two images make two videos; with scale 0 the video is that of the model without an adapter."""
    for colour in ("red", "blue"):
        Image.new("RGB", (40, 30), colour).save(tmp_path / f"{colour}.png")
    folder = checkpoint(NAME)
    models = {
        "with": _spec(folder, _given(adapter)).model_dump(),
        "zero": _spec(folder, _given(adapter, scale=0)).model_dump(),
        "none": _spec(folder, None).model_dump(),
    }
    rows = [
        {"id": f"{model} {colour}", "model": model, "prompt": "a ball", "ip_adapter_image": f"{colour}.png"}
        for model in ("with", "zero")
        for colour in ("red", "blue")
    ]
    rows.append({"id": "none", "model": "none", "prompt": "a ball"})
    made = line.run(tmp_path, "out", models, [row | {"seed": 3} for row in rows])
    assert [(one["status"], one["error"]) for one in made] == [("ok", None)] * 5
    digests = {one["row_id"]: one["frames_sha256"] for one in made}
    assert digests["with red"] != digests["with blue"]
    assert digests["zero red"] == digests["zero blue"] == digests["none"] != digests["with red"]


def test_weights_scale_and_encoder_decide_the_identity(checkpoint: Checkpoint, adapter: Path) -> None:
    """Weights, scale and encoder are part of the identity; the path, and the lack of an adapter, are not."""
    folder = checkpoint(NAME)
    first = inspect_model("mine", _spec(folder, _given(adapter))).identity
    moved = adapter.rename(adapter.parent / "elsewhere")
    assert inspect_model("mine", _spec(folder, _given(moved, scale=1))).identity == first
    assert inspect_model("mine", _spec(folder, _given(moved, scale=0.5))).identity != first
    clip_vision(width=64).save_pretrained(moved / "models" / "image_encoder")
    assert inspect_model("mine", _spec(folder, _given(moved))).identity != first
    assert "ip_adapter" not in inspect_model("mine", _spec(folder, None)).identity


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ({"weight_name": "missing.safetensors"}, "path", "missing.safetensors"),
        ({"weight_name": "adapter.bin"}, "weight_name", "a pickle"),
        ({"weight_name": None}, "", "no weight_name"),
        ({"path": None}, "", "no path"),
        ({"folder": "models"}, "folder", "an unknown key"),
        ({"scale": "0.5"}, "scale", "'0.5'"),
        ({"image_encoder": "other"}, "image_encoder", "no image encoder at"),
    ],
)
def test_a_wrong_adapter_is_refused_before_a_run(
    checkpoint: Checkpoint, adapter: Path, changes: dict[str, Any], key: str, says: str
) -> None:
    """The message about a wrong adapter names the key."""
    with pytest.raises(ModelError) as caught:
        inspect_model("mine", _spec(checkpoint(NAME), _given(adapter) | changes))
    assert caught.value.where == "models.mine.ip_adapter" + (f".{key}" if key else "")
    assert says in caught.value.found


def test_a_pipeline_that_takes_no_adapter_refuses_it(checkpoint: Checkpoint, adapter: Path) -> None:
    """A pipeline without an argument for the adapter, such as Wan, refuses it."""
    spec = tiny.model("WanPipeline", checkpoint("WanPipeline"), ip_adapter=_given(adapter))
    with pytest.raises(ModelError, match="an IP adapter for WanPipeline, which takes none"):
        inspect_model("mine", spec)


def test_weights_of_another_model_are_refused(checkpoint: Checkpoint, adapter: Path) -> None:
    """The message about weights of another model names the file and the pipeline."""
    save_file({"image_proj.proj.weight": torch.zeros(8, 8)}, adapter / "models" / WEIGHTS)
    spec = _spec(checkpoint(NAME), _given(adapter))
    with pytest.raises(ModelError, match="which AnimateDiffPipeline cannot load") as caught:
        load_model(spec, inspect_model("mine", spec), "cpu")
    assert caught.value.where == "ip_adapter"


@pytest.mark.parametrize("with_adapter", [True, False])
def test_an_adapter_and_its_column_need_each_other(
    checkpoint: Checkpoint, adapter: Path, tmp_path: Path, with_adapter: bool
) -> None:
    """A row without the image, or a model without the adapter, is a problem of the plan."""
    tiny.write_image(tmp_path / "image.png")
    given = _given(adapter) if with_adapter else None
    row = {"id": "1", "model": "mine", "prompt": "a"}
    row |= {} if with_adapter else {"ip_adapter_image": "image.png"}
    line.write(tmp_path, "out", {"mine": _spec(checkpoint(NAME), given).model_dump()}, [row])
    with pytest.raises(ManifestError) as caught:
        prepare(load_job(tmp_path / "job.yaml"))
    [problem] = caught.value.problems
    assert problem.column == "ip_adapter_image"
    assert ("set models.mine.ip_adapter" in problem.expected) != with_adapter


def test_a_hub_revision_of_an_adapter_is_pinned(checkpoint: Checkpoint) -> None:
    """The next run uses the commit that the first run found."""
    model = _spec(checkpoint(NAME), {"path": "org/adapter", "weight_name": WEIGHTS})
    facts = inspect_model("mine", _spec(checkpoint(NAME), None))
    weights = {"hub": "org/adapter", "commit": "c" * 40, "file": WEIGHTS}
    identity = {**facts.identity, "ip_adapter": {"scale": 1.0, "weights": weights}}
    job = Job.model_validate({"manifest": "m.txt", "output": "o", "models": {"mine": model.model_dump()}})
    found = find_pins(job, {"mine": type(facts)(**{**vars(facts), "identity": identity})})
    assert found == {"org/adapter@main": "c" * 40}
    pinned = pin(model, found).ip_adapter
    assert pinned is not None
    assert pinned["revision"] == "c" * 40
