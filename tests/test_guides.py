"""The guides in docs/guides: their files are taken from the page and used as a reader would use them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
from diffusers import WanBlocks

from t2vbatch.job import Clip, Model, load_job
from t2vbatch.media.video import Video
from t2vbatch.metrics import registry
from t2vbatch.metrics.protocol import Evidence
from t2vbatch.models import inspect_model, load_model
from t2vbatch.models.protocol import Request
from t2vbatch.output.store import open_store
from tests.models import tiny

_GUIDES = Path(__file__).parent.parent / "docs/guides"
_BIN = Path(sys.executable).parent


def _files(guide: str, folder: Path) -> None:
    """Write each block that begins with ``# NAME``, also below ``#!``, and run each line of printf."""
    page = (_GUIDES / guide).read_text()
    block = r"^ *```\w+\n((?:#!.*?\n)? *# ([\w.]+)\n.*?)^ *```"
    for text, name in re.findall(block, page, re.M | re.S):
        (folder / name).write_text(dedent(text))
    for line in re.findall(r"^printf .*$", page, re.M):
        subprocess.run(["bash", "-c", line], cwd=folder, check=True)


def _run(folder: Path, *arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a program with this environment's commands on the PATH."""
    path = f"{_BIN}:{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(arguments, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def _job(folder: Path, text: str = "one\ntwo\n") -> Path:
    """A job of the fake model in one process."""
    (folder / "prompts.txt").write_text(text)
    model = '{path: x, pipeline: "t2vbatch.models.fake:FakeModel"}'
    keys = "manifest: prompts.txt\noutput: output\nengine: inline\nmetrics: [motion]\n"
    (folder / "job.yaml").write_text(f"{keys}models:\n  fake: {model}\n")
    return folder / "job.yaml"


def test_the_program_of_a_metric(tmp_path: Path) -> None:
    """The run has the column, with a value for each video."""
    _files("own-metric.md", tmp_path)
    done = _run(tmp_path, "t2vbatch", "run", "job.yaml")
    assert done.returncode == 0, done.stderr
    scores = open_store(str(tmp_path / "output")).read_table("results.parquet")["brightness"].to_pylist()
    assert len(scores) == 2
    assert all(0 < score < 1 for score in scores)


def test_the_class_of_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found by its entry point, checked as any metric, and scores a red frame with 1."""
    _files("own-metric.md", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint("saturation", "saturation:Saturation", "t2vbatch.metrics")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
    metric = registry.build_metric("saturation", {}, Clip(path="unused"))
    red = np.zeros((2, 8, 8, 3), np.uint8)
    red[..., 0] = 200
    assert metric.score(Evidence(Video(red, 8.0))) == {"saturation": 1.0}


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    """Its videos are generated, and generating two of them again gives the same bytes."""
    _files("own-model.md", tmp_path)
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    done = _run(tmp_path, "t2vbatch", "run", "job.yaml", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    results = open_store(str(tmp_path / "output")).read_table("results.parquet")
    assert results["num_frames"].to_pylist() == [12] * 4
    again = _run(tmp_path, "t2vbatch", "verify", "output", "--deep", "2", "--allow-code", PYTHONPATH=path)
    assert "2 generated again with the same bytes; 0 problems" in again.stdout, again.stdout + again.stderr


def test_a_modular_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-in of the guide makes the frames of the modular pipeline, and guidance changes them."""
    _files("own-model.md", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    folder = tiny.save("WanPipeline:plain", tmp_path / "weights")
    call = {"num_frames": 5, "height": 16, "width": 16, "num_inference_steps": 2}
    spec = Model(path=str(folder), pipeline="modular:Modular", dtype="float32", call=call)
    facts = inspect_model("mine", spec)
    model = load_model(spec, facts, "cpu")
    calls = [{**facts.call, **call, "guidance_scale": scale} for scale in (5.0, 1.5)]
    strong, weak = (model.generate([Request("a ball", None, 3, call=one)])[0] for one in calls)

    pipeline = WanBlocks().init_pipeline(str(folder))
    pipeline.load_components(dtype=torch.float32)
    generator = torch.Generator("cpu").manual_seed(3)
    frames = pipeline(prompt="a ball", generator=generator, output="videos", output_type="np", **call)[0]
    assert (strong.frames == (frames * 255).round().astype(np.uint8)).all()
    assert strong.fps == 16.0
    assert (strong.frames != weak.frames).any()


def test_the_job_for_eight_gpus_is_valid(tmp_path: Path) -> None:
    """The job of the guide is valid."""
    _files("wan-8-gpus.md", tmp_path)
    job = load_job(tmp_path / "wan22.yaml")
    assert (job.workers.count, job.workers.gpus) == (8, 1)


def test_a_killed_run_is_continued(tmp_path: Path) -> None:
    """Status shows it, the same command keeps the finished videos, and verify finds no problem."""
    job = _job(tmp_path, "".join(f"slow {n} [fault:slow]\n" for n in range(6)))
    job.write_text(job.read_text().replace("path: x,", "path: x, call: {fault_seconds: 3},"))
    output = tmp_path / "output"
    process = subprocess.Popen(
        [_BIN / "t2vbatch", "run", "job.yaml"], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    while not list(output.glob("records/*/*")) and not list(output.glob("records/**/*.json")):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    status = json.loads(_run(tmp_path, "t2vbatch", "status", "output", "--json").stdout)
    assert status["writer"] is None
    assert status["pending"] > 0
    done = _run(tmp_path, "t2vbatch", "run", "job.yaml", "--json")
    assert json.loads(done.stdout)["made"] <= 6 - status["ok"]
    assert _run(tmp_path, "t2vbatch", "verify", "output").stdout == "6 videos as recorded; 0 problems\n"


def test_the_nightly_script_alerts_on_failures_only(tmp_path: Path) -> None:
    """It is silent after a good run; after a bad one the alert has the reason."""
    _files("every-night.md", tmp_path)
    _job(tmp_path)
    (tmp_path / "alert.sh").write_text('printf "%s" "$1" > alert.txt\n')
    call = ("bash", "nightly.sh", "job.yaml", str(tmp_path / "output"), "bash", "alert.sh")
    assert _run(tmp_path, *call).returncode == 0
    assert not (tmp_path / "alert.txt").exists()
    _job(tmp_path, "one\nbad [fault:raise]\n")
    assert _run(tmp_path, *call).returncode == 3
    alert = (tmp_path / "alert.txt").read_text()
    assert "1 sample of fake: RowError" in alert


def test_the_code_that_reads_results(tmp_path: Path) -> None:
    """pandas, pyarrow and the arithmetic of costs print their tables."""
    _job(tmp_path)
    assert _run(tmp_path, "t2vbatch", "run", "job.yaml").returncode == 0
    sets = ("--set", "budget.cost_per_gpu_hour=2.5")
    estimated = _run(tmp_path, "t2vbatch", "plan", "job.yaml", "--estimate", *sets)
    assert estimated.returncode == 0, estimated.stderr
    _files("results.md", tmp_path)
    _files("cost.md", tmp_path)
    for name in ("read_pandas.py", "read_arrow.py", "cost.py"):
        done = _run(tmp_path, sys.executable, name)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
    assert "GPU hours" in done.stdout


def test_a_run_on_s3(tmp_path: Path, s3: str) -> None:
    """The commands of the guide run with manifest and output on S3."""
    job = _job(tmp_path)
    store = open_store(f"{s3}/in")
    store.folder.write("prompts.txt", b"one\ntwo\n")
    sets = ("--set", f"manifest={s3}/in/prompts.txt", "--set", f"output={s3}/runs/x")
    done = _run(tmp_path, "t2vbatch", "run", job, *sets)
    assert done.returncode == 0, done.stderr
    assert "ok 2" in _run(tmp_path, "t2vbatch", "status", f"{s3}/runs/x").stdout
    assert "0 of 2 samples" in _run(tmp_path, "t2vbatch", "failures", f"{s3}/runs/x").stdout


@pytest.mark.parametrize("page", sorted(_GUIDES.glob("*.md")), ids=lambda page: page.name)
def test_a_guide_is_in_the_index(page: Path) -> None:
    """Each guide has a line that says how it was tested."""
    assert page.name == "README.md" or f"]({page.name})" in (_GUIDES / "README.md").read_text()
