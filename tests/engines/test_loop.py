"""The loop between the scheduler and a backend."""

from collections.abc import Sequence

import pytest

from t2vbatch.engines import Progress, RunCallbacks
from t2vbatch.engines.interrupts import Interrupts
from t2vbatch.engines.loop import run_loop
from t2vbatch.output.records import Status
from t2vbatch.plan import Unit
from t2vbatch.schedule import Event, RunLimits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Failure, Outcome, Work


class _Backend:
    """Workers that answer heartbeats whenever the driver looks, and a clock that the run can move."""

    def __init__(self) -> None:
        self.now, self.killed = 0.0, 0
        self._coming: list[Event] = []

    def start(self, action: m.Start) -> None:
        self._coming.append(m.Started(action.worker, "a"))

    def stop(self, worker: int) -> None:
        pass

    def kill(self, worker: int) -> None:
        self.killed += 1

    def avoid(self, node: str) -> None:
        pass

    def generate(self, worker: int, work: Work[None]) -> None:
        self._coming += [m.Generated(worker, work.key), m.Heartbeat(worker)]

    def finish(self, worker: int, key: int) -> None:
        self._coming.append(m.Finished(worker, key, (Outcome(key - 1, "ok"),)))

    def events(self) -> Sequence[Event]:
        self.now += 1.0
        coming, self._coming = self._coming, []
        return coming


def test_time_in_which_the_driver_does_not_look_counts_for_no_deadline() -> None:
    """24 workers whose inputs take 6 s each to look up are neither silent nor overdue."""
    backend = _Backend()

    def slow_payload(position: int) -> None:
        backend.now += 6.0

    units = [Unit("x", (position,), 1.0) for position in range(48)]
    scheduler = Scheduler({"x": units}, RunLimits(24, timeout_s=20.0, silence_s=60.0))
    callbacks = RunCallbacks(slow_payload, _uncommitted, _no_quarantine, _ignore)
    ending = run_loop(scheduler, backend, callbacks, Interrupts(urgent=False), lambda: backend.now)
    assert ending == "finished"
    assert backend.killed == 0
    assert scheduler.progress().ok == 48


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_spent_budget_finishes_the_units_in_progress(interrupted: bool) -> None:
    """Two workers for 10 s each are 20 s; what a worker holds then is finished, the rest stays pending."""
    backend = _Backend()
    interrupts = Interrupts(urgent=False)
    interrupts.count = int(interrupted)
    units = [Unit("x", (position,), 1.0) for position in range(100)]
    scheduler = Scheduler({"x": units}, RunLimits(2))
    callbacks = RunCallbacks(lambda position: None, _uncommitted, _no_quarantine, _ignore)
    ending = run_loop(scheduler, backend, callbacks, interrupts, lambda: backend.now, budget_s=20.0)
    progress = scheduler.progress()
    assert ending == ("interrupted" if interrupted else "spent")
    assert progress.running == 0
    assert 0 < progress.pending < 100


@pytest.mark.parametrize(("count", "last"), [(1, "press Ctrl-C again to stop now"), (2, "stopping now")])
def test_each_interrupt_says_what_it_does(caplog: pytest.LogCaptureFixture, count: int, last: str) -> None:
    """The message of the second Ctrl-C says that it ends the videos in progress."""
    backend, interrupts = _Backend(), Interrupts(urgent=False)
    interrupts.count = count
    units = [Unit("x", (position,), 1.0) for position in range(100)]
    scheduler = Scheduler({"x": units}, RunLimits(1))
    callbacks = RunCallbacks(lambda position: None, _uncommitted, _no_quarantine, _ignore)
    assert run_loop(scheduler, backend, callbacks, interrupts, lambda: backend.now) == "interrupted"
    said = [message for message in caplog.messages if message.startswith("interrupted")]
    assert len(set(said)) == count
    assert last in said[-1]


def test_a_budget_that_suffices_changes_nothing() -> None:
    """A run within its budget ends as finished."""
    backend = _Backend()
    units = [Unit("x", (position,), 1.0) for position in range(6)]
    scheduler = Scheduler({"x": units}, RunLimits(2))
    callbacks = RunCallbacks(lambda position: None, _uncommitted, _no_quarantine, _ignore)
    clock = Interrupts(urgent=False)
    assert run_loop(scheduler, backend, callbacks, clock, lambda: backend.now, budget_s=1e6) == "finished"


def _uncommitted(position: int) -> Status | None:
    return None


def _no_quarantine(position: int, attempts: int, failure: Failure) -> None:
    raise AssertionError("nothing failed")


def _ignore(progress: Progress) -> None:
    pass
