"""The Ray engine, with real actors that raise, die and hang as their prompts say."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import ray

from t2vbatch.engines import Progress
from t2vbatch.engines import ray as ray_engine
from t2vbatch.engines.ray import RayEngine
from t2vbatch.engines.ray_cluster import connected
from t2vbatch.errors import JobError, ModelError
from tests.engines.fakes import FakeFactory, FakeLedger, notes
from tests.engines.jobs import make_job, run, wait_for


@pytest.fixture(scope="module", autouse=True)
def handler_before() -> Iterator[object]:
    """One Ray for all tests of this file; yields the handler of SIGTERM from before its start."""
    before, environment = signal.getsignal(signal.SIGTERM), dict(os.environ)
    with connected(make_job(count=2, cpus=1)) as variables:
        assert variables == {}, "workers inherit their threads"
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            assert os.environ.get(name) == environment.get(name), "this process keeps its own"
        yield before


def test_no_process_serves_dashboards() -> None:
    """A Ray that is started here has neither monitors nor an API server."""
    lines = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    assert [line for line in lines if "raylet" in line]
    assert [line for line in lines if "monitor.py" in line or "dashboard.py" in line] == []


def test_ray_sets_no_handler_of_sigterm(handler_before: object) -> None:
    """Beside Ray the command's own handlers stay, so that SIGTERM ends it with its line and its exit code."""
    assert signal.getsignal(signal.SIGTERM) is handler_before


def test_a_worker_has_the_priority_of_the_run() -> None:
    """Beside other programs, a worker gets as much CPU time as the command that the user started."""
    niceness = ray.remote(lambda: os.nice(0))
    assert ray.get(niceness.remote()) == os.nice(0)


def test_workers_inherit_their_threads_from_our_own_ray() -> None:
    """A process of a Ray that is started here has the threads of the job, without variables of an actor."""
    threads = ray.remote(lambda: os.environ.get("MKL_NUM_THREADS"))  # Ray itself sets the other variable.
    assert ray.get(threads.remote()) == "1"


def test_two_workers_make_everything_once(tmp_path: Path) -> None:
    """Two actors generate every sample once, each with the threads of the job."""
    ran = run(RayEngine(), tmp_path, ["loads:2"] + ["slow:0.05"] * 59 + ["degenerate"], count=2)
    assert ran.ending == "finished"
    assert ran.ledger.records == set(range(61))
    assert sorted(map(int, notes(tmp_path, "generated"))) == list(range(61))
    assert sorted(ran.loads) == ["fake-1 cpu threads=1", "fake-2 cpu threads=1"]
    assert ran.ledger.seen[-1] == Progress(60, 1, 0, 0, 0, 0, 0)


def test_threads_follow_the_job(tmp_path: Path) -> None:
    """A worker of two CPUs computes with two threads."""
    assert run(RayEngine(), tmp_path, ["ok"], cpus=2).loads == ["fake-1 cpu threads=2"]


def test_as_many_workers_as_fit(tmp_path: Path) -> None:
    """Without a count, as many workers start as the CPUs allow."""
    ran = run(RayEngine(), tmp_path, ["loads:2"] + ["slow:1"] * 4)
    assert max(progress.workers for progress in ran.ledger.seen) == 2


def test_bad_rows_stop_nothing(tmp_path: Path) -> None:
    """Rows that raise in generate or finish fail after three attempts; the others are generated."""
    prompts = ["ok", "raise", "sysexit", "finish:raise", "broken input", "once:raise", "finish:once:raise"]
    ran = run(RayEngine(), tmp_path, prompts, count=1)
    assert ran.ledger.records == {0, 5, 6}
    assert ran.errors == {1: "RowError", 2: "SystemExit", 3: "RowError", 4: "RowError"}


def test_rows_that_kill_their_process(tmp_path: Path) -> None:
    """Rows that exit or segfault fail after three processes; the rows beside them are generated."""
    prompts = ["ok", "exit", "ok", "finish:segfault", "once:exit", "finish:once:segfault", "ok"]
    ran = run(RayEngine(), tmp_path, prompts, count=1)
    assert ran.ledger.records == {0, 2, 4, 5, 6}
    assert ran.errors == {1: "CrashError", 3: "CrashError"}
    _, failure = ran.ledger.quarantined[3]
    assert "worker process has died" in failure.error
    assert "_segfault" in (failure.traceback or ""), "the dead process's own stack is kept"


def test_a_short_row_that_kills_its_process(tmp_path: Path) -> None:
    """Among rows so short that a worker gets several at once, only the one at fault fails, after three
    attempts of its own."""
    prompts = ["ok"] * 40
    prompts[20] = "exit"
    ran = run(RayEngine(), tmp_path, prompts, count=1)
    assert ran.ledger.records == set(range(40)) - {20}
    assert ran.errors == {20: "CrashError"}
    assert ran.ledger.quarantined[20][0] == 3


def test_batch_that_kills_its_process(tmp_path: Path) -> None:
    """Of a batch whose process died, only the sample at fault fails."""
    ran = run(RayEngine(), tmp_path, ["ok", "exit", "ok"], batch=3, count=2)
    assert ran.ledger.records == {0, 2}
    assert ran.errors == {1: "CrashError"}


