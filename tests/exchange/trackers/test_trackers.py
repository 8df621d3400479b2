"""W&B offline and an MLflow file store: what was sent is read back from the disk."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from t2vbatch.analysis.highlights import choose, extreme
from t2vbatch.cli import app
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import Result, run_job
from t2vbatch.engines import engine_for
from t2vbatch.errors import RunError, UsageError
from t2vbatch.exchange.trackers import track
from t2vbatch.exchange.trackers.entry import entry_of, numbers
from t2vbatch.job import Tracker, load_job
from t2vbatch.media.video import decode
from t2vbatch.output.store import open_store
from tests.exchange.trackers.offline import OfflineRun, read_run

wandb = pytest.importorskip("wandb", reason="the extra is missing: pip install 't2vbatch[wandb]'")
mlflow = pytest.importorskip("mlflow", reason="the extra is missing: pip install 't2vbatch[mlflow]'")

SECRET = "sesame-open-9731"
HOSTILE = "a *red* ball <b>bounces</b>"
TRACKER = Tracker(project="films", name="nightly", videos=1)
STORES = {
    "WANDB_DIR": "wandb",
    "WANDB_DATA_DIR": "data",
    "WANDB_CACHE_DIR": "cache",
    "MLFLOW_TRACKING_URI": "ml",
}


def _job(folder: Path, **changes: Any) -> Path:
    rows = [HOSTILE, "a blue ball", "a lost ball [fault:raise]"]
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": prompt, "topic": n}) + "\n" for n, prompt in enumerate(rows))
    )
    model = {"pipeline": "t2vbatch.models.fake:FakeModel", "path": str(folder)}
    models = {"plain": model, "other+": model | {"call": {"num_frames": 6}, "revision": "${SESAME}"}}
    job: dict[str, Any] = {"manifest": "rows.jsonl", "output": "out", "models": models, "engine": "inline"}
    job |= {"metrics": ["motion"], "video": {"format": "png"}} | changes
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    return folder / "job.yaml"


def _run(job: Path) -> Result:
    return run_job(prepare(load_job(job)), engine_for)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run of two models, png videos and a failed row, and trackers that write beside it."""
    folder = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as environment:
        for name, place in STORES.items():
            environment.setenv(name, str(folder / place))
        environment.setenv("WANDB_MODE", "offline")
        environment.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        environment.setenv("SESAME", SECRET)
        yield Path(_run(_job(folder)).output)


@pytest.fixture(scope="module")
def in_wandb(output: Path) -> OfflineRun:
    """What W&B has of the run."""
    return read_run(Path(track(open_store(str(output)), "wandb", TRACKER)))


@pytest.fixture(scope="module")
def in_mlflow(output: Path) -> Any:
    """What MLflow has of the run, which it was sent twice."""
    for _ in range(2):
        track(open_store(str(output)), "mlflow", TRACKER)
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("films").experiment_id])
    return run


def _summary(output: Path) -> Any:
    return json.loads((output / "summary.json").read_text())


def test_wandb_has_the_summary_with_its_intervals(output: Path, in_wandb: OfflineRun) -> None:
    """W&B has means, intervals and counts to the last digit, and the name and project of the run."""
    assert (in_wandb.run.project, in_wandb.run.display_name) == ("films", "nightly")
    motion = _summary(output)["models"]["plain"]["scores"]["motion"]
    for name in ("mean", "low", "high", "n"):
        assert json.loads(in_wandb.summary[f"plain/motion/{name}"]) == motion[name]
    assert json.loads(in_wandb.summary["counts/failed"]) == 2
    assert json.loads(in_wandb.config["models"])["plain"]["dtype"] == "float32"


def test_wandb_has_every_sample(output: Path, in_wandb: OfflineRun) -> None:
    """W&B has a table with prompt, whole seed, score and the manifest's column, including failed samples."""
    (run,) = (output.parent / "wandb" / "wandb").glob("offline-run-*")
    table = json.loads((run / "files" / json.loads(in_wandb.history["samples/path"])).read_text())
    samples = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    results = pq.read_table(output / "results.parquet").to_pylist()
    assert [(row["prompt"], row["motion"], row["topic"], int(row["seed"])) for row in samples] == [
        (row["prompt"], row["motion"], row["topic"], row["seed"]) for row in results
    ]
    assert [row["status"] for row in samples].count("failed") == 2


