"""What a run shows before the first video: checking, starting, loading; and Ctrl-C during that time."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from t2vbatch.cli import display
from t2vbatch.cli.display import Display
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.commands.status import Status, read_status
from t2vbatch.engines import Progress, engine_for
from t2vbatch.job import load_job
from t2vbatch.output.store import open_store

_JOB = """
manifest: rows.csv
output: out
metrics: []
engine: inline
models:
  fake: {path: "fault:slow", pipeline: "t2vbatch.models.fake:FakeModel"}
"""
_SLOW_PLUGIN = """
import pathlib, time
pathlib.Path("importing").touch()
time.sleep(120)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text("id,prompt\na,one\n")
    (tmp_path / "job.yaml").write_text(_JOB)
    return tmp_path


def test_progress_names_what_it_waits_for() -> None:
    """Progress waits for nothing once a worker is ready, or if no sample is pending."""
    assert Progress(0, 0, 0, 0, 4, 0, 0).waits_for == "waiting for workers"
    loading = Progress(0, 0, 0, 0, 4, 0, 3, loading={"wan": 2, "ltx": 1})
    assert loading.waits_for == "loading wan on 2 workers, ltx on 1 worker"
    assert Progress(0, 0, 0, 0, 4, 1, 2, loading={"wan": 2}).waits_for is None
    assert Progress(4, 0, 0, 0, 0, 0, 0).waits_for is None


def test_a_log_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log gets a line at most every LINE_EVERY_S, also while the main thread only waits."""
    monkeypatch.setattr(display, "LINE_EVERY_S", 1.0)
    with Display() as shown:
        began = time.monotonic()
        shown.show(Progress(0, 0, 0, 0, 4, 0, 2, loading={"wan": 2}))
        time.sleep(2.8)
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= time.monotonic() - began
    assert all(re.fullmatch(r"loading wan on 2 workers, \d+ s", line) for line in lines)


def test_a_quiet_display_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json the display prints nothing."""
    monkeypatch.setattr(display, "LINE_EVERY_S", 0.1)
    with Display(quiet=True) as shown:
        shown.wait("checking the job")
        time.sleep(1.2)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_the_seconds(folder: Path) -> None:
    """A terminal shows the check of the job and the loading of the model with their seconds."""
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "t2vbatch", "run", "job.yaml"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        command, cwd=folder, stdout=terminal, stderr=terminal, stdin=terminal, env=environment
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(main, 65536)
        except OSError:  # The other end is closed.
            break
    assert process.wait() == 0, shown.decode()
    assert b"checking the job" in shown
    assert b"loading fake on 1 worker" in shown
    assert re.search(rb"\d+ s", shown)
    assert b"1 video generated" in shown


def test_status_shows_what_the_run_waits_for(folder: Path) -> None:
    """Another process sees that the run loads a model, and for how long."""
    seen: list[Status] = []

    def look(progress: Progress) -> None:
        seen.append(read_status(open_store(str(folder / "out"))))

    run_job(prepare(load_job(folder / "job.yaml")), engine_for, look)
    after_loading = next(status for status in seen if status.starting == "loading fake on 1 worker")
    assert after_loading.starting_s is not None
    assert 0 <= after_loading.starting_s < 60
    assert seen[-1].starting is None


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "stopped by SIGTERM"),
        (signal.SIGHUP, "stopped by SIGHUP"),
    ],
)
def test_a_signal_while_planning_is_one_line(folder: Path, number: int, reason: str) -> None:
    """A signal during planning is one line and exit code 130, and leaves no output folder."""
    (folder / "slow_plugin.py").write_text(_SLOW_PLUGIN)
    job = _JOB.replace("t2vbatch.models.fake:FakeModel", "slow_plugin:Model")
    (folder / "job.yaml").write_text(job)
    process = subprocess.Popen(
        [sys.executable, "-m", "t2vbatch", "run", "job.yaml"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"},
        # A process that nohup started ignores SIGHUP, and so would its children.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    while not (folder / "importing").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    said = [line for line in err.splitlines() if not line.startswith("checking the job, ")]
    assert said == [f"{reason}; nothing was started"]
    assert not (folder / "out").exists()
