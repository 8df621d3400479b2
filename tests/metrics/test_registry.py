"""The metrics of a job: valid options, and MetricErrors before any network is loaded."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from t2vbatch.errors import MetricError
from t2vbatch.job import Clip, Job, Model
from t2vbatch.metrics import METRICS, check_metrics, job_clip, job_metrics, metric_columns
from t2vbatch.metrics.identity import score_identities
from t2vbatch.metrics.registry import known_columns


def job(
    clip: Path | str | None, metrics: Any = ("clip_score", "clip_temporal"), model: str = "org/model"
) -> Job:
    """A job with all keys that metrics read."""
    return Job(
        manifest="m.jsonl",
        output="out",
        models={"a": Model(path=model)},
        metrics=metrics,
        clip=None if clip is None else Clip(path=str(clip)),
    )


def test_a_job_gets_its_columns_in_order(tiny_clip: Path) -> None:
    """The results have the columns of the metrics, in the order of the job."""
    asked = job(tiny_clip, ["clip_temporal", {"clip_score": {"frames": 4}}])
    check_metrics(asked)
    assert metric_columns(asked) == ("clip_temporal", "clip_score", "clip_score_min")
    assert job_metrics(asked)["clip_score"].weights[0].path == str(tiny_clip)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["clip_scor"], "clip_score"),
        ([{"clip_score": {"frame": 4}}], "did you mean 'frames'"),
        (["FVD"], "did you mean 'fvd'"),
        ([{"clip_score": {"frames": 0}}], "a whole number of at least 1"),
        ([{"clip_score": {"frames": "8"}}], "the text '8'"),
        (["aesthetic"], "file of the linear head"),
        ([{"clip_score": {"long_text": "cut"}}], "truncate or chunk_mean"),
    ],
)
def test_a_wrong_metric_is_rejected(tiny_clip: Path, metrics: Any, message: str) -> None:
    """An unknown metric, option or value gives one MetricError with the allowed values."""
    with pytest.raises(MetricError, match=message):
        check_metrics(job(tiny_clip, metrics))


def test_a_missing_head_is_rejected(tiny_clip: Path) -> None:
    """A missing file of a linear head is an error before any network is loaded."""
    with pytest.raises(MetricError, match=r"nowhere\.pth"):
        check_metrics(job(None, [{"aesthetic": {"head": "nowhere.pth", "path": str(tiny_clip)}}]))


def test_weights_of_another_kind_are_rejected(tmp_path: Path) -> None:
    """A folder with another model than CLIP is rejected by its config.json."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(MetricError, match="t5"):
        check_metrics(job(tmp_path))


def test_an_absolute_path_is_never_looked_up_on_the_hub(tmp_path: Path) -> None:
    """An absolute path is local, even if it does not exist."""
    with pytest.raises(MetricError, match=r"a folder without a config\.json"):
        check_metrics(job(tmp_path / "nowhere"))


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_a_folder_without_a_model_is_rejected(tmp_path: Path, content: str | None) -> None:
    """A folder without a valid config.json is an error before any network is loaded."""
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(MetricError, match=str(tmp_path)):
        check_metrics(job(tmp_path))


def test_an_unreachable_hub_id_is_rejected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without network access and a cached copy, the error says that the Hub cannot be reached."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MetricError, match="cannot be reached"):
        check_metrics(job("openai/clip-vit-base-patch32"))


def test_bundled_models_are_scored_by_the_bundled_clip() -> None:
    """Only a job with nothing but bundled models uses the bundled CLIP, which was trained on their videos
    alone.
    """
    assert job_clip(job(None, model="bundled:shapes")).path == "bundled:shapes"
    mixed = job(None, model="bundled:shapes")
    mixed = mixed.model_copy(update={"models": {**mixed.models, "b": Model(path="org/model")}})
    assert job_clip(mixed).path == "openai/clip-vit-large-patch14"


def test_the_identity_depends_on_content_and_options_not_on_paths(tiny_clip: Path, tmp_path: Path) -> None:
    """Moving weights keeps the scorer's identity; other options or other bytes change it."""
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in tiny_clip.iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    identity = score_identities(job(tiny_clip))
    assert score_identities(job(moved)) == identity
    assert score_identities(job(tiny_clip, [{"clip_score": {"frames": 4}}, "clip_temporal"])) != identity
    (moved / "model.safetensors").write_bytes(b"")
    assert score_identities(job(moved)) != identity


def test_a_metric_of_another_package_is_known_by_its_entry_point(tmp_path: Path) -> None:
    """A metric of an installed package is found by its entry point and receives its options."""
    (tmp_path / "brightness.py").write_text(
        "from dataclasses import dataclass\n"
        "from t2vbatch.metrics import Column\n"
        "@dataclass(frozen=True)\n"
        "class Brightness:\n"
        "    scale: float = 1.0\n"
        "    columns = {'brightness': Column(None, 0, 255)}\n"
        "    weights = ()\n"
        "    def score(self, evidence):\n"
        "        return {'brightness': float(self.scale * evidence.video.frames.mean())}\n"
    )
    info = tmp_path / "brightness-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brightness\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[t2vbatch.metrics]\nbrightness = brightness:Brightness\n")
    program = (
        "import numpy as np\n"
        "from t2vbatch.job import Clip\n"
        "from t2vbatch.metrics.registry import build_metric\n"
        "from t2vbatch.metrics import Evidence\n"
        "from t2vbatch.media.video import Video\n"
        "metric = build_metric('brightness', {'scale': 2.0}, Clip(path='unused'))\n"
        "video = Video(np.full((2, 4, 4, 3), 100, np.uint8), 8)\n"
        "print(metric.score(Evidence(video)))\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{Path.cwd()}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "{'brightness': 200.0}", done.stderr


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_documented(name: str) -> None:
    """Each docstring has definition, source, range, direction, cost and weights; each option has a
    description.
    """
    kind: Any = METRICS[name]
    for heading in ("Definition:", "Source:", "Range:", "Direction:", "Cost:", "Weights:"):
        assert heading in kind.__doc__
    assert all(field.description for field in kind.model_fields.values())


def test_directions_are_known_without_and_with_a_job(tiny_clip: Path) -> None:
    """Columns of metrics, of VBench and of a job's yields have their direction; options of the job count."""
    plain = known_columns()
    assert (plain["clip_score"].better, plain["vbench_color"].better) == ("higher", "higher")
    assert plain["sharpness"].by_size
    yields = {"command": ["true"], "yields": {"myerr": "lower"}}
    asked = known_columns([job(tiny_clip, [{"sharpness": {"height": 64}}, {"error": yields}])])
    assert not asked["sharpness"].by_size
    assert asked["myerr"].better == "lower"