def test_wandb_plays_the_same_prompts_of_each_model(output: Path, in_wandb: OfflineRun) -> None:
    """W&B has a panel per model, with playable videos under their unchanged prompts."""
    (run,) = (output.parent / "wandb" / "wandb").glob("offline-run-*")
    captions = []
    for model, frames in (("plain", 8), ("other+", 6)):
        (shown,) = json.loads(in_wandb.summary[f"videos/{model}/videos"])
        assert len(decode(run / "files" / shown["path"]).frames) == frames
        captions.append(shown["caption"].split(" \N{MIDDLE DOT} "))
    assert captions[0][0] == captions[1][0]
    assert [captions[0][1], captions[1][1]] == ["plain", "other+"]


def test_wandb_keeps_the_results_whole(in_wandb: OfflineRun) -> None:
    """However long the table is, the Parquet file has all of it."""
    kept = {
        artifact.type: [entry.path for entry in artifact.manifest.contents] for artifact in in_wandb.artifacts
    }
    assert sorted(kept["results"]) == ["job.yaml", "results.parquet", "summary.json"]


def test_mlflow_has_numbers_settings_and_no_run_twice(output: Path, in_mlflow: Any) -> None:
    """MLflow has metrics and parameters under allowed names; sending again updates the same run."""
    models = _summary(output)["models"]
    assert in_mlflow.info.run_name == "nightly"
    assert in_mlflow.data.metrics["other_/motion/low"] == models["other+"]["scores"]["motion"]["low"]
    assert in_mlflow.data.metrics["plain/counts/failed"] == 1
    assert in_mlflow.data.params["models.other_.call.num_frames"] == "6"
    assert in_mlflow.info.status == "FINISHED"


def test_mlflow_has_samples_videos_and_files(output: Path, in_mlflow: Any) -> None:
    """The table is read by MLflow's own function; a video decodes; its caption is text, not markup."""
    results = pq.read_table(output / "results.parquet")
    client, run = mlflow.MlflowClient(), in_mlflow.info
    table = client.load_table(run.experiment_id, "samples.json", [run.run_id])
    assert table["prompt"].tolist() == results["prompt"].to_pylist()
    assert [int(seed) for seed in table["seed"]] == results["seed"].to_pylist()
    files = {file.path for file in client.list_artifacts(run.run_id)}
    assert files == {"results.parquet", "summary.json", "job.yaml", "samples.json", "videos"}
    (video,) = client.list_artifacts(run.run_id, "videos/plain")
    local = client.download_artifacts(run.run_id, video.path)
    assert len(decode(Path(local)).frames) == 8
    note = in_mlflow.data.tags["mlflow.note.content"]
    assert video.path in note
    assert HOSTILE not in note


