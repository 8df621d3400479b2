"""A world for the scheduler: workers, nodes, a clock and all that can go wrong with them, from one seed.

``python -m tests.simulator`` plays random histories and says how many; ``--seed N`` plays one and prints it.
The scheduler and the loop that drives it (t2vbatch.engines.loop) are the real ones; see ``World`` for what
is checked.
"""

import argparse
import heapq
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from unittest.mock import patch

from t2vbatch.engines import Ending, Progress, RunCallbacks
from t2vbatch.engines.interrupts import Interrupts
from t2vbatch.engines.loop import run_loop
from t2vbatch.errors import ModelError, RowError, T2VBatchError, WorkerError
from t2vbatch.output.records import Status
from t2vbatch.plan import Sample, Unit
from t2vbatch.schedule import Action, Event, Limits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import OFFLOAD_LEVELS, Failure, Outcome, Work

STEPS = 5_000
"""No history of a dozen units needs a tenth of this; one that does not end gets here."""

BAD_LUCK = 2
"""Processes that die for no reason of their samples: one too few to quarantine one that has done nothing."""

INNOCENT = ("good", "good", "good", "degenerate", "big", "bigger")
UNLUCKY = ("fails once", "crashes once", "hangs once", "finish fails once", "finish crashes once")
GUILTY = ("fails", "crashes", "hangs", "finish fails", "finish crashes", "too big", "no input")
LOADS = ("good",) * 12 + ("loads at third try", "large", "never loads", "refused")

_SAMPLE = Sample("", "", "", 0, 0, "", None, None)
_NO = Failure("RowError", "told to fail")


@dataclass
class Seat:
    """One simulated process with a worker in it."""

    start: m.Start
    node: str
    slowness: float
    sick_after: int
    dies_after: int
    calls: int = 0
    ready: bool = False
    frozen: bool = False
    haunted: bool = False
    dead: bool = False
    generating: Work[Sample] | None = None
    finishing: list[Work[Sample]] = field(default_factory=list)
    busy_until: float = 0.0

    @property
    def works(self) -> list[Work[Sample]]:
        return ([self.generating] if self.generating else []) + self.finishing


@dataclass
class Setting:
    """What a history begins with, drawn from its seed."""

    random: Random
    units: dict[str, list[Unit]] = field(default_factory=dict)
    natures: list[str] = field(default_factory=list)
    costs: dict[int, float] = field(default_factory=dict)
    loads: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        random = self.random
        # A sick worker is told from bad rows by their being few, so no history has both.
        self.faulty = random.random() < 0.2
        self.trouble = 0.0 if self.faulty else random.choice([0.0, 0.1, 0.3, 0.8])
        self.timeout_s = random.choice([None, 20.0, 20.0])
        self.capacity = random.randint(1, 4)
        self.limits = Limits(
            self.capacity,
            minimum=random.choice([0, 0, 1, 2]),
            maximum=random.choice([None, None, 1, 2]),
            timeout_s=self.timeout_s,
            silence_s=60.0,
        )
        for model in ("x", "y", "z")[: random.randint(1, 3)]:
            self.loads[model] = random.choice(LOADS)
            units = [self._unit(model) for _ in range(random.randint(1, 6))]
            self.units[model] = sorted(units, key=lambda unit: -unit.cost)

    def _unit(self, model: str) -> Unit:
        random = self.random
        cost = float(random.randint(1, 3))
        first = len(self.natures)
        for _ in range(random.choice([1, 1, 1, 3])):
            self.costs[len(self.natures)] = cost
            troubled = random.random() < self.trouble
            nature = random.choice(UNLUCKY + GUILTY if troubled else INNOCENT)
            # Without a deadline nobody ends what hangs.
            self.natures.append(nature if self.timeout_s else nature.replace("hangs", "fails"))
        return Unit(model, tuple(range(first, len(self.natures))), cost)

    def neighbours(self, position: int) -> set[int]:
        """The samples of its unit."""
        [unit] = [unit for units in self.units.values() for unit in units if position in unit.positions]
        return set(unit.positions)


