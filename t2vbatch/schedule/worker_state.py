"""One worker, as the scheduler sees it: what it holds, whether it gets more, what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from t2vbatch.schedule.limits import Limits
from t2vbatch.worker.protocol import Failure

FINISHING = 2
"""Units that may wait in a worker's ``finish``. One is encoded while the next is generated; a second one
evens out uneven times; more would only hold more frames in memory."""


@dataclass(frozen=True)
class WorkerFault:
    """Why a worker is ended, and the keys of the units that may have caused it."""

    suspects: Sequence[int]
    failure: Failure


@dataclass
class WorkerState:
    """One worker.

    Attributes:
        offload_level: an index of OFFLOAD_LEVELS.
        ready: its model is loaded.
        leaving: it gets nothing new.
        sick: everything failed on it; what still fails is not charged.
        fresh: it was never given a unit.
        alone: it holds a unit that wants the process to itself.
        generating: key of the unit it generates.
        finishing: keys of the units it finishes, the one in hand first.
        generate_until, finish_until: when the unit in hand is overdue.
        heard: when it last gave a sign of life.
        steps: denoising steps that it has told of.
        streak: samples charged on it since it last succeeded, by the keys of their units.
    """

    number: int
    model: str
    offload_level: int
    node: str = ""
    ready: bool = False
    leaving: bool = False
    sick: bool = False
    fresh: bool = True
    alone: bool = False
    generating: int | None = None
    finishing: list[int] = field(default_factory=list)
    generate_until: float = float("inf")
    finish_until: float = float("inf")
    heard: float = 0.0
    steps: int = 0
    streak: dict[int, list[int]] = field(default_factory=dict)

    @property
    def keys(self) -> list[int]:
        """Everything in the worker, what it generates first."""
        return ([] if self.generating is None else [self.generating]) + self.finishing

    @property
    def idle(self) -> bool:
        """Loaded, and with nothing in it."""
        return self.ready and self.generating is None and not self.finishing

    @property
    def free(self) -> bool:
        """Whether it can be given a unit now."""
        return (
            self.ready
            and self.generating is None
            and len(self.finishing) < FINISHING
            and not (self.leaving or self.alone)
        )

    @property
    def in_hand(self) -> list[int]:
        """What the process works on, and may have died of: not what only waits in it."""
        return self.keys[: 2 if self.generating is not None else 1]

    def succeeded(self, key: int) -> None:
        """A unit was finished: what failed before it was not the worker's fault. What was given to the worker
        later may have failed already, for ``finish`` lags behind, and still counts."""
        self.streak = {later: failed for later, failed in self.streak.items() if later > key}

    def drop(self, key: int) -> None:
        """Take a unit out."""
        if key == self.generating:
            self.generating = None
        else:
            self.finishing.remove(key)
        self.alone = self.alone and not self.idle

    def delay(self, seconds: float) -> None:
        """Shift what is due, because nobody watched the clock for so long."""
        self.generate_until += seconds
        self.finish_until += seconds
        self.heard += seconds

    def fault(self, now: float, limits: Limits) -> WorkerFault | None:
        """What is wrong with the worker now, if it is overdue or silent."""
        if self.generating is not None and now > self.generate_until:
            return WorkerFault([self.generating], _late("generated", limits))
        if self.finishing and now > self.finish_until:
            return WorkerFault(self.finishing[:1], _late("finished", limits))
        if self.ready and limits.silence_s is not None and now - self.heard > limits.silence_s:
            silent = f"the process gave no sign of life for {limits.silence_s:g} s"
            return WorkerFault(self.in_hand, Failure("CrashError", silent))
        return None


def _late(done: str, limits: Limits) -> Failure:
    late = f"was not {done} within {limits.timeout_s:g} s, nor given up when that was over"
    return Failure("DeadlineError", late)
