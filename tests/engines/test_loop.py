"""The loop between the scheduler and a backend."""

from collections.abc import Sequence

from t2vbatch.engines import Progress, RunCallbacks
from t2vbatch.engines.interrupts import Interrupts
from t2vbatch.engines.loop import run_loop
from t2vbatch.output.records import Status
from t2vbatch.plan import Unit
from t2vbatch.schedule import Event, Limits, Scheduler
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

    def committed(position: int) -> Status | None:
        return None

    def quarantine(position: int, attempts: int, failure: Failure) -> None:
        raise AssertionError("nothing failed")

    def progress(progress: Progress) -> None:
        pass

    units = [Unit("x", (position,), 1.0) for position in range(48)]
    scheduler = Scheduler({"x": units}, Limits(24, timeout_s=20.0, silence_s=60.0))
    callbacks = RunCallbacks(slow_payload, committed, quarantine, progress)
    ending = run_loop(scheduler, backend, callbacks, Interrupts(urgent=False), lambda: backend.now)
    assert ending == "finished"
    assert backend.killed == 0
    assert scheduler.progress().ok == 48
