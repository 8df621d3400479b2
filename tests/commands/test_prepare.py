"""All problems of a job are reported together, each with its line in the job file."""

import json
from pathlib import Path

import pytest

from t2vbatch.commands.prepare import prepare, prepare_file
from t2vbatch.errors import CombinedJobError, JobError, ManifestError, ModelError
from t2vbatch.job import load_job

_JOB = """
manifest: row.csv
output: out
metrics: [flickr, {clip_score: {frames: 0}}]
models:
  fake:
    path: x
    pipeline: t2vbatch.models.fake:FakeModel
    call: {num_frame: 3, hight: 64, width: 64}
  folder:
    path: weights
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text("id,prompt\na,one\n")
    (tmp_path / "weights").mkdir()
    (tmp_path / "job.yaml").write_text(_JOB)
    return tmp_path


def test_everything_that_a_job_names_is_looked_at(folder: Path) -> None:
    """One message has all six problems of a job: manifest, metrics, arguments and a missing folder."""
    job = folder / "job.yaml"
    with pytest.raises(CombinedJobError) as caught:
        prepare(load_job(job))
    assert [error.where.removeprefix(str(job)) for error in caught.value.errors] == [
        ":2:1: manifest",
        ":4:1: metrics.flickr",
        ":4:33: metrics.clip_score.frames",
        ":9:12: models.fake.call.num_frame",
        ":9:26: models.fake.call.hight",
        ":11:5: models.folder.path",
    ]
    said = str(caught.value)
    assert all(name in said for name in ("'rows.csv'", "'flicker'", "'num_frames'", "'height'"))
    assert not (folder / "out").exists()


def test_problems_of_the_file_and_of_the_checks_are_one_message(folder: Path) -> None:
    """Wrong keys do not hide a missing manifest, metric, argument or folder, nor cause further problems."""
    text = _JOB.replace("output: out", "output: job.yaml") + "sampels: 2\nvideo: {crf: 99}\n"
    text = text.replace("path: x\n", "path: x\n    fps: fast\n").replace(
        "    path: weights", "    pth: weights"
    )
    job = folder / "job.yaml"
    job.write_text(text)
    with pytest.raises(CombinedJobError) as caught:
        prepare_file(job, ["seed=x", "workers.cpus"])
    assert [error.where.removeprefix(str(job)) for error in caught.value.errors] == [
        ":2:1: manifest",
        ":3:1: output",
        ":4:1: metrics.flickr",
        ":4:33: metrics.clip_score.frames",
        ":8:5: models.fake.fps",
        ":10:12: models.fake.call.num_frame",
        ":10:26: models.fake.call.hight",
        ":12:5: models.folder.pth",
        ":13:1: sampels",
        ":14:9: video.crf",
        "--set workers.cpus",
        "--set seed=x",
    ]


def test_bad_rows_do_not_wait_for_other_problems(folder: Path) -> None:
    """A wrong metric and a row with a wrong call argument are reported together."""
    (folder / "rows.csv").write_text("id,prompt,num_frames\na,one,lots\n")
    sets = ["metrics=[flickr]", "models={fake: {path: x, pipeline: 't2vbatch.models.fake:FakeModel'}}"]
    with pytest.raises(CombinedJobError) as caught:
        prepare_file(folder / "job.yaml", [*sets, "manifest=" + str(folder / "rows.csv")])
    metric, row = caught.value.errors
    assert metric.where == "--set metrics=[flickr]: metrics.flickr"
    assert isinstance(row, ManifestError)
    assert row.problems[0].column == "num_frames"


def test_missing_weights_of_a_metric_are_a_problem_of_its_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the line of the metric, or of the CLIP that it takes, and names the weights."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    (folder / "row.csv").write_text("id,prompt\na,one\n")
    (folder / "job.yaml").write_text(
        _JOB.split("metrics")[0]
        + "metrics: [pickscore, clip_score]\nclip: {path: no/clip}\n"
        + "models: {fake: {path: x, pipeline: 't2vbatch.models.fake:FakeModel'}}\n"
    )
    with pytest.raises(CombinedJobError) as caught:
        prepare_file(folder / "job.yaml")
    found = {one.where.removeprefix(str(folder / "job.yaml")): one.found for one in caught.value.errors}
    assert list(found) == [":4:1: metrics.pickscore", ":5:8: clip.path"]
    assert "'no/clip'" in found[":5:8: clip.path"]


def test_one_problem_is_an_error_of_its_own_class(folder: Path) -> None:
    """A single problem has its own class, with file and line of the job, or with the option that set it."""
    (folder / "row.csv").write_text("id,prompt\na,one\n")
    sets = ["metrics=[]", "models={fake: {path: x, pipeline: 't2vbatch.models.fake:FakeModel'}}"]
    with pytest.raises(ModelError) as caught:
        prepare(load_job(folder / "job.yaml", [*sets, "models.fake.call.hight=64"]))
    assert caught.value.where == "--set models.fake.call.hight=64"
    prepare(load_job(folder / "job.yaml", sets))


def test_an_output_that_is_a_file_is_refused(folder: Path) -> None:
    """An output path that is a file is the only problem of an otherwise valid job."""
    (folder / "out").touch()
    (folder / "row.csv").write_text("id,prompt\na,one\n")
    sets = ["metrics=[]", "models={fake: {path: x, pipeline: 't2vbatch.models.fake:FakeModel'}}"]
    with pytest.raises(JobError, match="which is a file") as caught:
        prepare(load_job(folder / "job.yaml", sets))
    assert caught.value.where == f"{folder / 'job.yaml'}:3:1: output"


@pytest.mark.parametrize("name", ["job.yaml", "metadata.parquet", "results.parquet"])
def test_no_run_replaces_files_that_no_run_wrote(tmp_path: Path, name: str) -> None:
    """An output folder that holds the job file or another file of the user is refused."""
    (tmp_path / "row.csv").write_text("id,prompt\na,one\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text(_JOB)
    (tmp_path / "job.yaml").write_text(_JOB)
    sets = ["metrics=[]", "models={fake: {path: x, pipeline: 't2vbatch.models.fake:FakeModel'}}"]
    with pytest.raises(JobError, match=f"no run wrote: {name}"):
        prepare(load_job(tmp_path / "job.yaml", [*sets, f"output={tmp_path}/mine"]))
    (tmp_path / "mine" / "lease.json").write_text("{}")
    prepare(load_job(tmp_path / "job.yaml", [*sets, f"output={tmp_path}/mine"]))


def test_a_home_that_nobody_has_is_a_name(tmp_path: Path) -> None:
    """A path that begins with ~ and an unknown user is a folder of that name."""
    (tmp_path / "job.yaml").write_text(_JOB.replace("output: out", "output: ~no-such-user"))
    assert load_job(tmp_path / "job.yaml").output == str(tmp_path / "~no-such-user")


@pytest.mark.parametrize("output", ["o\0", "http://host/x", "s3://", "ftp://host/x"])
def test_an_output_that_is_no_place(tmp_path: Path, output: str) -> None:
    """A path with NUL and a URI that is not a folder are problems of the job."""
    (tmp_path / "row.csv").write_text("id,prompt\na,one\n")
    models = {"fake": {"path": "x", "pipeline": "t2vbatch.models.fake:FakeModel"}}
    job = {"manifest": "row.csv", "output": output, "metrics": [], "models": models}
    (tmp_path / "job.yaml").write_text(json.dumps(job))
    with pytest.raises(JobError, match="output"):
        prepare(load_job(tmp_path / "job.yaml"))


@pytest.mark.parametrize(
    "key", ["limits.media_decode_s", "workers.timeout_s", "budget.gpu_hours", "models.fake.fps"]
)
@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "1e-300", "-1"])
def test_numbers_without_a_meaning_are_refused(folder: Path, key: str, value: str) -> None:
    """Infinity, NaN and negative numbers are refused as limits; a rate has a least value."""
    sets = ["models={fake: {path: x, pipeline: 't2vbatch.models.fake:FakeModel'}}", f"{key}={value}"]
    if value == "1e-300" and not key.endswith("fps"):
        assert load_job(folder / "job.yaml", sets)
        return
    with pytest.raises(JobError, match="expected: a number"):
        load_job(folder / "job.yaml", sets)
