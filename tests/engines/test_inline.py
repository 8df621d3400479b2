"""The inline engine: the scheduler's rules in one process."""

from pathlib import Path

import pytest

from t2vbatch.engines.inline import InlineEngine
from t2vbatch.errors import JobError, ModelError, NodeError, WorkerError
from t2vbatch.schedule import failures
from tests.engines.fakes import notes
from tests.engines.jobs import run


def test_makes_everything_once(tmp_path: Path) -> None:
    """Every sample is generated once and committed, by one worker."""
    ran = run(InlineEngine(), tmp_path, ["ok", "degenerate", "ok"])
    assert ran.ending == "finished"
    assert ran.ledger.records == {0, 1, 2}
    assert notes(tmp_path, "generated") == ["0", "1", "2"]
    assert len(ran.loads) == 1
    last = ran.ledger.seen[-1]
    assert (last.ok, last.degenerate, last.failed) == (2, 1, 0)


def test_bad_rows_stop_nothing(tmp_path: Path) -> None:
    """Rows that raise, exit, fail in finish or lack an input are given up; the others are made."""
    prompts = ["raise", "ok", "sysexit", "once:raise", "finish:raise", "broken input", "ok"]
    ran = run(InlineEngine(), tmp_path, prompts)
    assert ran.ending == "finished"
    assert ran.ledger.records == {1, 3, 6}
    assert ran.errors == {0: "RowError", 2: "SystemExit", 4: "RowError", 5: "RowError"}
    assert ran.generated(5) == 0
    _, failure = ran.ledger.quarantined[0]
    assert failure.error == "this failure was requested"
    assert "fakes.py" in (failure.traceback or "")


def test_an_error_that_no_repetition_changes_is_tried_once(tmp_path: Path) -> None:
    """A TypeError of a call's signature is given up on after one attempt; the other rows are generated."""
    ran = run(InlineEngine(), tmp_path, ["ok", "wrong-code", "ok"])
    assert ran.ledger.records == {0, 2}
    assert ran.generated(1) == 1
    [(attempts, failure)] = ran.ledger.quarantined.values()
    assert (attempts, failure.error_type) == (1, "TypeError")


def test_a_model_that_fails_alike_at_everything_stops(tmp_path: Path) -> None:
    """After ten samples the run stops with their error, and records none of them as failed."""
    with pytest.raises(WorkerError, match="failed with the same error: 10 samples") as caught:
        run(InlineEngine(), tmp_path, ["raise"] * 30)
    assert "this failure was requested" in str(caught.value)
    assert len(notes(tmp_path, "generated")) == 10


def test_a_full_disk_stops_the_run_with_its_reason(tmp_path: Path) -> None:
    """In one process there is no other node to go to."""
    with pytest.raises(NodeError, match="the disk is full"):
        run(InlineEngine(), tmp_path, ["ok", "full-disk", "ok"])
    assert notes(tmp_path, "generated") == ["0", "1"]


def test_batches_keep_their_innocents(tmp_path: Path) -> None:
    """In batches of three, one bad row costs the others nothing."""
    ran = run(InlineEngine(), tmp_path, ["ok", "raise", "ok", "ok", "ok"], batch=3)
    assert ran.ledger.records == {0, 2, 3, 4}
    assert ran.errors == {1: "RowError"}


def test_slow_row(tmp_path: Path) -> None:
    """A row that works in steps is given up after one of them, and the model stays loaded."""
    ran = run(InlineEngine(), tmp_path, ["steps:300", "ok"], timeout_s=0.1)
    assert ran.ledger.records == {1}
    assert ran.errors == {0: "DeadlineError"}
    assert len(ran.loads) == 1


def test_less_memory(tmp_path: Path) -> None:
    """A row that does not fit is made by a worker that saves memory."""
    ran = run(InlineEngine(), tmp_path, ["ok", "oom:sequential_cpu_offload", "ok"])
    assert ran.ledger.records == {0, 1, 2}
    assert [" ".join(line.split()[3:]) for line in ran.loads] == [
        "",
        "model_cpu_offload",
        "sequential_cpu_offload",
    ]


def test_refusal_stops_with_its_own_error(tmp_path: Path) -> None:
    """An error of the job's making is raised as it is, at the first sight of it."""
    with pytest.raises(ModelError, match="this refusal was requested"):
        run(InlineEngine(), tmp_path, ["ok"], load="refuse")
    with pytest.raises(ModelError, match="this refusal was requested"):
        run(InlineEngine(), tmp_path, ["ok", "refuse", "ok"])
    assert len(notes(tmp_path, "loads")) == 2


def test_model_that_never_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten failed loads end the run with the reason."""
    monkeypatch.setattr(failures, "START_PAUSE_S", 0.01)
    with pytest.raises(WorkerError, match="'fake' could not be started 10 times") as caught:
        run(InlineEngine(), tmp_path, ["ok"], load="raise")
    assert "RowError: this failure was requested" in str(caught.value)
    assert len(notes(tmp_path, "loads")) == 10


def test_gpus_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for GPUs on a machine without any is refused before anything is loaded."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(JobError, match=r"workers\.gpus"):
        run(InlineEngine(), tmp_path, ["ok"], gpus=1)
    assert notes(tmp_path, "loads") == []
