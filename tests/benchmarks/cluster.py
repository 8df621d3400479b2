"""The scheduler and the loop with 1 to 1,024 simulated workers: makespan against the ideal, and the driver's
load.

The scheduler and the loop are the real ones, and so is the time that they take: it is measured and added to a
simulated clock, together with the costs of Ray's calls (``CALL_S``, ``ANSWER_S``, ``WAIT_S_PER_CALL``).
Generation and finishing are simulated.
"""

import heapq
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from t2vbatch.engines import Progress, RunCallbacks
from t2vbatch.engines.interrupts import Interrupts
from t2vbatch.engines.loop import run_loop
from t2vbatch.output.records import Status
from t2vbatch.plan import Unit
from t2vbatch.schedule import Event, RunLimits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Failure, Outcome, Work

CALL_S = 0.0002
"""Seconds of the driver for one call of an actor; measured with Ray 2.60 on two cores."""

ANSWER_S = 0.0001
"""Seconds of the driver for reading one answer."""

WAIT_S_PER_CALL = 0.000005
"""Seconds of ``ray.wait`` for each call in progress."""

UNITS_PER_WORKER = 20
LENGTHS_S = (5.0, 60.0)
"""Generation times are drawn between these, log-uniformly; finishing takes a tenth of each."""


@dataclass(frozen=True)
class Run:
    """One simulated run.

    Attributes:
        ideal_s: the larger of all generation divided by the workers, and the longest unit.
        makespan_s: from the first unit given to the last one generated and finished.
        driver_s: seconds that the driver was busy, of the makespan.
    """

    workers: int
    units: int
    ideal_s: float
    makespan_s: float
    driver_s: float

    @property
    def ratio(self) -> float:
        """Makespan over ideal."""
        return self.makespan_s / self.ideal_s

    @property
    def driver_ms(self) -> float:
        """Milliseconds of the driver for each unit."""
        return 1000 * self.driver_s / self.units


class _Cluster:
    """A backend with a clock of its own."""

    def __init__(self, lengths: Sequence[float], workers: int) -> None:
        self.now, self.driver_s = 0.0, 0.0
        self._lengths = lengths
        self._coming: list[tuple[float, int, Event]] = []
        self._order = self._calls = 0
        self._threads = [[0.0] for _ in range(workers + 1)]
        self._mark = time.perf_counter()

    def clock(self) -> float:
        """The simulated time, with the real time that the driver took since the last look at events."""
        self._charge(time.perf_counter() - self._mark)
        self._mark = time.perf_counter()
        return self.now

    def start(self, action: m.Start) -> None:
        self._call(0.0, m.Started(action.worker, "node"))

    def stop(self, worker: int) -> None:
        pass

    kill = stop

    def avoid(self, node: str) -> None:
        pass

    def generate(self, worker: int, work: Work[None]) -> None:
        seconds = self._lengths[work.positions[0]]
        self._call(seconds, m.Generated(worker, work.key, 1))

    def finish(self, worker: int, key: int) -> None:
        position = self._positions[key]
        begin = max(self.now, self._threads[worker][0])
        end = begin + 0.1 * self._lengths[position]
        self._threads[worker][0] = end
        self._call(end - self.now, m.Finished(worker, key, (Outcome(position, "ok"),)))

    def events(self) -> Sequence[Event]:
        self.clock()
        self._charge(WAIT_S_PER_CALL * self._calls)
        if self._coming and self._coming[0][0] > self.now:
            self.now = min(self._coming[0][0], self.now + 0.1)
        events = []
        while self._coming and self._coming[0][0] <= self.now:
            events.append(heapq.heappop(self._coming)[2])
            self._calls -= 1
            self._charge(ANSWER_S)
        self._mark = time.perf_counter()
        return events

    def payload(self, position: int) -> None:
        return None

    def _call(self, seconds: float, event: Event) -> None:
        self._charge(CALL_S)
        self._order += 1
        self._calls += 1
        heapq.heappush(self._coming, (self.now + seconds, self._order, event))

    def _charge(self, seconds: float) -> None:
        self.now += seconds
        self.driver_s += seconds

    @property
    def _positions(self) -> "_Keys":
        return _Keys()


class _Keys:
    """Units are given in their order and never repeated, so a key names its position."""

    def __getitem__(self, key: int) -> int:
        return key - 1


def simulate(workers: int, seed: int = 0) -> Run:
    """Play one run."""
    low, high = LENGTHS_S
    draw = random.Random(seed)
    count = UNITS_PER_WORKER * workers
    lengths = sorted((low * (high / low) ** draw.random() for _ in range(count)), reverse=True)
    cluster = _Cluster(lengths, workers)
    units = [Unit("x", (position,), length) for position, length in enumerate(lengths)]
    scheduler = Scheduler({"x": units}, RunLimits(workers, timeout_s=600.0, silence_s=120.0))
    callbacks = RunCallbacks(cluster.payload, _committed, _quarantine, _progress)
    run_loop(scheduler, cluster, callbacks, Interrupts(urgent=False), cluster.clock)
    assert scheduler.progress().ok == count
    tail = 0.1 * lengths[-1]
    return Run(workers, count, max(sum(lengths) / workers, lengths[0]) + tail, cluster.now, cluster.driver_s)


def _committed(position: int) -> Status | None:
    return None


def _quarantine(position: int, attempts: int, failure: Failure) -> None:
    raise AssertionError(f"{position} failed: {failure}")


def _progress(progress: Progress) -> None:
    pass


def main(sizes: Sequence[int] = (1, 4, 16, 64, 256, 1024), say: Callable[[str], None] = print) -> list[Run]:
    """Play the runs, and print a line for each."""
    say(f"{'workers':>8} {'units':>8} {'ideal s':>9} {'makespan s':>11} {'ratio':>6} {'driver ms/unit':>15}")
    runs = []
    for workers in sizes:
        run = simulate(workers)
        runs.append(run)
        say(
            f"{run.workers:8} {run.units:8} {run.ideal_s:9.1f} {run.makespan_s:11.1f} {run.ratio:6.3f} "
            f"{run.driver_ms:15.2f}"
        )
    return runs


if __name__ == "__main__":
    main()
