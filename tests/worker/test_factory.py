"""The factory of a worker: which errors of loading are permanent."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from t2vbatch.errors import ModelError, NodeError
from t2vbatch.job import Job
from t2vbatch.models import inspect_model
from t2vbatch.output.store import Store
from t2vbatch.worker.factory import WorkerFactory
from tests.models import tiny


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pipeline in diffusers' layout."""
    return Path(tiny.save("TextToVideoSDPipeline", tmp_path_factory.mktemp("model") / "tiny"))


def _factory(folder: Path, path: str) -> WorkerFactory:
    models = {"m": {"path": path}}
    job = Job.model_validate({"manifest": "m", "output": str(folder), "metrics": [], "models": models})
    return WorkerFactory(job, "m", inspect_model("m", job.models["m"]), Store(str(folder)))


def test_a_broken_model_folder_is_refused_at_once(saved: Path, tmp_path: Path) -> None:
    """An unreadable config of a local folder is an error of the job, which is not retried ten times."""
    broken = tmp_path / "broken"
    shutil.copytree(saved, broken)
    (broken / "unet/config.json").write_text("{")
    factory = _factory(tmp_path, str(broken))
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        factory("m-1", "cpu")
    assert caught.value.where == "models.m.path"


def test_a_failed_read_may_succeed_the_next_time(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error with a number comes from the system, as that of a network disk, and is retried."""
    factory = _factory(tmp_path, str(saved))

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("t2vbatch.worker.start.load_model", fail)
    with pytest.raises(OSError, match="Input/output error"):
        factory("m-1", "cpu")


def test_too_little_memory_is_the_nodes_failure(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose memory is smaller than the weights is left out, and the message names the model's
    key."""
    factory = _factory(tmp_path, str(saved))
    memory = SimpleNamespace(total=2000, available=1000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    with pytest.raises(NodeError, match=r"^models\.m\.memory: "):
        factory("m-1", "cpu")
