"""A simulated cluster for the scheduler: workers, nodes, a clock and their failures, all drawn from one seed.

``python -m tests.simulator`` plays random histories and prints their number; ``--seed N`` plays one history
and prints it. The scheduler and the loop (t2vbatch.engines.loop) are the real ones; ``Simulation`` lists the
checks.
"""

import argparse
import heapq
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from unittest.mock import patch

from t2vbatch.engines import Ending, Progress, RunCallbacks
from t2vbatch.engines.interrupts import Interrupts
from t2vbatch.engines.loop import run_loop
from t2vbatch.errors import ModelError, NodeError, RowError, RunError, T2VBatchError, WorkerError
from t2vbatch.output.records import Status
from t2vbatch.plan import Sample, Unit
from t2vbatch.schedule import Action, Event, RunLimits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.schedule.together import TOGETHER_S
from t2vbatch.worker.protocol import OFFLOAD_LEVELS, Failure, Outcome, Work

STEPS = 5_000
"""Ten times what a history of a dozen units needs; a run that does not end reaches it."""

CHANCE_CRASHES = 2
"""Processes that die independently of their samples: one less than a quarantine needs."""

GOOD = ("good", "good", "good", "degenerate", "big", "bigger")
UNLUCKY = ("fails once", "crashes once", "hangs once", "finish fails once", "finish crashes once")
FAILING = ("fails", "wrong", "crashes", "hangs", "finish fails", "finish crashes", "too big", "no input")
LOADS = ("good",) * 14 + (
    "loads at third try",
    "large",
    "never loads",
    "refused",
    "wrong",
    "hangs once",
    "always hangs",
)

SAME_ERRORS = 4
"""Samples that fail with one error before the run stops; low enough for histories of a dozen units."""

_SAMPLE = Sample("", "", "", 0, 0, "", None, None)
_NO = Failure("RowError", "this failure was requested")


def _is_of_the_call(position: int) -> bool:
    """Whether a sample that fails does so with an error of its call, which counts when it comes twice."""
    return position % 2 == 0


@dataclass
class SimWorker:
    """One simulated worker process."""

    start: m.Start
    node: str
    slowness: float
    faulty_after: int
    crashes_after: int
    calls: int = 0
    ready: bool = False
    frozen: bool = False
    unreachable: bool = False
    dead: bool = False
    generating: list[Work[Sample]] = field(default_factory=list)
    finishing: list[Work[Sample]] = field(default_factory=list)
    threads: list[float] = field(default_factory=list)
    to_finish: list[Work[Sample]] = field(default_factory=list)
    together: set[int] = field(default_factory=set)
    given_at_step: int = 0
    begun: int = 0

    @property
    def works(self) -> list[Work[Sample]]:
        return self.generating + self.finishing


@dataclass
class _Answer:
    """The events of units that came in one message: one answer reports them."""

    until: float
    events: list[Event] = field(default_factory=list)