def test_trackers_without_settings_write_beside_the_output(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's small package works with no variable set; neither writes into the working directory."""
    for name in ("WANDB_DIR", "MLFLOW_TRACKING_URI", "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    place = track(open_store(str(output)), "mlflow", Tracker(project="plain"))
    assert place.startswith((output.parent / "mlruns").as_uri())
    assert track(open_store(str(output)), "wandb", TRACKER).startswith(str(output.parent / "wandb"))
    assert list(tmp_path.iterdir()) == []


def test_no_tracker_learns_a_secret(output: Path, in_wandb: OfflineRun, in_mlflow: Any) -> None:
    """The files of a tracker have the reference to an environment variable, and never its value."""
    files = [file for name in STORES.values() for file in (output.parent / name).rglob("*") if file.is_file()]
    assert len(files) > 20
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
    assert in_mlflow.data.params["models.other_.revision"] == "${SESAME}"


def test_a_notebook_keeps_its_own_run(output: Path) -> None:
    """Tracking beside a W&B run that is open in this process leaves that one open, and current."""
    with wandb.init(project="mine") as mine:
        track(open_store(str(output)), "wandb", TRACKER)
        assert wandb.run is mine
        mine.log({"still": 1})


def test_the_command_sends_what_the_job_or_the_options_name(output: Path) -> None:
    """--to, --project and --videos override the job; without any tracker the command is refused."""
    line = ["track", str(output), "--to", "mlflow", "--project", "typed", "--videos", "0"]
    done = CliRunner().invoke(app, line, catch_exceptions=False)
    assert done.exit_code == 0
    assert (Path(done.output.removeprefix("mlflow: ").strip()) / "samples.json").exists()
    assert mlflow.MlflowClient().get_experiment_by_name("typed") is not None
    with pytest.raises(UsageError, match="wandb or mlflow"):
        CliRunner().invoke(app, ["track", str(output)], catch_exceptions=False)


def test_a_run_sends_itself(output: Path, tmp_path: Path) -> None:
    """A job's tracker has the finished run, and the result says where."""
    result = _run(_job(tmp_path, trackers=["mlflow"]))
    assert result.summary.counts.ok == 4
    assert Path(result.tracked["mlflow"], "samples.json").exists()


def test_a_tracker_that_refuses_costs_a_warning(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The run is complete, and the message has the reason and the command to try again; the command fails."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://at-all")
    result = _run(_job(tmp_path, trackers={"mlflow": {"project": "films"}}))
    assert (result.summary.counts.ok, result.tracked) == (4, {})
    assert "nowhere" in caplog.text
    assert f"t2vbatch track {result.output} --to mlflow" in caplog.text
    with pytest.raises(RunError, match="to mlflow failed"):
        track(open_store(result.output), "mlflow", TRACKER)


def test_nobody_is_asked_for_a_key(output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Online and without an account, W&B is refused with what to do, and asks for no key."""
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", str(tmp_path))
    line = [sys.executable, "-m", "t2vbatch", "track", str(output), "--to", "wandb"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "WANDB_API_KEY" in done.stderr


def test_a_tracker_that_is_not_there_is_refused_beforehand(
    output: Path, tmp_path: Path, without: Callable[[str], None]
) -> None:
    """A missing package and an unknown tracker are refused before the run starts."""
    without("mlflow")
    with pytest.raises(UsageError, match=r"pip install 't2vbatch\[mlflow\]'"):
        _run(_job(tmp_path, trackers=["mlflow"]))
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="did you mean 'wandb'"):
        track(open_store(str(output)), "wanb", TRACKER)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes Python look as if a package were not installed."""
    return lambda name: monkeypatch.setattr(
        "t2vbatch.exchange.trackers.find_spec", lambda asked: asked != name or None
    )


def test_videos_to_show_are_the_same_prompts_for_every_model(output: Path) -> None:
    """The choice does not depend on the order of the results, and takes what has a video."""
    results = pq.read_table(output / "results.parquet")
    chosen = choose(results, 1)
    assert sorted(chosen["model"].to_pylist()) == ["other+", "plain"]
    assert len(set(chosen["row_id"].to_pylist())) == 1
    turned = choose(results.take(list(reversed(range(results.num_rows)))), 1)
    assert set(turned["sample_id"].to_pylist()) == set(chosen["sample_id"].to_pylist())
    assert choose(results, 9).num_rows == 4
    assert choose(results, 0).num_rows == 0


def test_best_and_worst_are_those_that_have_the_score(output: Path) -> None:
    """The first video of one order is the last of the other, among the videos with the score."""
    results = pq.read_table(output / "results.parquet")
    best, worst = (extreme(results, "motion", 4, largest)["motion"].to_pylist() for largest in (True, False))
    assert best == worst[::-1] == sorted(best, reverse=True)
    assert len(best) == 4


def test_a_video_that_is_gone_is_left_out(
    output: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A missing video is left out with a warning that names the file, and everything else is sent."""
    for name in ("results.parquet", "summary.json", "job.yaml", "plan.parquet"):
        (tmp_path / name).write_bytes((output / name).read_bytes())
    with entry_of(open_store(str(tmp_path)), TRACKER) as entry:
        assert (entry.videos, entry.samples.num_rows) == ((), 6)
    assert caplog.text.count("is left out") == 2


def test_every_number_of_a_summary_has_a_flat_name() -> None:
    """Numbers of any depth have their own flat names; counts of reasons are added up."""
    score = {"column": "m", "mean": 0.5, "low": None, "missing": {"a": 1, "b": 2}}
    model = {"counts": {"ok": 2}, "scores": {"m": score}}
    flat = numbers({"counts": {"ok": 3}, "models": {"x": model, "counts": model, "missing": model}})
    assert flat["counts/ok"] == 3
    for name in ("x", "counts", "missing"):
        found = {
            key: value for key, value in flat.items() if key.startswith(f"{name}/") and key != "counts/ok"
        }
        assert found == {f"{name}/counts/ok": 2, f"{name}/m/mean": 0.5, f"{name}/m/missing": 3}
