"""The waiting units of one model.

A unit that was never tried takes no Python object: it is a position in the order of the plan. Only units that
were tried and requeued are objects.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from t2vbatch.plan import Unit
from t2vbatch.plan.units import position_count
from t2vbatch.worker.protocol import OFFLOAD_LEVELS


@dataclass(frozen=True)
class Attempt:
    """One attempt at a unit, or at its remaining samples.

    Attributes:
        positions: positions of its samples in the plan.
        offload_level: an index of OFFLOAD_LEVELS.
        alone: whether its process died, so that it needs a fresh worker without other units.
        retried: whether a worker had it before.
    """

    model: str
    positions: tuple[int, ...]
    offload_level: int = 0
    alone: bool = False
    retried: bool = False


@dataclass
class _Returned:
    """Requeued attempts: those before untried units, those after them, and those for a fresh worker."""

    soon: deque[Attempt] = field(default_factory=deque)
    later: deque[Attempt] = field(default_factory=deque)
    alone: deque[Attempt] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.soon) + len(self.later) + len(self.alone)


class Backlog:
    """The waiting units of one model, in the order given: the longest first.

    Attributes:
        offload_level: the level at which units are tried first.
        position_count: the number of samples that wait.
    """

    def __init__(self, model: str, units: Sequence[Unit]) -> None:
        self._model, self._units = model, units
        self.position_count = position_count(units)
        self._next = 0
        self._returned = [_Returned() for _ in OFFLOAD_LEVELS]
        self.offload_level = 0

    def waiting(self, offload_level: int) -> int:
        """Attempts that wait for a worker of this level."""
        untried = len(self._units) - self._next if offload_level == self.offload_level else 0
        return untried + len(self._returned[offload_level])

    def __len__(self) -> int:
        return len(self._units) - self._next + sum(map(len, self._returned))

    def next_attempt(self, offload_level: int, fresh: bool) -> Attempt | None:
        """The next attempt for a worker of this level, or None. Suspects go to fresh workers only."""
        returned = self._returned[offload_level]
        if fresh and returned.alone:
            attempt = returned.alone.popleft()
        elif returned.soon:
            attempt = returned.soon.popleft()
        elif offload_level == self.offload_level and self._next < len(self._units):
            attempt = self._untried()
        elif returned.later:
            attempt = returned.later.popleft()
        else:
            return None
        self.position_count -= len(attempt.positions)
        return attempt

    def requeue(self, attempt: Attempt, soon: bool = False) -> None:
        """Put an attempt back: with ``soon`` before untried units, else after them."""
        attempt = replace(attempt, offload_level=max(attempt.offload_level, self.offload_level), retried=True)
        self.position_count += len(attempt.positions)
        returned = self._returned[attempt.offload_level]
        queue = returned.alone if attempt.alone else returned.soon if soon else returned.later
        queue.append(attempt)

    def step_down(self, offload_level: int) -> None:
        """From now on, try every unit at this offload level or a higher one."""
        while self.offload_level < offload_level:
            left = self._returned[self.offload_level]
            self.offload_level += 1
            for attempt in (*left.soon, *left.later, *left.alone):
                self.position_count -= len(attempt.positions)
                self.requeue(attempt)
            self._returned[self.offload_level - 1] = _Returned()

    def _untried(self) -> Attempt:
        self._next += 1
        return Attempt(self._model, self._units[self._next - 1].positions, self.offload_level)
