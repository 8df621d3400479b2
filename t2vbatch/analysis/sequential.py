"""A test of paired differences that stays valid however often one looks while the data grow.  [pure]

Under the hypothesis each prompt's difference has a random sign, as for the sign-flip test. Then the product
over prompts of exp(k z) / cosh(k z) has the mean 1 for every k, where z is the difference divided by the root
mean square of the differences so far: a number that the signs do not change. Such a product is a test
martingale, so its value is at least 1/p with a probability of at most p over all looks together (Ville's
inequality). Sources: Vovk and Wang, Nonparametric e-tests of symmetry, arXiv 2208.08925, 2024 (the
Fisher-type e-value); Ramdas et al., Game-theoretic statistics and safe anytime-valid inference, 2023.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

STRENGTHS = 0.05 * 2.0 ** np.arange(7)
"""Values of k: the effect sizes that the test is best for, 0.05 to 3.2 standard deviations. The e-value is
their mean over both signs, which costs a factor of at most 14."""

LEVEL = 0.95
_FAR = 2.0**40
"""The search for the end of an interval stops at so many times the largest distance from the mean, where
all differences look equal: the test does not reject at all then."""
_ACCURACY = 2.0**-30
"""Accuracy of an end, relative to the largest distance from the mean."""


def e_value(sums: FloatArray) -> float:
    """The evidence against random signs; 20 and more has a probability of at most 5% over all looks.

    Args:
        sums: the differences of all prompts in the order in which the prompts were finished, shape (N,).
    """
    return float(np.exp(_log_e(sums)))


def anytime_p(sums: FloatArray) -> float:
    """A two-sided p-value that is valid at every look: 1 / e, at most 1."""
    return float(min(1.0, np.exp(-_log_e(sums))))


def smallest_anytime_p(prompts: int) -> float:
    """The smallest p-value that this number of prompts can give: that of equal differences."""
    return anytime_p(np.ones(prompts))


def confidence_sequence(sums: FloatArray, counts: FloatArray) -> tuple[float | None, float | None]:
    """The ends of the interval that covers the true mean difference at all looks in 95% of data sets.

    It has every difference that the test does not reject.

    Args:
        sums: as for ``e_value``.
        counts: the number of pairs of videos of each prompt.

    Returns:
        None for an end that the data do not bound.
    """
    centre = float(sums.sum() / counts.sum())
    scale = float(np.abs(sums / counts - centre).max(initial=0.0)) or abs(centre) or 1.0
    limit = -math.log(1 - LEVEL)

    def rejected(distance: float) -> bool:
        return _log_e(sums - (centre + distance) * counts) >= limit

    if rejected(0.0):
        # The differences change over time, and no single difference fits all of them.
        return None, None
    low, high = _reach(rejected, -scale), _reach(rejected, scale)
    return None if low is None else centre + low, None if high is None else centre + high


def _reach(rejected: Callable[[float], bool], first: float) -> float | None:
    """The distance in the direction of ``first`` from which on the test rejects; None if it never does."""
    outer = first
    while not rejected(outer):
        outer *= 2
        if not np.isfinite(outer) or abs(outer) > _FAR * abs(first):
            return None
    inner = 0.0
    while abs(outer - inner) > _ACCURACY * abs(first):
        middle = (inner + outer) / 2
        inner, outer = (inner, middle) if rejected(middle) else (middle, outer)
    return outer


def _log_e(sums: FloatArray) -> float:
    counts = np.arange(1, len(sums) + 1)
    # Scaled first, so that no square overflows or vanishes.
    largest = float(np.abs(sums).max(initial=0.0))
    if largest == 0:
        return 0.0
    scaled = sums / largest
    spread = np.sqrt(np.cumsum(scaled**2) / counts)
    ratios = np.divide(scaled, spread, out=np.zeros(len(sums)), where=spread > 0)
    strengths = np.concatenate([STRENGTHS, -STRENGTHS])[:, None]
    # exp(kz) / cosh(kz) = 2 / (1 + exp(-2kz))
    logs = (np.log(2) - np.logaddexp(0, -2 * strengths * ratios)).sum(axis=1)
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))
