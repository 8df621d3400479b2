"""What waits to be made, for one model.

A unit that was never tried costs no Python object: it is its place in an order of the plan. Only what was
tried and came back is held one by one.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from t2vbatch.plan import Unit
from t2vbatch.worker.protocol import FOOTPRINTS


@dataclass(frozen=True)
class Attempt:
    """One try at a unit, or at what is left of it.

    Attributes:
        samples: positions in the plan.
        level: of memory saving, an index of FOOTPRINTS.
        alone: a process died under it: it wants a fresh worker to itself.
        retried: it was given to a worker before.
    """

    model: str
    samples: tuple[int, ...]
    level: int = 0
    alone: bool = False
    retried: bool = False


@dataclass
class _Returned:
    """Attempts that came back: to be repeated at once, after all others, or alone."""

    soon: deque[Attempt] = field(default_factory=deque)
    later: deque[Attempt] = field(default_factory=deque)
    alone: deque[Attempt] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.soon) + len(self.later) + len(self.alone)


class Backlog:
    """The waiting units of one model, the longest first, ties in the order of the plan.

    Attributes:
        level: of memory saving at which units are tried first.
        samples: how many samples wait.
    """

    def __init__(self, model: str, units: Sequence[Unit]) -> None:
        self._model, self._units = model, units
        costs = np.empty(len(units))
        self.samples = 0
        for index, unit in enumerate(units):
            costs[index] = unit.cost
            self.samples += len(unit.samples)
        even = costs.size == 0 or bool((costs == costs[0]).all())
        self._order = None if even else np.argsort(-costs, kind="stable").astype(np.int32)
        self._next = 0
        self._returned = [_Returned() for _ in FOOTPRINTS]
        self.level = 0

    def waiting(self, level: int) -> int:
        """How many attempts wait for a worker of this level."""
        untried = len(self._units) - self._next if level == self.level else 0
        return untried + len(self._returned[level])

    def __len__(self) -> int:
        return len(self._units) - self._next + sum(map(len, self._returned))

    def take(self, level: int, fresh: bool) -> Attempt | None:
        """The next attempt for a worker of this level, or None. Suspects go to fresh workers only."""
        returned = self._returned[level]
        if fresh and returned.alone:
            attempt = returned.alone.popleft()
        elif returned.soon:
            attempt = returned.soon.popleft()
        elif level == self.level and self._next < len(self._units):
            attempt = self._untried()
        elif returned.later:
            attempt = returned.later.popleft()
        else:
            return None
        self.samples -= len(attempt.samples)
        return attempt

    def put(self, attempt: Attempt, soon: bool = False) -> None:
        """Take an attempt back, to be repeated: soon, or after all others."""
        attempt = replace(attempt, level=max(attempt.level, self.level), retried=True)
        self.samples += len(attempt.samples)
        returned = self._returned[attempt.level]
        queue = returned.alone if attempt.alone else returned.soon if soon else returned.later
        queue.append(attempt)

    def step_down(self, level: int) -> None:
        """From now on, try everything with the memory of this level or less."""
        while self.level < level:
            left = self._returned[self.level]
            self.level += 1
            for attempt in (*left.soon, *left.later, *left.alone):
                self.samples -= len(attempt.samples)
                self.put(attempt)
            self._returned[self.level - 1] = _Returned()

    def _untried(self) -> Attempt:
        index = self._next if self._order is None else int(self._order[self._next])
        self._next += 1
        return Attempt(self._model, self._units[index].samples, self.level)