@dataclass
class Setting:
    """The initial state of a history, drawn from its seed."""

    random: Random
    units: dict[str, list[Unit]] = field(default_factory=dict)
    natures: list[str] = field(default_factory=list)
    costs: dict[int, float] = field(default_factory=dict)
    loads: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        random = self.random
        # A faulty worker can be distinguished from bad rows only where those are few: no history has both.
        self.faulty = random.random() < 0.2
        self.trouble = 0.0 if self.faulty else random.choice([0.0, 0.1, 0.3, 0.8])
        # Units that take less than a message, and others.
        self.short = random.random() < 0.4
        self.timeout_s = random.choice([None, 20.0, 20.0])
        self.capacity = random.randint(1, 4)
        self.limits = RunLimits(
            self.capacity,
            minimum=random.choice([0, 0, 1, 2]),
            maximum=random.choice([None, None, 1, 2]),
            timeout_s=self.timeout_s,
            silence_s=60.0,
            load_s=50.0,
            same_errors=random.choice([SAME_ERRORS, 10**9]),
            finish_threads=random.randint(1, 3),
            held_bytes=random.choice([2, 6, 10**9]),
            together=random.choice([1, 2, 8]) if self.short else 8,
            needs="1 CPU",
        )
        for model in ("x", "y", "z")[: random.randint(1, 3)]:
            self.loads[model] = random.choice(LOADS)
            units = [self._unit(model) for _ in range(random.randint(1, 12 if self.short else 6))]
            self.units[model] = sorted(units, key=lambda unit: -unit.cost)

    def _unit(self, model: str) -> Unit:
        random = self.random
        cost = float(random.randint(1, 3)) / (1000 if self.short else 1)
        first = len(self.natures)
        for _ in range(random.choice([1, 1, 1, 3])):
            self.costs[len(self.natures)] = cost
            troubled = random.random() < self.trouble
            nature = random.choice(UNLUCKY + FAILING if troubled else GOOD)
            # Without a deadline a hung call never ends.
            self.natures.append(nature if self.timeout_s else nature.replace("hangs", "fails"))
        return Unit(model, tuple(range(first, len(self.natures))), cost)

    def neighbours(self, position: int) -> set[int]:
        """The samples of its unit."""
        [unit] = [unit for units in self.units.values() for unit in units if position in unit.positions]
        return set(unit.positions)


