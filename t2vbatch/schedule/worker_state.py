"""The scheduler's state of one worker: its units, whether it can take another, whether it is overdue."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from t2vbatch.schedule.limits import Limits
from t2vbatch.worker.protocol import Failure

FINISHING = 2
"""Units that may wait in a worker's ``finish``. One is encoded while the next is generated; a second one
evens out uneven times; more would only hold more frames in memory."""


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
        generate_until, finish_until: when the unit in progress is overdue.
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
    generate_until: float = float("inf")
    finish_until: float = float("inf")
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

    @property
    def free(self) -> bool:
        """Whether it can take a unit now."""
        return (
            self.ready
            and self.generating is None
            and len(self.finishing) < FINISHING
            and not (self.leaving or self.alone)
        )

    @property
    def in_progress(self) -> list[int]:
        """The units that the process works on and may have died of, without those that wait."""
        return self.keys[: 2 if self.generating is not None else 1]

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
        self.alone = self.alone and not self.idle

    def delay(self, seconds: float) -> None:
        """Extend all deadlines by a time in which the driver did not look at events."""
        self.generate_until += seconds
        self.finish_until += seconds
        self.last_seen += seconds

    def fault(self, now: float, limits: Limits) -> WorkerFault | None:
        """The worker's fault, if it is overdue or does not answer; else None."""
        if self.generating is not None and now > self.generate_until:
            return WorkerFault([self.generating], _late("generating", limits))
        if self.finishing and now > self.finish_until:
            return WorkerFault(self.finishing[:1], _late("finishing", limits))
        if self.ready and limits.silence_s is not None and now - self.last_seen > limits.silence_s:
            silent = f"the process did not answer for {limits.silence_s:g} s"
            return WorkerFault(self.in_progress, Failure("CrashError", silent))
        return None


def _late(done: str, limits: Limits) -> Failure:
    late = f"{done} exceeded its deadline of {limits.timeout_s:g} s and did not stop"
    return Failure("DeadlineError", late)