def test_hung_row(tmp_path: Path) -> None:
    """A row that never returns is ended at its deadline; others continue meanwhile."""
    ran = run(RayEngine(), tmp_path, ["hang", *["ok"] * 5], count=2, timeout_s=0.2)
    assert ran.ledger.records == {1, 2, 3, 4, 5}
    assert ran.errors == {0: "DeadlineError"}


def test_slow_row(tmp_path: Path) -> None:
    """A row that reports steps is stopped at one of them, and the model stays loaded."""
    ran = run(RayEngine(), tmp_path, ["steps:20", "ok"], count=1, timeout_s=4.0)
    assert ran.ledger.records == {1}
    assert ran.errors == {0: "DeadlineError"}
    assert len(ran.loads) == 1


def test_steps_are_reported_during_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats report the number of steps, so that a call of minutes shows progress."""
    monkeypatch.setattr(ray_engine, "HEARTBEAT_S", 0.2)
    ran = run(RayEngine(), tmp_path, ["steps:3"], count=1)
    steps = [progress.steps for progress in ran.ledger.seen if progress.running]
    assert len(set(steps)) >= 3
    assert steps == sorted(steps)


def test_stopped_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is stopped (SIGSTOP) answers no heartbeat and is replaced."""
    monkeypatch.setattr(ray_engine, "HEARTBEAT_S", 0.2)
    monkeypatch.setattr(ray_engine, "SILENCE_S", 10.0)
    ran = run(RayEngine(), tmp_path, ["ok", "once:stop", "ok"], count=1)
    assert ran.ledger.records == {0, 1, 2}
    assert ran.generated(1) == 2
    first = int(notes(tmp_path, "pids")[0])
    until = time.monotonic() + 120
    while _stopped(first):
        assert time.monotonic() < until, "the stopped process was left behind"
        time.sleep(0.1)


def test_less_memory(tmp_path: Path) -> None:
    """A row that does not fit is generated by an actor with offload."""
    ran = run(RayEngine(), tmp_path, ["ok", "oom:model_cpu_offload"], count=1)
    assert ran.ledger.records == {0, 1}
    assert ran.loads[-1].endswith(" model_cpu_offload")


def test_committed_but_not_reported(tmp_path: Path) -> None:
    """After a process died behind its commit, the record is found and the sample is not generated again."""
    ran = run(RayEngine(), tmp_path, ["after:exit", "ok"], count=1)
    assert ran.ledger.records == {0, 1}
    assert ran.generated(0) == 1
    assert ran.ledger.quarantined == {}
    assert ran.ledger.seen[-1].ok == 2


def test_killed_from_outside(tmp_path: Path) -> None:
    """A worker that is killed (SIGKILL) in the middle of a unit is replaced, and the unit is generated
    again."""
    shot = _when(tmp_path / "generated", lambda: os.kill(int(notes(tmp_path, "pids")[0]), signal.SIGKILL))
    ran = run(RayEngine(), tmp_path, ["slow:1", "ok", "ok"], count=1)
    shot.join()
    assert ran.ledger.records == {0, 1, 2}
    assert ran.generated(0) == 2
    assert len(ran.loads) == 2


def test_refusal_stops_with_its_own_error(tmp_path: Path) -> None:
    """An error that no retry can mend is raised as the actor raised it."""
    with pytest.raises(ModelError, match="this refusal was requested") as caught:
        run(RayEngine(), tmp_path, ["ok"], load="refuse", count=2)
    assert caught.value.where == "models.fake.path"


def test_death_while_loading(tmp_path: Path) -> None:
    """A process that dies while it loads its model is started again."""
    ran = run(RayEngine(), tmp_path, ["ok"], load="once:exit", count=1)
    assert ran.ledger.records == {0}
    assert len(ran.loads) == 2


def test_gpus_that_are_not_there(tmp_path: Path) -> None:
    """Asking for more GPUs than the cluster has is refused before a worker starts."""
    with pytest.raises(JobError, match=r"workers\.gpus"):
        run(RayEngine(), tmp_path, ["ok"], gpus=64)
    assert notes(tmp_path, "loads") == []


def test_two_models_share_one_place(tmp_path: Path) -> None:
    """With room for one worker, two models run one after the other, each with one load."""
    ledgers = FakeLedger(tmp_path, ["ok"] * 4)
    one, two = ledgers.units()["fake"][:2], ledgers.units()["fake"][2:]
    factories = {"one": FakeFactory(tmp_path), "two": FakeFactory(tmp_path)}
    RayEngine().run({"one": one, "two": two}, make_job(count=1), factories, ledgers.callbacks)
    assert ledgers.records == {0, 1, 2, 3}
    assert [load.split("-")[0] for load in notes(tmp_path, "loads")] == ["one", "two"]


def _when(file: Path, act: Callable[[], None]) -> threading.Thread:
    """Do this as soon as the file exists."""

    def wait_and_act() -> None:
        wait_for(file)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def _stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return False
