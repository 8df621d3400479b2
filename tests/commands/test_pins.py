"""Pins: a revision of a repository means one commit, whatever it means now, until models are updated."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from huggingface_hub import constants
from safetensors.numpy import save_file

from t2vbatch.analysis.distance.spec import distance_specs
from t2vbatch.commands.prepare import Prepared, prepare
from t2vbatch.commands.run import run_job
from t2vbatch.commands.score import score_output
from t2vbatch.engines import engine_for
from t2vbatch.job import load_job
from t2vbatch.metrics.identity import score_identities
from t2vbatch.metrics.scorer import load_metrics
from t2vbatch.models.shapes import CLIP, PIPELINE
from t2vbatch.output.store import open_store

OLD, NEW = "a" * 40, "b" * 40
FAKE = {"path": "x", "pipeline": "t2vbatch.models.fake:FakeModel"}


class Hub:
    """A Hub whose repositories are in the client's cache; ``main`` moves as on the real one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, repository: str, content: Path, commit: str = OLD, **changed: Any) -> None:
        """Give a repository a new commit, and let ``main`` mean it; ``changed``: keys of config.json."""
        place = self._folder / f"models--{repository.replace('/', '--')}"
        snapshot = place / "snapshots" / commit
        for file in content.rglob("*"):
            if file.is_file():
                copy = snapshot / file.relative_to(content)
                copy.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, copy) if not changed or file.name != "config.json" else copy.write_text(
                    json.dumps(json.loads(file.read_bytes()) | changed)
                )
        (place / "refs").mkdir(exist_ok=True)
        (place / "refs/main").write_text(commit)

    def move(self, repository: str) -> None:
        """Let ``main`` mean a commit of which no file is here, so that reading it fails."""
        (self._folder / f"models--{repository.replace('/', '--')}" / "refs/main").write_text(NEW)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A forged Hub without repositories, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return Hub(tmp_path / "hub")


def _prepared(folder: Path, update_models: bool = False, **changes: Any) -> Prepared:
    (folder / "rows.csv").write_text("id,prompt\na,red ball\nb,blue ball\n")
    job = {"manifest": "rows.csv", "output": "out", "engine": "inline", "metrics": [], "models": {"m": FAKE}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job | changes))
    return prepare(load_job(folder / "job.yaml"), update_models)


def _pins(folder: Path) -> dict[str, str]:
    return open_store(str(folder / "out")).read_job().pins


def test_every_part_of_a_model_is_pinned(hub: Hub, tmp_path: Path) -> None:
    """A folder, a component, a single file and its config: the second plan has the same commits."""
    for name in ("org/folder", "org/part", "org/file", "org/config"):
        hub.add(name, PIPELINE)
    weights = "org/file/transformer/diffusion_pytorch_model.safetensors"
    component = {"class": "WanTransformer3DModel", "path": weights, "config": "org/config"}
    vae = {"class": "AutoencoderKLWan", "path": "org/part", "subfolder": "vae"}
    model = {"path": "org/folder", "components": {"transformer": component, "vae": vae}}
    first = _prepared(tmp_path, models={"m": model})
    expected = {f"org/{name}@main": OLD for name in ("folder", "part", "file", "config")}
    assert first.job.pins == expected
    with open_store(first.job.output).lease() as store:
        store.write_job(first.job)
    for name in ("org/folder", "org/part", "org/file", "org/config"):
        hub.move(name)
    second = _prepared(tmp_path, models={"m": model})
    assert second.plan.table["sample_id"].equals(first.plan.table["sample_id"])
    assert second.job.pins == expected


@pytest.mark.parametrize("path", ["org/lora", "org/lora/pytorch_lora_weights.safetensors"])
def test_a_lora_is_pinned(hub: Hub, tmp_path: Path, path: str) -> None:
    """A folder or a file of a repository: the second plan names the commit of the first one."""
    (tmp_path / "lora").mkdir()
    save_file({"a": np.zeros(1)}, tmp_path / "lora/pytorch_lora_weights.safetensors")
    hub.add("org/lora", tmp_path / "lora")
    models = {"m": {"path": str(PIPELINE), "loras": [{"path": path}]}}
    first = _prepared(tmp_path, models=models)
    assert first.job.pins["org/lora@main"] == OLD
    with open_store(first.job.output).lease() as store:
        store.write_job(first.job)
    hub.move("org/lora")
    second = _prepared(tmp_path, models=models)
    assert second.job.pins == first.job.pins
    assert second.plan.table["sample_id"].equals(first.plan.table["sample_id"])
    assert second.facts["m"].identity["loras"][0]["weights"]["commit"] == OLD


def test_scores_stay_with_the_old_weights(hub: Hub, tmp_path: Path) -> None:
    """When ``main`` of the scorer moves, nothing is generated, and runs and ``score`` load the old commit."""
    hub.add("org/clip", CLIP)
    asked: dict[str, Any] = {"metrics": ["clip_temporal"], "clip": {"path": "org/clip"}}
    first = run_job(_prepared(tmp_path, **asked), engine_for)
    assert first.made == 2
    assert _pins(tmp_path) == {"org/clip@main": OLD}
    hub.move("org/clip")
    again = _prepared(tmp_path, **asked)
    assert run_job(again, engine_for).made == 0
    before = score_identities(again.job)
    found = score_output(str(tmp_path / "out"), {"clip_temporal": {}}, engine_for, renew=True)
    assert found.scored == 2
    assert found.summary.models[0].scores == first.summary.models[0].scores
    assert load_metrics(again.job).metrics
    hub.add("org/clip", CLIP, NEW, projection_dim=512)
    updated = _prepared(tmp_path, update_models=True, **asked)
    assert updated.job.pins == {"org/clip@main": NEW}
    assert score_identities(updated.job) != before


def test_a_metric_that_score_adds_is_pinned(hub: Hub, tmp_path: Path) -> None:
    """The commit is in the job of the output, where the next run finds it."""
    hub.add("org/clip", CLIP)
    run_job(_prepared(tmp_path), engine_for)
    assert _pins(tmp_path) == {}
    score_output(str(tmp_path / "out"), {"clip_score": {"path": "org/clip"}}, engine_for)
    assert _pins(tmp_path) == {"org/clip@main": OLD}


def test_the_backbone_of_a_distance_is_pinned(hub: Hub, tmp_path: Path) -> None:
    """The specification of a distance, and the weights that its workers load, name the old commit."""
    hub.add("org/clip", CLIP)
    for name in ("1.mp4", "2.mp4"):
        (tmp_path / "reference").mkdir(exist_ok=True)
        (tmp_path / "reference" / name).write_bytes(b"x")
    distance = {"kind": "fid", "backbone": "org/clip", "reference": str(tmp_path / "reference")}
    first = _prepared(tmp_path, distances={"d": distance})
    [before] = distance_specs(first.job)
    assert (first.job.pins, before.weights.revision) == ({"org/clip@main": OLD}, OLD)
    hub.move("org/clip")
    [after] = distance_specs(first.job)
    assert (after.identity, after.weights) == (before.identity, before.weights)
