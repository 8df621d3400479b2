"""The scheduler's state of one worker: its units, whether it can take another, whether it is overdue."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from t2vbatch.errors import CrashError, DeadlineError
from t2vbatch.schedule.limits import RunLimits
from t2vbatch.schedule.together import SHORT_S, TOGETHER_S, units_at_once
from t2vbatch.worker.protocol import Failure

WAITING = 1
"""Units that may wait in a worker for one of its finishing threads. One evens out uneven times; more would
only hold more frames in memory, and be lost with the process."""

LOADS_PER_HANG = 5
"""A load that runs into its deadline costs an hour, while a failed start costs seconds, so it counts as
five."""


@dataclass(frozen=True)
class WorkerFault:
    """Why a worker is killed, and the keys of the units that may have caused it."""

    suspects: Sequence[int]
    failure: Failure


@dataclass
class WorkerState:
    """One worker.

    Attributes:
        offload_level: an index of OFFLOAD_LEVELS.
        ready: its model is loaded.
        leaving: it gets no more units.
        faulty: every unit failed on it; further failures are not charged.
        fresh: it never had a unit.
        alone: it holds a unit that must be alone in the process.
        given: by key, when the worker got the unit, with how many at once, and how many it held then.
        together: keys of the units that it got at once with others.
        generate_s: seconds that it took to generate each of its last units.
        unit_s: seconds that it took for each of its last units, the larger of generating one and of its share
            of the time until it was finished; None: it has finished none.
        generating: keys of the units that it was given to generate, in this order.
        finishing: keys of the generated units, in the order in which they are finished.
        held: bytes of frames of the units in ``finishing``, by key.
        largest_bytes: bytes of frames of the largest unit so far.
        placed: its process runs, on ``node``.
        load_until, generate_until: when the load or the generation in progress is overdue.
        finish_until: the same for each unit that is being finished, by key.
        last_seen: time of its last event.
        steps: denoising steps that it reported.
        streak: samples charged on it since it last succeeded, by the keys of their units.
        proven: one of its units succeeded.
    """

    number: int
    model: str
    offload_level: int
    node: str = ""
    ready: bool = False
    leaving: bool = False
    faulty: bool = False
    fresh: bool = True
    alone: bool = False
    given: dict[int, tuple[float, int, int]] = field(default_factory=dict)
    together: set[int] = field(default_factory=set)
    generate_s: float = 0.0
    unit_s: float | None = None
    generating: list[int] = field(default_factory=list)
    finishing: list[int] = field(default_factory=list)
    held: dict[int, int] = field(default_factory=dict)
    largest_bytes: int = 0
    placed: bool = False
    started_at: float = 0.0
    load_until: float = float("inf")
    generate_until: float = float("inf")
    finish_until: dict[int, float] = field(default_factory=dict)
    last_seen: float = 0.0
    steps: int = 0
    streak: dict[int, list[int]] = field(default_factory=dict)
    proven: bool = False

    @property
    def keys(self) -> list[int]:
        """All units in the worker; those that it generates come first."""
        return self.generating + self.finishing

    @property
    def idle(self) -> bool:
        """Whether its model is loaded and it holds no unit."""
        return self.ready and not self.keys

    def room(self, limits: RunLimits, together: int) -> int:
        """How many units it can take now, at most ``together``."""
        if not self.ready or self.generating or self.leaving or self.alone:
            return 0
        # One by one after a failure: a success that is not reported yet would show that the row is at fault.
        most = 1 if self.streak else units_at_once(self.unit_s, together)
        if len(self.finishing) >= limits.finish_threads + max(WAITING, most):
            return 0
        free_bytes = limits.held_bytes - sum(self.held.values())
        fits = free_bytes // self.largest_bytes if self.largest_bytes else most
        return min(most, fits if self.finishing else max(1, fits))

    def give(self, key: int, alone: bool) -> None:
        """Another unit for the worker to generate."""
        self.generating.append(key)
        self.fresh, self.alone = False, alone

    def begin_generate(self, now: float, limits: RunLimits) -> None:
        """Set the deadline of the units that the worker was given now."""
        self.generate_until = now + limits.overdue_s
        if len(self.generating) > 1:
            self.together.update(self.generating)
            self.generate_until += TOGETHER_S
        for key in self.generating:
            self.given[key] = now, len(self.generating), len(self.keys)

    def in_progress(self, limits: RunLimits) -> list[int]:
        """The units that the process works on and may have died of, without those that wait. The driver
        does not see when it begins units that it got at once."""
        begun = self.generating + self.finishing[: limits.finish_threads]
        return [key for key in self.keys if key in begun or key in self.together]

    def begin_finish(self, now: float, limits: RunLimits) -> None:
        """Set the deadlines of the units that are finished from now on."""
        for key in self.finishing[: limits.finish_threads]:
            self.finish_until.setdefault(key, now + limits.overdue_s)

    def finished(self, key: int, now: float) -> None:
        """A unit was finished: measure how long the worker takes for one."""
        if key in self.finishing:
            given_at, _, held = self.given[key]
            self.unit_s = max(self.generate_s, (now - given_at) / held)

    def generated(self, key: int, held_bytes: int, now: float) -> None:
        """The unit's frames wait to be finished."""
        given_at, at_once, _ = self.given[key]
        self.generate_s = (now - given_at) / at_once
        self.generating.remove(key)
        self.finishing.append(key)
        self.held[key] = held_bytes
        self.largest_bytes = max(self.largest_bytes, held_bytes)

    def succeeded(self, key: int) -> None:
        """A unit succeeded: failures before it were not the worker's fault. Units that the worker got later
        may have failed already, because ``finish`` runs behind ``generate``; they still count."""
        self.proven = True
        self.streak = {later: failed for later, failed in self.streak.items() if later > key}

    def returned(self) -> None:
        """The worker did not begin a unit, so its units are not short."""
        self.generate_s = self.unit_s = SHORT_S

    def drop(self, key: int) -> None:
        """Remove a unit."""
        self.given.pop(key, None)
        self.together.discard(key)
        if len(self.together) == 1:
            self.together.clear()  # All others were reported.
        if key in self.generating:
            self.generating.remove(key)
        else:
            self.finishing.remove(key)
            self.held.pop(key, None)
            self.finish_until.pop(key, None)
        self.alone = self.alone and not self.idle

    def delay(self, seconds: float) -> None:
        """Extend all deadlines by a time in which the driver did not look at events."""
        self.load_until += seconds
        self.generate_until += seconds
        self.finish_until = {key: until + seconds for key, until in self.finish_until.items()}
        self.last_seen += seconds

    def fault(self, now: float, limits: RunLimits) -> WorkerFault | None:
        """The worker's fault, if it is overdue or does not answer; else None."""
        if not self.ready:
            return WorkerFault([], _slow_load(limits)) if now > self.load_until else None
        if self.generating and now > self.generate_until:
            return WorkerFault([*self.generating], _late("generating", limits))
        if late := [key for key, until in self.finish_until.items() if now > until]:
            return WorkerFault(late, _late("finishing", limits))
        if limits.silence_s is not None and now - self.last_seen > limits.silence_s:
            silent = f"the process did not answer for {limits.silence_s:g} s"
            return WorkerFault(self.in_progress(limits), Failure(CrashError.__name__, silent))
        return None


def _slow_load(limits: RunLimits) -> Failure:
    slow = f"loading the model exceeded its deadline of {limits.load_s:g} s (workers.load_timeout_s)"
    return Failure(DeadlineError.__name__, slow)


def _late(done: str, limits: RunLimits) -> Failure:
    late = f"{done} exceeded its deadline of {limits.timeout_s:g} s and did not stop"
    return Failure(DeadlineError.__name__, late)
