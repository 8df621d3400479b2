"""How fast a run finishes samples, and how long the rest takes at that rate.  [pure]

``t2vbatch run`` and ``t2vbatch status`` both use it, so that they show the same numbers.
"""

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 600.0
"""Ten minutes: several units of a slow model, and still the present rate when workers come and go."""

_STEP_S = 1.0
"""Samples that are finished within this time count as finished together, so that memory is bounded."""


class Pace:
    """When the samples of this run were finished, as far as the rate needs it.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started: float | None = None
        self._finished: deque[tuple[float, int]] = deque()
        self._recent = self._done = 0

    def add(self, done: int) -> None:
        """Take in how many samples are finished now."""
        now = self._clock()
        if self._started is None:
            self._started = now
        if new := max(0, done - self._done):
            self._done, self._recent = done, self._recent + new
            if self._finished and now - self._finished[-1][0] < _STEP_S:
                at, count = self._finished.pop()
                self._finished.append((at, count + new))
            else:
                self._finished.append((now, new))
        self._forget(now)

    def rate_per_min(self) -> float | None:
        """Samples per minute over the last ten minutes, or since the start if that is later.

        None if no sample was finished in that time. The time that models take to load does not count.
        """
        if self._started is None:
            return None
        now = self._clock()
        self._forget(now)
        return 60 * self._recent / max(min(now - self._started, WINDOW_S), 1.0) if self._recent else None

    def _forget(self, now: float) -> None:
        while self._finished and now - self._finished[0][0] > WINDOW_S:
            self._recent -= self._finished.popleft()[1]


def remaining_s(pending: int, rate: float | None) -> float | None:
    """Seconds until nothing is pending at this rate; None without a rate."""
    return 60 * pending / rate if rate else None
