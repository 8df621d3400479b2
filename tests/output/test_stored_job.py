"""The job.yaml of an output that another version of the program wrote."""

import logging
from pathlib import Path

import pytest
import yaml

from t2vbatch.commands.prepare import prepare
from t2vbatch.errors import UsageError
from t2vbatch.job import Job, dump_job
from t2vbatch.output.store import Store

_MODEL = {"path": "x", "pipeline": "t2vbatch.models.fake:FakeModel", "fps": 5}


def _job(folder: Path) -> Job:
    (folder / "rows.csv").write_text("prompt\na fox\n")
    places = {"manifest": str(folder / "rows.csv"), "output": str(folder / "out")}
    return Job.model_validate({**places, "models": {"m": _MODEL}, "metrics": []})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An output whose job has keys that this version does not know, beside keys that it knows."""
    written = yaml.safe_load(dump_job(_job(tmp_path)))
    written["sweep"] = {"steps": [1, 2]}
    written["models"]["m"]["warmup"] = 3
    written["video"] |= {"crf": 30, "tune": "film"}
    written["pins"] = {"some/repository@main": "a" * 40}
    (tmp_path / "out").mkdir()
    (tmp_path / "out/lease.json").write_text("{}")
    (tmp_path / "out/job.yaml").write_text(yaml.safe_dump(written))
    return Store(str(tmp_path / "out"))


def test_a_command_that_only_reads_ignores_unknown_keys(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """The job without its unknown keys keeps every key beside them, and a warning names the unknown ones."""
    with caplog.at_level(logging.WARNING):
        job = store.read_known_job()
    assert (job.models["m"].fps, job.video.crf, job.output) == (5, 30, store.uri)
    assert [key for key in ("sweep", "models.m.warmup", "video.tune") if key not in caplog.text] == []


def test_a_command_that_generates_refuses_unknown_keys(store: Store) -> None:
    """A key that might decide pixels is not ignored: the message says that the run writes the file again."""
    with pytest.raises(UsageError, match=r"models\.m\.warmup") as error:
        store.read_job()
    assert "run the job again" in str(error.value)


def test_a_run_keeps_the_pins_beside_unknown_keys(store: Store, tmp_path: Path) -> None:
    """A job.yaml with unknown keys still says which commits the next run uses."""
    assert prepare(_job(tmp_path)).job.pins == {"some/repository@main": "a" * 40}


def test_an_unset_variable_keeps_its_own_advice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message about an environment variable of an output's job says how to set it."""
    monkeypatch.delenv("OF_THE_JOB", raising=False)
    file = Path(store.uri) / "job.yaml"
    file.write_text(file.read_text().replace("path: x", "path: ${OF_THE_JOB}"))
    with pytest.raises(UsageError, match="export OF_THE_JOB"):
        store.read_known_job()