class Simulation:
    """Plays the engine's backend, the clock and the run, and checks after every step.

    - I1: after every step the counts add up to the planned samples; at the end each sample is committed,
      quarantined or pending, as its nature requires.
    - I2: a committed sample is not generated again, and no sample is generated twice at the same time.
    - I5: a sample is quarantined after three charged failures of its own, or after one that no repetition
      changes; crashes by chance and failed nodes quarantine nothing.
    - I7: the run ends, in a bounded number of steps, with the right ending.
    - Also: capacity and held bytes are kept, suspects run alone in a fresh process, the longest unit comes
      first, no unit goes to a draining or failed node or after an interrupt, and every worker is ended.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.history = [f"seed {seed}"]
        self.setting = Setting(self.random)
        self.now = self.random.uniform(0, 1e6)
        self.interrupts = Interrupts(urgent=False)
        self.capacity = self.setting.capacity
        self.workers: dict[int, SimWorker] = {}
        self.committed: dict[int, Status] = {}
        self._unreported: set[int] = set()  # Committed by a process that died, so the driver may not know it.
        self.quarantined: set[int] = set()
        self._nodes = ["a", "b", "c"][: self.random.randint(1, 3)]
        self._draining: frozenset[str] = frozenset()
        self._broken: set[str] = set()
        self._avoided: set[str] = set()
        self._wrong: set[int] = set()
        self._unlucky = {p for p, nature in enumerate(self.setting.natures) if nature in UNLUCKY}
        self._suspects: set[int] = set()
        self._one_by_one: set[str] = set()
        self._works: dict[int, Work[Sample]] = {}
        self._misfit: dict[int, int] = {}
        self._tried: set[int] = set()
        self._shortest: dict[str, float] = {}
        self._loads = dict.fromkeys(self.setting.units, 0)
        self._steps = self._order = 0
        self._coming: list[tuple[float, int, Callable[[], Sequence[Event]]]] = []
        self._crashes_left = 0 if self.setting.faulty else CHANCE_CRASHES
        self._faulty_left = int(self.setting.faulty)
        self._after(10.0, self._beat)
        for _ in range(self.random.choice([0, 0, 1, 3, 6])):
            self._after(self.random.expovariate(1 / 20), self.random.choice(self._faults()))

    # Backend.

    def start(self, action: m.Start) -> None:
        assert len(self.workers) < self.capacity, "more workers than there is room for"
        assert not self.interrupts.count, "a worker started after an interrupt"
        random = self.random
        faulty = self._faulty_left and random.random() < 0.5
        self._faulty_left -= int(faulty)
        dies = self._crashes_left and random.random() < 0.1
        self._crashes_left -= int(dies)
        process = SimWorker(
            action,
            random.choice([node for node in self._nodes if node not in self._avoided]),
            random.choice([1.0, 1.0, 1.0, 3.0]),
            faulty_after=random.randint(1, 3) if faulty else 10**9,
            crashes_after=random.randint(2, 4) if dies else 10**9,
        )
        self.workers[action.worker] = process
        process.threads = [0.0] * self.setting.limits.finish_threads
        self._after(random.uniform(0.0, 0.1), lambda: self._place(process))
        self._after(random.uniform(0.1, 5.0), lambda: self._load(process))
        limit = self.setting.limits.maximum
        count = sum(process.start.model == action.model for process in self.workers.values())
        assert limit is None or count <= limit, "more workers than the model may have"

    def stop(self, worker: int) -> None:
        assert not self.workers[worker].works, "a worker was stopped with work in it"
        self.kill(worker)

    def kill(self, worker: int) -> None:
        self.workers.pop(worker).dead = True

    def avoid(self, node: str) -> None:
        assert node in self._broken, "a node was left out though it works"
        self._avoided.add(node)
        self._after(0.1, self._cluster)

    def generate(self, worker: int, work: Work[Sample]) -> None:
        process = self.workers[worker]
        self._check_work(process, work)
        self._works[work.key] = work
        process.generating.append(work)
        process.calls += 1
        process.given_at_step = self._steps
        self._suspects -= set(work.positions)
        if len(process.generating) == 1:
            self._generate_next(process, _Answer(self.now + TOGETHER_S))

    def finish(self, worker: int, key: int) -> None:
        process = self.workers[worker]
        process.to_finish += [work for work in process.finishing if work.key == key]
        if len(process.to_finish) == 1:
            self._after(0.0, lambda: self._begin_finish(process))

    def events(self) -> Sequence[Event]:
        self._steps += 1
        assert self._steps < STEPS, "the run does not end"
        if not self._coming or self._coming[0][0] > self.now + 5.0:
            self.now += 5.0
            return []
        due, _, happen = heapq.heappop(self._coming)
        self.now = max(self.now, due)
        return happen()

    def note(self, event: Event, actions: Sequence[Action]) -> None:
        """What the driver knows, and what it does, from now on."""
        process = self.workers.get(event.worker) if isinstance(event, m.WorkerEvent) else None
        if process and isinstance(event, m.Finished | m.Failed | m.Returned):
            process.together.discard(event.key)
            process.together = process.together if len(process.together) > 1 else set()
        if process and isinstance(event, m.Failed):
            positions = self._works[event.key].positions if event.key in self._works else ()
            offload_level = OFFLOAD_LEVELS.index(process.start.memory)
            if event.charge == "permanent" and len(positions) == 1:
                self._wrong.update(positions)
            if event.charge == "memory" and offload_level + 1 < len(OFFLOAD_LEVELS):
                for position in positions:
                    self._misfit[position] = max(offload_level, self._misfit.get(position, -1))
        given = Counter(action.worker for action in actions if isinstance(action, m.Generate))
        for action in actions:
            if isinstance(action, m.Generate) and given[action.worker] > 1:
                self.workers[action.worker].together.add(action.key)

    # RunCallbacks.

    def payload(self, position: int) -> Sample:
        if self.setting.natures[position] == "no input":
            self._tried |= self.setting.neighbours(position)
            raise RowError("there is no image")
        if self.random.random() < 0.02:
            self.now += 100.0  # A slow store: no worker is late because the driver waits.
        return _SAMPLE

    def committed_status(self, position: int) -> Status | None:
        return self.committed.get(position)

    def quarantine(self, position: int, attempts: int, failure: Failure) -> None:
        assert position not in self.quarantined, "quarantined twice"
        assert position not in self.committed, "quarantined though committed"
        nature = self.setting.natures[position]
        repeats = nature == "fails" and _is_of_the_call(position)
        fewest = 1 if nature == "wrong" else 2 if repeats else 3
        assert fewest <= attempts <= 3, "quarantined after another number of attempts"
        assert nature not in GOOD, f"quarantined though {nature}"
        self.quarantined.add(position)

    def progress(self, progress: Progress) -> None:
        assert progress.total == len(self.setting.natures), "a sample vanished or doubled"

    # What is checked.

    def _check_work(self, process: SimWorker, work: Work[Sample]) -> None:
        positions = set(work.positions)
        assert process.ready, "work for a worker that is not ready"
        self._check_together(process)
        self._check_held(process)
        assert process.node not in self._draining, "work for a draining node"
        assert process.node not in self._avoided, "work for a failed node"
        assert not positions & self._wrong, "tried again though no repetition changes the error"
        assert not self.interrupts.count, "work after an interrupt"
        assert not positions & (set(self.committed) | self.quarantined), "made again though finished"
        elsewhere = {p for other in self.workers.values() for held in other.works for p in held.positions}
        assert not positions & elsewhere, "made twice at a time"
        offload_level = OFFLOAD_LEVELS.index(process.start.memory)
        assert all(self._misfit.get(p, -1) < offload_level for p in positions), (
            "tried again where it did not fit"
        )
        for position, attempt in zip(work.positions, work.attempts, strict=True):
            if self.setting.natures[position] in GOOD and not self.setting.faulty:
                assert attempt <= 1 + CHANCE_CRASHES - self._crashes_left, "a good sample was charged"
        if positions & self._suspects:
            assert not process.calls, "a suspect in a process that others used"
            assert len(positions) == 1, "a suspect together with others"
        if not positions & self._tried:
            cost = self.setting.costs[work.positions[0]]
            assert cost <= self._shortest.get(process.start.model, cost), "a long unit after a short one"
            self._shortest[process.start.model] = cost
        self._tried |= positions

    def _check_together(self, process: SimWorker) -> None:
        if not process.generating:
            return
        assert process.given_at_step == self._steps, "two units generated at a time"
        assert self.setting.short, "long units given together"
        assert len(process.generating) < self.setting.limits.together, "too many units given together"
        assert process.start.model not in self._one_by_one, "given together after a death"

    def _check_held(self, process: SimWorker) -> None:
        limits, held = self.setting.limits, [self._bytes(work) for work in process.finishing]
        waiting = limits.together - 1 if self.setting.short else 0
        assert len(held) <= limits.finish_threads + waiting, "more units held than the threads need"
        # The size of the next unit is known only when it is generated: the largest so far stands for it.
        coming = (1 + len(process.generating)) * max(held, default=0)
        assert not held or sum(held) + coming <= limits.held_bytes, "more frames held than memory allows"

    def _bytes(self, work: Work[Sample]) -> int:
        return len(work.positions)

    def check(self, scheduler: Scheduler) -> None:
        """What must hold after every step."""
        progress = scheduler.progress()
        self.progress(progress)
        assert progress.ok + progress.degenerate <= len(self.committed), "counted, but not committed"

    def check_end(self, ending: Ending | T2VBatchError) -> None:
        """What must hold at the end of the run."""
        assert not self.workers, "a worker was not ended"
        loads = set(self.setting.loads.values())
        if isinstance(ending, WorkerError) and "failed with the same error" in str(ending):
            self._check_alike()
        elif isinstance(ending, WorkerError):
            assert loads & {"never loads", "always hangs", "wrong"}, "given up though every model loads"
        elif isinstance(ending, RunError):
            assert set(self._nodes) <= self._avoided, "given up though a node is left"
        elif isinstance(ending, ModelError):
            assert "refused" in loads, "refused without a reason"
        elif ending == "interrupted":
            assert self.interrupts.count, "interrupted without an interrupt"
        else:
            self._check_finished()

    def _check_alike(self) -> None:
        for units in self.setting.units.values():
            positions = [position for unit in units for position in unit.positions]
            bad = [p for p in positions if self.setting.natures[p] not in GOOD]
            known = self.committed.keys() - self._unreported
            if len(bad) >= SAME_ERRORS and known.isdisjoint(positions):
                return
        raise AssertionError("given up though no model fails at everything")

    def _check_finished(self) -> None:
        for position, nature in enumerate(self.setting.natures):
            done = position in self.committed, position in self.quarantined
            if nature in FAILING:
                assert done == (False, True), f"{position} is {nature} and not quarantined"
            elif nature in GOOD:
                assert done == (True, False), f"{position} is {nature} and not committed"
            else:
                assert any(done), f"{position} was lost"

    # What workers do.

    def _place(self, process: SimWorker) -> Sequence[Event]:
        return [] if process.dead else [m.Placed(process.start.worker, process.node)]

    def _node_failed(self, process: SimWorker, key: int | None = None) -> Sequence[Event]:
        error = NodeError("the disk is full")
        return [m.NodeFailed(process.start.worker, process.node, process.node, error, key)]

    def _load(self, process: SimWorker) -> Sequence[Event]:
        if process.dead or process.frozen:
            return []
        number, model = process.start.worker, process.start.model
        self._loads[model] += 1
        nature = self.setting.loads[model]
        if process.node in self._broken:
            return self._node_failed(process)
        if nature == "always hangs" or (nature == "hangs once" and self._loads[model] == 1):
            return []
        if nature == "wrong":
            return self._repeated([m.StartFailed(number, _NO, permanent=True)])
        if nature == "refused":
            return [m.Fatal(ModelError("models", "this refusal was requested"))]
        if nature == "never loads" or (nature == "loads at third try" and self._loads[model] < 3):
            return self._repeated([m.StartFailed(number, _NO)])
        if nature == "large" and not process.start.memory:
            return self._repeated([m.StartFailed(number, _NO, out_of_memory=True)])
        process.ready = True
        return self._repeated([m.Started(number, process.node)])

    def _generate_next(self, process: SimWorker, answer: _Answer) -> None:
        work = process.generating[0]
        cost = self.setting.costs[work.positions[0]] * process.slowness
        self._after(cost, lambda: self._goes_on(process, self._generated(process, work), answer))

    def _goes_on(self, process: SimWorker, events: Sequence[Event], answer: _Answer) -> Sequence[Event]:
        """Generate the next unit of the message, if there is one and it is not too late for it."""
        if process.dead or not events:
            return events
        answer.events += events
        if not isinstance(events[0], m.Generated | m.Failed) or self.now >= answer.until:
            number = process.start.worker
            answer.events += [m.Returned(number, work.key) for work in process.generating]
            process.generating = []
        if process.generating:
            self._generate_next(process, answer)
            return []
        return answer.events

    def _generated(self, process: SimWorker, work: Work[Sample]) -> Sequence[Event]:
        number, key = process.start.worker, work.key
        process.begun += 1
        if process.frozen or (process.dead and not process.unreachable):
            return []
        if process.dead:
            return [m.Generated(number, key)]  # A late answer of a worker that was removed.
        if process.begun > process.crashes_after:
            return self._die(process, "crash")
        if process.begun > process.faulty_after and self._shows_its_fault(process):
            process.generating.remove(work)
            return self._repeated([m.Failed(number, key, "row", _NO)])
        if process.node in self._broken:
            process.generating.remove(work)
            return self._node_failed(process, key)
        offload_level = OFFLOAD_LEVELS.index(process.start.memory)
        for position in work.positions:
            nature = self._strike(position)
            if offload_level < {"big": 1, "bigger": 2, "too big": 9}.get(nature, 0):
                process.generating.remove(work)
                return self._repeated([m.Failed(number, key, "memory", _NO)])
            if nature.startswith("fails"):
                process.generating.remove(work)
                charge: m.Charge = "call" if _is_of_the_call(position) else "row"
                return self._repeated([m.Failed(number, key, charge, _NO)])
            if nature == "wrong":
                process.generating.remove(work)
                return self._repeated([m.Failed(number, key, "permanent", _NO)])
            if nature.startswith("crashes"):
                return self._die(process, "crash")
            if nature.startswith("hangs"):
                return []
        process.generating.remove(work)
        process.finishing.append(work)
        return self._repeated([m.Generated(number, key, self._bytes(work))])

    def _begin_finish(self, process: SimWorker) -> Sequence[Event]:
        """Share the units that came in one message among threads. The next free thread takes the next
        share."""
        works, process.to_finish = process.to_finish, []
        threads = len(process.threads)
        for share in filter(None, (works[thread::threads] for thread in range(threads))):
            end = max(heapq.heappop(process.threads), self.now)
            answer = _Answer(end + TOGETHER_S)
            for work in share:
                longest = 0.003 if self.setting.short else 3.0
                end += process.slowness * self.random.uniform(longest / 30, longest)
                self._after(end - self.now, self._finish_one(process, work, work is share[-1], answer))
            heapq.heappush(process.threads, end)
        return []

    def _finish_one(
        self, process: SimWorker, work: Work[Sample], is_last: bool, answer: _Answer
    ) -> Callable[[], Sequence[Event]]:
        def happen() -> Sequence[Event]:
            events = self._finished(process, work)
            if process.dead:
                return events
            answer.events += events
            if not is_last and self.now < answer.until:
                return []
            events, answer.events, answer.until = answer.events, [], self.now + TOGETHER_S
            return events

        return happen

    def _finished(self, process: SimWorker, work: Work[Sample]) -> Sequence[Event]:
        if process.frozen or (process.dead and not process.unreachable):
            return []
        if process.node in self._broken and not process.dead:
            process.finishing.remove(work)
            return self._node_failed(process, work.key)
        outcomes = []
        for position in work.positions:
            nature = self._strike(position, "finish ")
            if nature.startswith("finish crashes"):
                return [] if process.dead else self._die(process, "crash")
            if nature.startswith("finish fails"):
                outcomes.append(Outcome(position, "failed", _NO))
                continue
            status: Status = "degenerate" if nature == "degenerate" else "ok"
            outcomes.append(Outcome(position, self.committed.setdefault(position, status)))
        if not process.dead and self._crashes_left and self.random.random() < 0.05:
            self._crashes_left -= 1
            return self._die(process, "crash")  # It committed, and died before it reported that.
        if process.dead:
            self._unreported.update(work.positions)
        else:
            process.finishing.remove(work)
        return self._repeated([m.Finished(process.start.worker, work.key, tuple(outcomes))])

    def _shows_its_fault(self, process: SimWorker) -> bool:
        """Without a success a faulty worker cannot be distinguished from a model that fails at all rows, and
        a model's only worker at its last sample cannot be distinguished from a bad row."""
        model = process.start.model
        positions = [p for unit in self.setting.units[model] for p in unit.positions]
        left = sum(p not in self.committed for p in positions)
        workers = sum(other.start.model == model for other in self.workers.values())
        return left < len(positions) and (left > 1 or workers > 1)

    def _strike(self, position: int, half: str = "") -> str:
        """What the sample does now, in this half of its way; an unlucky one does it once."""
        nature = self.setting.natures[position]
        if nature in UNLUCKY:
            if position not in self._unlucky or nature.startswith("finish ") != bool(half):
                return "good"
            self._unlucky.remove(position)
        return nature

    def _die(self, process: SimWorker, death: m.Death) -> Sequence[Event]:
        process.dead = True
        self._unreported.update(p for work in process.finishing for p in work.positions)
        if death == "crash" and process.node not in self._avoided:
            in_progress = process.generating + process.finishing[: self.setting.limits.finish_threads]
            if process.together:
                self._one_by_one.add(process.start.model)
            else:
                self._suspects |= {p for work in in_progress for p in work.positions} - set(self.committed)
        return self._repeated([m.Died(process.start.worker, death, Failure("CrashError", "gone"))])

    def _repeated(self, events: list[Event]) -> list[Event]:
        """Now and then an answer comes twice, the second time late."""
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
            self._break_node,
            self._resize,
            self._interrupt,
            self._sleep,
        ]

    def _kill_one(self) -> Sequence[Event]:
        alive = [process for process in self.workers.values() if not process.dead]
        if not (alive and self._crashes_left):
            return []
        self._crashes_left -= 1
        return self._die(self.random.choice(alive), "crash")

    def _freeze_one(self) -> Sequence[Event]:
        ready = [process for process in self.workers.values() if process.ready]
        if ready and self._crashes_left:
            self._crashes_left -= 1
            self.random.choice(ready).frozen = True
        return []

    def _lose_node(self) -> Sequence[Event]:
        node, unreachable = self.random.choice(self._nodes), self.random.random() < 0.5
        events: list[Event] = []
        for process in [
            process for process in self.workers.values() if process.node == node and not process.dead
        ]:
            process.unreachable = unreachable
            events += self._die(process, "infrastructure")
        return events

    def _drain_node(self) -> Sequence[Event]:
        if len(self._nodes) > 1:
            self._draining |= {self._nodes.pop()}
        return self._cluster()

    def _break_node(self) -> Sequence[Event]:
        """From now on nothing can be written on this node."""
        self._broken.add(self.random.choice(self._nodes))
        return []

    def _resize(self) -> Sequence[Event]:
        self.capacity = self.random.randint(1, 4)
        return self._cluster()

    def _cluster(self) -> Sequence[Event]:
        nodes = frozenset(self._nodes) - self._avoided
        return [m.Cluster(self.capacity, self._draining, nodes)]

    def _interrupt(self) -> Sequence[Event]:
        self.interrupts.count += 1
        return []

    def _sleep(self) -> Sequence[Event]:
        self.now += 3600.0
        return []

    def _beat(self) -> Sequence[Event]:
        self._after(10.0, self._beat)
        return [
            m.Heartbeat(number)
            for number, process in self.workers.items()
            if process.ready and not process.frozen
        ]

    def _after(self, seconds: float, happen: Callable[[], Sequence[Event]]) -> None:
        self._order += 1
        heapq.heappush(self._coming, (self.now + seconds, self._order, happen))


