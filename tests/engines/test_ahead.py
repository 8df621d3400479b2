"""A Ray that starts before an engine needs it: taken over, or left without a trace."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import ray

from t2vbatch.engines.ahead import Ahead
from t2vbatch.errors import JobError
from tests.engines.jobs import make_job, run

_ABANDONED = """
import os, sys, time
from pathlib import Path

from t2vbatch.engines.ahead import Ahead
from tests.engines.jobs import make_job

ahead = Ahead(make_job(count=1))
while not list(Path(sys.argv[2]).glob("ray/session_2*")):
    time.sleep(0.05)
if sys.argv[1] == "started":
    ahead._ready.wait()
print("message", flush=True)
ahead.abandon()
os._exit(2)
"""

_FAKE = {"path": "x", "pipeline": "t2vbatch.models.fake:FakeModel"}


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """A folder for Ray's files with a path that is short enough for its sockets."""
    with tempfile.TemporaryDirectory(prefix="t2v") as folder:
        yield Path(folder)


def test_an_engine_takes_the_ray_over(tmp_path: Path) -> None:
    """The first engine generates on the Ray that was started, and stops it; a second one starts its own."""
    job = make_job(count=1)
    ahead = Ahead(job)
    _wait_until(ray.is_initialized)
    gcs = [child for child in psutil.Process().children() if child.name() == "gcs_server"]
    assert len(gcs) == 1
    assert run(ahead.engine_for(job), tmp_path, ["ok"], count=1).ledger.records == {0}
    assert not ray.is_initialized()
    gcs[0].wait(60)
    (tmp_path / "second").mkdir()
    assert run(ahead.engine_for(job), tmp_path / "second", ["ok"], count=1).ledger.records == {0}
    ahead.abandon()


def test_a_ray_has_no_process_that_serves_only_dashboards(tmp_path: Path) -> None:
    """A Ray that is started here has neither monitors nor an API server."""
    ahead = Ahead(make_job(count=1))
    _wait_until(ray.is_initialized)
    with ahead._connected(make_job(count=1)):
        lines = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
        assert [line for line in lines if "raylet" in line]
        assert [line for line in lines if "monitor.py" in line or "dashboard.py" in line] == []


def test_an_error_of_the_start_is_raised_by_the_engine(tmp_path: Path) -> None:
    """A job that asks for more GPUs than there are is refused when its engine runs."""
    job = make_job(count=1, gpus=99)
    with pytest.raises(JobError, match=r"workers\.gpus"):
        run(Ahead(job).engine_for(job), tmp_path, ["ok"], count=1, gpus=99)


@pytest.mark.parametrize("when", ["starting", "started"])
def test_an_abandoned_start_leaves_nothing(when: str, ray_folder: Path) -> None:
    """A process that abandons Ray ends with its own exit code and leaves no process and no file of Ray."""
    command = [sys.executable, "-c", _ABANDONED, when, str(ray_folder)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(ray_folder)},
    )
    output, _ = process.communicate(timeout=600)
    assert (output, process.returncode) == ("message\n", 2)
    assert list(ray_folder.glob("ray/*")) == []
    _wait_until(lambda: not _users(ray_folder))


def test_a_refused_run_leaves_nothing(tmp_path: Path, ray_folder: Path) -> None:
    """A run that is refused after Ray began to start prints why, ends with 2, and leaves nothing of Ray."""
    (tmp_path / "rows.csv").write_text("id,prompt\na,one\n")
    job = {"manifest": "rows.csv", "output": "out", "metrics": [], "models": {"fake": _FAKE}}
    (tmp_path / "job.yaml").write_text(json.dumps(job))
    done = subprocess.run(
        [sys.executable, "-m", "t2vbatch", "run", str(tmp_path / "job.yaml"), "--only", "none"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(ray_folder)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("not started: --only none")
    assert not (tmp_path / "out").exists()
    assert list(ray_folder.glob("ray/*")) == []
    _wait_until(lambda: not _users(ray_folder))


def _wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def _users(folder: Path) -> list[str]:
    """The command lines that name the folder."""
    return [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
