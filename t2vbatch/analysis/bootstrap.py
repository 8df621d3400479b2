"""How sure a mean over videos is: confidence intervals by cluster bootstrap.  [pure]

The videos of one row share its prompt, so they are not independent observations: what is drawn again is the
row with all its videos, never the single video. Every draw is seeded, so that a table of results always
gives the same digits.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
LEVEL = 0.95
DRAWS = 2000
"""An end of the interval then lies within about 0.5 percentage points of its nominal coverage."""

EXACT_FROM = 2000
"""From this many rows on, the distribution of a mean is normal to plotting accuracy, and its closed form
saves drawing rows x DRAWS numbers."""


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its 95% confidence interval; None where one row tells nothing of the spread."""

    mean: float
    low: float | None
    high: float | None


def mean_interval(values: FloatArray, clusters: npt.NDArray[np.int64]) -> Interval:
    """The mean of ``values`` (shape (N,)) and its interval when whole clusters are drawn again.

    Args:
        values: one finite number a video, at least one.
        clusters: which row each belongs to, any integers, shape (N,).
    """
    _, index = np.unique(clusters, return_inverse=True)
    sums = np.bincount(index, values).astype(float)
    counts = np.bincount(index).astype(float)
    mean, rows = float(values.mean()), len(sums)
    if rows < 2:
        return Interval(mean, None, None)
    if rows >= EXACT_FROM:
        spread = NormalDist().inv_cdf((1 + LEVEL) / 2) * standard_error(sums, counts)
        return Interval(mean, mean - spread, mean + spread)
    tail = _expanded_tail(rows)
    low, high = np.quantile(_draws(sums, counts), [tail, 1 - tail])
    return Interval(mean, float(low), float(high))


def student_t(probability: float, freedom: int) -> float:
    """The quantile of Student's t, for probabilities of at least one half.

    Abramowitz and Stegun 26.7.5: right to 0.1% from 4 degrees of freedom on; below, it is too small.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


def standard_error(sums: FloatArray, counts: FloatArray) -> float:
    """Of the mean sum(sums) / sum(counts) over clusters, linearised: Cochran, Sampling Techniques, 6.3."""
    rows = len(sums)
    residuals = sums - counts * (sums.sum() / counts.sum())
    return math.sqrt(rows / (rows - 1) * float(residuals @ residuals)) / float(counts.sum())


def _expanded_tail(rows: int) -> float:
    """Which quantile of the draws is the end of the interval.

    Few clusters make the plain percentile interval too narrow, as dividing by n and reading the normal table
    would; this widens it to Student's (Hesterberg, What Teachers Should Know About the Bootstrap, 2015).
    """
    wide = math.sqrt(rows / (rows - 1)) * student_t((1 + LEVEL) / 2, rows - 1)
    return NormalDist().cdf(-wide)


def _draws(sums: FloatArray, counts: FloatArray) -> FloatArray:
    """Means of DRAWS bootstrap samples, each as many clusters as there are, drawn with replacement."""
    rows = len(sums)
    weights = np.random.default_rng(0).multinomial(rows, np.full(rows, 1 / rows), size=DRAWS)
    return np.asarray((weights @ sums) / (weights @ counts), dtype=float)