def play(seed: int, kind: type[Scheduler] = Scheduler) -> Simulation:
    """Play the history of this seed to its end. Raises AssertionError, with the history, if one fails."""
    simulation = Simulation(seed)
    scheduler = kind(simulation.setting.units, simulation.setting.limits)
    handle = scheduler.handle

    def watched(event: Event, now: float) -> list[Action]:
        actions = handle(event, now)
        simulation.note(event, actions)
        if actions or not isinstance(event, m.Tick | m.Heartbeat):
            simulation.history.append(f"{now:.3f} {event} -> {actions}")
            simulation.check(scheduler)
        return actions

    try:
        with patch.object(scheduler, "handle", watched):
            simulation.check_end(_end(simulation, scheduler))
    except Exception as error:
        story = "\n".join(simulation.history)
        raise AssertionError(
            f"{story}\n{error!r}\nreplay: python -m tests.simulator --seed {seed}"
        ) from error
    return simulation


def _end(simulation: Simulation, scheduler: Scheduler) -> Ending | T2VBatchError:
    callbacks = RunCallbacks(
        simulation.payload, simulation.committed_status, simulation.quarantine, simulation.progress
    )
    try:
        return run_loop(scheduler, simulation, callbacks, simulation.interrupts, lambda: simulation.now)
    except (RunError, ModelError) as error:
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
