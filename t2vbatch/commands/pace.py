"""How fast a run finishes samples, and how long the rest takes at that rate.  [pure]

``t2vbatch run`` and ``t2vbatch status`` both use it, so that they show the same numbers.
"""

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


def remaining_s(pending: int, rate: float | None) -> float | None:
    """Seconds until nothing is pending at this rate; None where there is no rate."""
    return 60 * pending / rate if rate else None
