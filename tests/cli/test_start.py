"""``t2vbatch init`` and ``t2vbatch demo``: files that run, and that replace nothing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from t2vbatch.cli import app
from t2vbatch.commands.starter import BUNDLED, DEMO_PROMPTS, demo, starter, write
from t2vbatch.errors import UsageError
from t2vbatch.job import load_job

_ROOT = Path(__file__).parent.parent.parent


def test_init_writes_a_job_that_loads_and_its_prompts(tmp_path: Path) -> None:
    """The prompts are an example; the job names them, and `plan` accepts it."""
    job = tmp_path / "job.yaml"
    done = CliRunner().invoke(app, ["init", str(job), "--model", BUNDLED])
    assert done.exit_code == 0, done.output
    assert load_job(job).manifest == str(tmp_path / "prompts.txt")
    assert len((tmp_path / "prompts.txt").read_text().splitlines()) == 3
    planned = CliRunner().invoke(app, ["plan", str(job)], catch_exceptions=False)
    assert "3 samples, 3 to generate" in planned.stdout


def test_init_keeps_prompts_that_exist(tmp_path: Path) -> None:
    """A list of the user's own is used as it is."""
    (tmp_path / "mine.csv").write_text("prompt\na cat\n")
    write(starter(tmp_path / "job.yaml", "org/model", "mine.csv", "out"))
    assert (tmp_path / "mine.csv").read_text() == "prompt\na cat\n"
    assert list(load_job(tmp_path / "job.yaml").models) == ["model"]


def test_init_refuses_prompts_that_no_job_reads(tmp_path: Path) -> None:
    """A picture is refused before the job is written; a folder of pictures with how to list them."""
    picture = tmp_path / "pictures" / "a.PNG"
    picture.parent.mkdir()
    picture.touch()
    for prompts, said in ((picture, "'.png'"), (picture.parent, r"ls \*\.PNG")):
        with pytest.raises(UsageError, match=said):
            starter(tmp_path / "job.yaml", BUNDLED, str(prompts), "out")


def test_init_keeps_a_uri(tmp_path: Path) -> None:
    """A manifest on an object store stays a URI, and no example is written."""
    found = starter(tmp_path / "job.yaml", BUNDLED, "s3://bucket/rows.csv", "s3://bucket/out")
    assert list(found.files) == [tmp_path / "job.yaml"]
    assert "manifest: s3://bucket/rows.csv\n" in found.files[tmp_path / "job.yaml"]


def test_init_takes_paths_from_where_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job may be written into another folder; a local model stays a path and no Hub id."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("a cat\n")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "weights").mkdir()
    options = ["--model", "weights", "--prompts", "mine.txt", "--output", "runs/x"]
    done = CliRunner().invoke(app, ["init", "jobs/job.yaml", *options])
    assert done.exit_code == 0, done.output
    job = load_job("jobs/job.yaml")
    assert job.manifest == str(tmp_path / "mine.txt")
    assert job.output == str(tmp_path / "runs/x")
    assert job.models["weights"].path == str(tmp_path / "weights")


def test_init_replaces_nothing_without_force(tmp_path: Path) -> None:
    """A job that exists is refused by name; --force replaces it."""
    job = tmp_path / "job.yaml"
    job.write_text("mine")
    with pytest.raises(UsageError, match=r"job.yaml[\s\S]*exists"):
        CliRunner().invoke(app, ["init", str(job), "--model", BUNDLED], catch_exceptions=False)
    assert job.read_text() == "mine"
    CliRunner().invoke(app, ["init", str(job), "--model", BUNDLED, "--force"], catch_exceptions=False)
    assert load_job(job).models["shapes"].path == BUNDLED


def test_the_demo_is_the_quickstart(tmp_path: Path) -> None:
    """demo has the prompts, the model, the metrics and the number of samples of jobs/quickstart.yaml."""
    assert (_ROOT / "manifests/quickstart.csv").read_text() == DEMO_PROMPTS
    write(demo(tmp_path / "demo"))
    made, shipped = load_job(tmp_path / "demo/job.yaml"), load_job(_ROOT / "jobs/quickstart.yaml")
    for key in ("models", "metrics", "samples", "seed", "video"):
        assert getattr(made, key) == getattr(shipped, key)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """demo names the path if a file is in the place of its folder."""
    (tmp_path / "demo").write_text("in the way")
    with pytest.raises(UsageError, match=r"demo"):
        write(demo(tmp_path / "demo"))


def test_init_sees_prompts_beside_a_folder_that_it_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prompts exist although the path to them from the job's new folder does not yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("prompt\na cat\n")
    options = ["--model", BUNDLED, "--prompts", "mine.csv"]
    done = CliRunner().invoke(app, ["init", "new/job.yaml", *options])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "mine.csv").read_text() == "prompt\na cat\n"
    assert load_job("new/job.yaml").manifest == str(tmp_path / "mine.csv")


def test_init_writes_prompts_in_the_format_of_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Example prompts are a text or a CSV file; another format and an empty model are refused."""
    monkeypatch.chdir(tmp_path)
    call = ["init", "job.yaml", "--model", BUNDLED, "--prompts"]
    with pytest.raises(UsageError, match=r"no such file[\s\S]*\.csv"):
        CliRunner().invoke(app, [*call, "mine.parquet"], catch_exceptions=False)
    assert CliRunner().invoke(app, [*call, "mine.csv"]).exit_code == 0
    planned = CliRunner().invoke(app, ["plan", "job.yaml"], catch_exceptions=False)
    assert "3 samples, 3 to generate" in planned.stdout
    with pytest.raises(UsageError, match="--model"):
        CliRunner().invoke(app, ["init", "other.yaml", "--model", ""], catch_exceptions=False)


@pytest.mark.parametrize("mine", [b"prompt\na caf\xe9\n", b"prompt\na cat\n"])
def test_a_demo_replaces_no_file_of_the_user(tmp_path: Path, mine: bytes) -> None:
    """demo keeps a file with other content, in whatever encoding it is."""
    (tmp_path / "prompts.csv").write_bytes(mine)
    done = CliRunner().invoke(app, ["demo", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert (tmp_path / "prompts.csv").read_bytes() == mine
