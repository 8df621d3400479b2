"""How fast a run finishes samples, and how long the rest takes at that rate.  [pure]

``t2vbatch run`` and ``t2vbatch status`` both use it, so that they show the same numbers.
"""

import time
from collections import deque
from collections.abc import Iterable

WINDOW_S = 600.0
"""Ten minutes: several units of a slow model, and still the present rate when workers come and go."""


def rate_per_min(finished_s: Iterable[float], started_s: float) -> float | None:
    """Samples per minute over the last ten minutes, or since the start where that is later.

    Args:
        finished_s: for each finished sample, the seconds since it was finished.
        started_s: seconds since the first sample was started. The time that models take to load does not
        count.

    Returns:
        None where no sample was finished in that time.
    """
    recent = sum(0 <= age <= WINDOW_S for age in finished_s)
    return 60 * recent / max(min(started_s, WINDOW_S), 1.0) if recent else None


class Pace:
    """When the samples of this run were finished, as far as the rate needs it."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._finished: deque[float] = deque()
        self._done = 0

    def add(self, done: int) -> None:
        """Take in how many samples are finished now."""
        now = time.monotonic()
        if self._started is None:
            self._started = now
        self._finished.extend([now] * (done - self._done))
        self._done = max(done, self._done)
        while self._finished and now - self._finished[0] > WINDOW_S:
            self._finished.popleft()

    def rate_per_min(self) -> float | None:
        """Finished samples per minute."""
        if self._started is None:
            return None
        now = time.monotonic()
        return rate_per_min((now - at for at in self._finished), now - self._started)


def remaining_s(pending: int, rate: float | None) -> float | None:
    """Seconds until nothing is pending at this rate; None where there is no rate."""
    return 60 * pending / rate if rate else None