class World:
    """Plays workers, clock and ledger, and checks as it goes.

    - I1: the counts add up to what was planned after every step; at the end each sample is committed,
      quarantined or pending, and each is where its nature says.
    - I2: what is committed is not generated again, and nothing is generated twice at a time.
    - I5: a sample is quarantined after three charged failures of its own; bad luck alone quarantines nothing.
    - I7: the run ends, in bounded steps, with the ending that fits.
    - Also: room and memory are kept to, suspects run alone in a fresh process, the longest unit comes first,
      nothing new goes to draining nodes or after an interrupt, and every worker is let go.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.history = [f"seed {seed}"]
        self.setting = Setting(self.random)
        self.now = self.random.uniform(0, 1e6)
        self.interrupts = Interrupts(urgent=False)
        self.capacity = self.setting.capacity
        self.seats: dict[int, Seat] = {}
        self.committed: dict[int, Status] = {}
        self.quarantined: set[int] = set()
        self._nodes = ["a", "b", "c"][: self.random.randint(1, 3)]
        self._draining: frozenset[str] = frozenset()
        self._unlucky = {p for p, nature in enumerate(self.setting.natures) if nature in UNLUCKY}
        self._suspects: set[int] = set()
        self._misfit: dict[int, int] = {}
        self._tried: set[int] = set()
        self._shortest: dict[str, float] = {}
        self._loads = dict.fromkeys(self.setting.units, 0)
        self._steps = self._order = 0
        self._coming: list[tuple[float, int, Callable[[], Sequence[Event]]]] = []
        self._strokes = 0 if self.setting.faulty else BAD_LUCK
        self._sick_left = int(self.setting.faulty)
        self._after(10.0, self._beat)
        for _ in range(self.random.choice([0, 0, 1, 3, 6])):
            self._after(self.random.expovariate(1 / 20), self.random.choice(self._faults()))

    # Backend.

    def start(self, action: m.Start) -> None:
        assert len(self.seats) < self.capacity, "more workers than there is room for"
        assert not self.interrupts.count, "a worker started after an interrupt"
        random = self.random
        sick = self._sick_left and random.random() < 0.5
        self._sick_left -= int(sick)
        dies = self._strokes and random.random() < 0.1
        self._strokes -= int(dies)
        seat = Seat(
            action,
            random.choice(self._nodes),
            random.choice([1.0, 1.0, 1.0, 3.0]),
            sick_after=random.randint(1, 3) if sick else 10**9,
            dies_after=random.randint(2, 4) if dies else 10**9,
        )
        self.seats[action.worker] = seat
        self._after(random.uniform(0.1, 5.0), lambda: self._load(seat))
        limit = self.setting.limits.maximum
        staff = sum(seat.start.model == action.model for seat in self.seats.values())
        assert limit is None or staff <= limit, "more workers than the model may have"

    def stop(self, worker: int) -> None:
        assert not self.seats[worker].works, "a worker was let go with work in it"
        self.kill(worker)

    def kill(self, worker: int) -> None:
        self.seats.pop(worker).dead = True

    def generate(self, worker: int, work: Work[Sample]) -> None:
        seat = self.seats[worker]
        self._check_work(seat, work)
        seat.generating = work
        seat.calls += 1
        self._suspects -= set(work.positions)
        cost = self.setting.costs[work.positions[0]]
        self._after(cost * seat.slowness, lambda: self._generated(seat, work))

    def finish(self, worker: int, key: int) -> None:
        seat = self.seats[worker]
        [work] = [work for work in seat.finishing if work.key == key]
        # One thing after the other: what is given later is never finished earlier.
        seat.busy_until = max(seat.busy_until, self.now) + seat.slowness * self.random.uniform(0.1, 3.0)
        self._after(seat.busy_until - self.now, lambda: self._finished(seat, work))

    def events(self) -> Sequence[Event]:
        self._steps += 1
        assert self._steps < STEPS, "the run does not end"
        if not self._coming or self._coming[0][0] > self.now + 5.0:
            self.now += 5.0
            return []
        due, _, happen = heapq.heappop(self._coming)
        self.now = max(self.now, due)
        return happen()

    # RunCallbacks.

    def payload(self, position: int) -> Sample:
        if self.setting.natures[position] == "no input":
            self._tried |= self.setting.neighbours(position)
            raise RowError("the image is not there")
        return _SAMPLE

    def committed_status(self, position: int) -> Status | None:
        return self.committed.get(position)

    def quarantine(self, position: int, attempts: int, failure: Failure) -> None:
        assert position not in self.quarantined, "quarantined twice"
        assert position not in self.committed, "quarantined though committed"
        assert attempts == 3, "quarantined after another number of attempts"
        nature = self.setting.natures[position]
        assert nature not in INNOCENT, f"quarantined though {nature}"
        self.quarantined.add(position)

    def progress(self, progress: Progress) -> None:
        assert progress.total == len(self.setting.natures), "a sample vanished or doubled"

    # What is checked.

    def _check_work(self, seat: Seat, work: Work[Sample]) -> None:
        positions = set(work.positions)
        assert seat.ready, "work for a worker that is not ready"
        assert seat.generating is None, "two units generated at a time"
        assert len(seat.finishing) < 2, "more frames held than there is memory for"
        assert seat.node not in self._draining, "work for a draining node"
        assert not self.interrupts.count, "work after an interrupt"
        assert not positions & (set(self.committed) | self.quarantined), "made again though finished"
        elsewhere = {p for other in self.seats.values() for held in other.works for p in held.positions}
        assert not positions & elsewhere, "made twice at a time"
        offload_level = OFFLOAD_LEVELS.index(seat.start.memory)
        assert all(self._misfit.get(p, -1) < offload_level for p in positions), (
            "tried again where it did not fit"
        )
        for position, attempt in zip(work.positions, work.attempts, strict=True):
            if self.setting.natures[position] in INNOCENT and not self.setting.faulty:
                assert attempt <= 1 + BAD_LUCK - self._strokes, "an innocent was charged"
        if positions & self._suspects:
            assert not seat.calls, "a suspect in a process that others used"
            assert len(positions) == 1, "a suspect together with others"
        if not positions & self._tried:
            cost = self.setting.costs[work.positions[0]]
            assert cost <= self._shortest.get(seat.start.model, cost), "a long unit after a short one"
            self._shortest[seat.start.model] = cost
        self._tried |= positions

    def check(self, scheduler: Scheduler) -> None:
        """What must hold after every step."""
        progress = scheduler.progress()
        self.progress(progress)
        assert progress.ok + progress.degenerate <= len(self.committed), "counted, but not committed"

    def check_end(self, ending: Ending | T2VBatchError) -> None:
        """What must hold when the run is over."""
        assert not self.seats, "a worker was not let go"
        loads = set(self.setting.loads.values())
        if isinstance(ending, WorkerError):
            assert "never loads" in loads, "given up though every model loads"
        elif isinstance(ending, ModelError):
            assert "refused" in loads, "refused without a reason"
        elif ending == "interrupted":
            assert self.interrupts.count, "interrupted by nobody"
        else:
            self._check_finished()

    def _check_finished(self) -> None:
        for position, nature in enumerate(self.setting.natures):
            done = position in self.committed, position in self.quarantined
            if nature in GUILTY:
                assert done == (False, True), f"{position} is {nature} and not quarantined"
            elif nature in INNOCENT:
                assert done == (True, False), f"{position} is {nature} and not committed"
            else:
                assert any(done), f"{position} was lost"

    # What workers do.

    def _load(self, seat: Seat) -> Sequence[Event]:
        if seat.dead or seat.frozen:
            return []
        number, model = seat.start.worker, seat.start.model
        self._loads[model] += 1
        nature = self.setting.loads[model]
        if nature == "refused":
            return [m.Fatal(ModelError("models", "told to refuse"))]
        if nature == "never loads" or (nature == "loads at third try" and self._loads[model] < 3):
            return self._told([m.StartFailed(number, _NO)])
        if nature == "large" and not seat.start.memory:
            return self._told([m.StartFailed(number, _NO, out_of_memory=True)])
        seat.ready = True
        return self._told([m.Started(number, seat.node)])

    def _generated(self, seat: Seat, work: Work[Sample]) -> Sequence[Event]:
        number, key = seat.start.worker, work.key
        if seat.frozen or (seat.dead and not seat.haunted):
            return []
        if seat.dead:
            return [m.Generated(number, key)]  # A word from the grave.
        if seat.calls > seat.dies_after:
            return self._die(seat, "crash")
        if seat.calls > seat.sick_after and self._has_succeeded(seat.start.model):
            seat.generating = None
            return self._told([m.Failed(number, key, "row", _NO)])
        offload_level = OFFLOAD_LEVELS.index(seat.start.memory)
        for position in work.positions:
            nature = self._strike(position)
            if offload_level < {"big": 1, "bigger": 2, "too big": 9}.get(nature, 0):
                if offload_level + 1 < len(OFFLOAD_LEVELS):
                    self._misfit[position] = offload_level
                seat.generating = None
                return self._told([m.Failed(number, key, "memory", _NO)])
            if nature.startswith("fails"):
                seat.generating = None
                return self._told([m.Failed(number, key, "row", _NO)])
            if nature.startswith("crashes"):
                return self._die(seat, "crash")
            if nature.startswith("hangs"):
                return []
        seat.generating = None
        seat.finishing.append(work)
        return self._told([m.Generated(number, key)])

    def _finished(self, seat: Seat, work: Work[Sample]) -> Sequence[Event]:
        if seat.frozen or (seat.dead and not seat.haunted):
            return []
        outcomes = []
        for position in work.positions:
            nature = self._strike(position, "finish ")
            if nature.startswith("finish crashes"):
                return [] if seat.dead else self._die(seat, "crash")
            if nature.startswith("finish fails"):
                outcomes.append(Outcome(position, "failed", _NO))
                continue
            status: Status = "degenerate" if nature == "degenerate" else "ok"
            outcomes.append(Outcome(position, self.committed.setdefault(position, status)))
        if not seat.dead and self._strokes and self.random.random() < 0.05:
            self._strokes -= 1
            return self._die(seat, "crash")  # Committed, and dead before it could say so.
        if not seat.dead:
            seat.finishing.remove(work)
        return self._told([m.Finished(seat.start.worker, work.key, tuple(outcomes))])

    def _has_succeeded(self, model: str) -> bool:
        """Without one success, nobody can tell a sick worker from a model for which all rows are bad."""
        return any(p in self.committed for unit in self.setting.units[model] for p in unit.positions)

    def _strike(self, position: int, half: str = "") -> str:
        """What the sample does now, in this half of its making; the unlucky do it once."""
        nature = self.setting.natures[position]
        if nature in UNLUCKY:
            if position not in self._unlucky or nature.startswith("finish ") != bool(half):
                return "good"
            self._unlucky.remove(position)
        return nature

    def _die(self, seat: Seat, death: m.Death) -> Sequence[Event]:
        seat.dead = True
        if death == "crash":
            in_progress = ([seat.generating] if seat.generating else []) + seat.finishing[:1]
            self._suspects |= {p for work in in_progress for p in work.positions} - set(self.committed)
        return self._told([m.Died(seat.start.worker, death, Failure("CrashError", "gone"))])

    def _told(self, events: list[Event]) -> list[Event]:
        """Now and then everything is said twice, the second time late."""
        if self.random.random() < 0.05:
            self._after(self.random.uniform(0, 10), lambda: events)
        return events

    # What happens to them.

    def _faults(self) -> list[Callable[[], Sequence[Event]]]:
        return [
            self._kill_one,
            self._freeze_one,
            self._lose_node,
            self._drain_node,
            self._resize,
            self._interrupt,
            self._sleep,
        ]

    def _kill_one(self) -> Sequence[Event]:
        alive = [seat for seat in self.seats.values() if not seat.dead]
        if not (alive and self._strokes):
            return []
        self._strokes -= 1
        return self._die(self.random.choice(alive), "crash")

    def _freeze_one(self) -> Sequence[Event]:
        ready = [seat for seat in self.seats.values() if seat.ready]
        if ready and self._strokes:
            self._strokes -= 1
            self.random.choice(ready).frozen = True
        return []

    def _lose_node(self) -> Sequence[Event]:
        node, haunted = self.random.choice(self._nodes), self.random.random() < 0.5
        events: list[Event] = []
        for seat in [seat for seat in self.seats.values() if seat.node == node and not seat.dead]:
            seat.haunted = haunted
            events += self._die(seat, "infrastructure")
        return events

    def _drain_node(self) -> Sequence[Event]:
        if len(self._nodes) > 1:
            self._draining |= {self._nodes.pop()}
        return [m.Cluster(self.capacity, self._draining)]

    def _resize(self) -> Sequence[Event]:
        self.capacity = self.random.randint(1, 4)
        return [m.Cluster(self.capacity, self._draining)]

    def _interrupt(self) -> Sequence[Event]:
        self.interrupts.count += 1
        return []

    def _sleep(self) -> Sequence[Event]:
        self.now += 3600.0
        return []

    def _beat(self) -> Sequence[Event]:
        self._after(10.0, self._beat)
        return [m.Heartbeat(number) for number, seat in self.seats.items() if seat.ready and not seat.frozen]

    def _after(self, seconds: float, happen: Callable[[], Sequence[Event]]) -> None:
        self._order += 1
        heapq.heappush(self._coming, (self.now + seconds, self._order, happen))


def play(seed: int, kind: type[Scheduler] = Scheduler) -> World:
    """Play the history of this seed to its end. Raises AssertionError, with the history, if one fails."""
    world = World(seed)
    scheduler = kind(world.setting.units, world.setting.limits)
    handle = scheduler.handle

    def watched(event: Event, now: float) -> list[Action]:
        actions = handle(event, now)
        if actions or not isinstance(event, m.Tick | m.Heartbeat):
            world.history.append(f"{now:.3f} {event} -> {actions}")
            world.check(scheduler)
        return actions

    try:
        with patch.object(scheduler, "handle", watched):
            world.check_end(_end(world, scheduler))
    except Exception as error:
        story = "\n".join(world.history)
        raise AssertionError(
            f"{story}\n{error!r}\nreplay: python -m tests.simulator --seed {seed}"
        ) from error
    return world


def _end(world: World, scheduler: Scheduler) -> Ending | T2VBatchError:
    callbacks = RunCallbacks(world.payload, world.committed_status, world.quarantine, world.progress)
    try:
        return run_loop(scheduler, world, callbacks, world.interrupts, lambda: world.now)
    except (WorkerError, ModelError) as error:
        return error


def main(arguments: Sequence[str]) -> None:
    """Play one history, or many."""
    parser = argparse.ArgumentParser(description="Plays random histories against the scheduler.")
    parser.add_argument("--seed", type=int, help="play this history and print it")
    parser.add_argument("--histories", type=int, default=1000, help="how many to play, from seed 0")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        print("\n".join(play(options.seed).history))
        return
    logging.disable()
    began = time.monotonic()
    for seed in range(options.histories):
        play(seed)
    seconds = time.monotonic() - began
    print(f"{options.histories} histories without a broken invariant in {seconds:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
