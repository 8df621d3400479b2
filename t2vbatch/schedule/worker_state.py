"""The scheduler's state of one worker: its units, whether it can take another, whether it is overdue."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from t2vbatch.schedule.limits import Limits
from t2vbatch.worker.protocol import Failure

WAITING = 1
"""Units that may wait in a worker for one of its finishing threads. One evens out uneven times; more would
only hold more frames in memory, and be lost with the process."""

LOADS_PER_HANG = 5
"""A load that runs into its deadline costs an hour where a failed start costs seconds, so it counts as
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
        generating: key of the unit it generates.
        finishing: keys of the generated units, in the order in which they are finished.
        held: bytes of frames of the units in ``finishing``, by key.
        largest_bytes: bytes of frames of the largest unit so far.
        placed: its process runs, on ``node``.
        load_until, generate_until: when the load or the generation in progress is overdue.
        finish_until: the same for each unit that is being finished, by key.
        last_seen: time of its last event.
        steps: denoising steps that it reported.
        streak: samples charged on it since it last succeeded, by the keys of their units.
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
    generating: int | None = None
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

    @property
    def keys(self) -> list[int]:
        """All units in the worker; the one that it generates comes first."""
        return ([] if self.generating is None else [self.generating]) + self.finishing

    @property
    def idle(self) -> bool:
        """Whether its model is loaded and it holds no unit."""
        return self.ready and self.generating is None and not self.finishing

    def free(self, limits: Limits) -> bool:
        """Whether it can take a unit now."""
        ready = self.ready and self.generating is None and not (self.leaving or self.alone)
        return ready and (not self.finishing or self._has_room(limits))

    def _has_room(self, limits: Limits) -> bool:
        """Whether the frames of one more unit may be held beside the others."""
        fits = sum(self.held.values()) + self.largest_bytes <= limits.held_bytes
        return fits and len(self.finishing) < limits.finish_threads + WAITING

    def in_progress(self, limits: Limits) -> list[int]:
        """The units that the process works on and may have died of, without those that wait."""
        generating = [] if self.generating is None else [self.generating]
        return generating + self.finishing[: limits.finish_threads]

    def begin_finish(self, now: float, limits: Limits) -> None:
        """Set the deadlines of the units that are finished from now on."""
        for key in self.finishing[: limits.finish_threads]:
            self.finish_until.setdefault(key, now + limits.overdue_s)

    def generated(self, key: int, held_bytes: int) -> None:
        """The unit's frames wait to be finished."""
        self.generating = None
        self.finishing.append(key)
        self.held[key] = held_bytes
        self.largest_bytes = max(self.largest_bytes, held_bytes)

    def succeeded(self, key: int) -> None:
        """A unit succeeded: failures before it were not the worker's fault. Units that the worker got later
        may have failed already, because ``finish`` runs behind ``generate``; they still count."""
        self.streak = {later: failed for later, failed in self.streak.items() if later > key}

    def drop(self, key: int) -> None:
        """Remove a unit."""
        if key == self.generating:
            self.generating = None
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

    def fault(self, now: float, limits: Limits) -> WorkerFault | None:
        """The worker's fault, if it is overdue or does not answer; else None."""
        if not self.ready:
            return WorkerFault([], _slow_load(limits)) if now > self.load_until else None
        if self.generating is not None and now > self.generate_until:
            return WorkerFault([self.generating], _late("generating", limits))
        if late := [key for key, until in self.finish_until.items() if now > until]:
            return WorkerFault(late, _late("finishing", limits))
        if limits.silence_s is not None and now - self.last_seen > limits.silence_s:
            silent = f"the process did not answer for {limits.silence_s:g} s"
            return WorkerFault(self.in_progress(limits), Failure("CrashError", silent))
        return None


def _slow_load(limits: Limits) -> Failure:
    slow = f"loading the model exceeded its deadline of {limits.load_s:g} s (workers.load_timeout_s)"
    return Failure("DeadlineError", slow)


def _late(done: str, limits: Limits) -> Failure:
    late = f"{done} exceeded its deadline of {limits.timeout_s:g} s and did not stop"
    return Failure("DeadlineError", late)
