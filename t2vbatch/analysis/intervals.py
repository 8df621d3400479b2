"""Confidence intervals of means over videos.  [pure]

The videos of one prompt are not independent, so the prompt with all its videos is the unit of every interval.
All random draws are seeded: the same results table always gives the same digits. ``tests/benchmarks``
measures how often the intervals cover the true mean.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from t2vbatch.analysis.student import student_t

FloatArray = npt.NDArray[np.float64]
LEVEL = 0.95
DRAWS = 2000
"""Bootstrap samples. The ends of an interval then lie within 0.5 percentage points of their coverage."""

BOOTSTRAP_FROM = 10
"""With fewer prompts the bootstrap distribution is too coarse, and Student's t interval is used for all
data.
"""

NORMAL_FROM = 1000
"""From this number of prompts on, a mean of skewed data is close to normal, and the bootstrap saves
nothing.
"""

SKEWED = 0.5
"""Sample skewness above which the bootstrap is used: for prompt means that look symmetric, Student's t
interval covers the mean in 94 to 97% of data sets, the bootstrap interval of heavy-tailed data only in 91
to 93%."""

TRUSTED_FROM = 5
"""With fewer prompts no interval is reliable, unless the scores are known to be normal."""


ROUNDING = 1e-9
"""Relative difference up to which two scores are equal. Sums of the same 64-bit numbers in another order
differ by less, and the 32-bit numbers of networks are accurate to 6e-8 only."""

LARGEST = 1e100
"""A score with a larger magnitude counts as infinite: its square would overflow."""


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its 95% confidence interval.

    Attributes:
        low, high: None if the prompts show no spread: a single prompt, or equal means of all prompts.
        caution: why the interval is not reliable; None if it is.
    """

    mean: float
    low: float | None
    high: float | None
    caution: str | None = None


def mean_interval(values: FloatArray, clusters: npt.NDArray[np.int64]) -> Interval:
    """The mean of ``values`` (shape (N,)) and its 95% interval, with prompts as independent units.

    The interval is Student's t interval on prompt means, with the linearised standard error and the effective
    number of prompts if prompts have different numbers of videos. From BOOTSTRAP_FROM prompts on, if the
    prompt means are skewed, an end of the bootstrap-t interval (Hall, The Bootstrap and Edgeworth Expansion,
    1992, section 1.3) replaces an end of Student's where it lies further from the mean.

    Args:
        values: one finite number per video, at least one.
        clusters: the prompt of each video as any integers, shape (N,).
    """
    mean, unit = float(values.mean()), unit_of(values)
    sums, counts = _by_prompt(values / unit, clusters)
    prompts = len(sums)
    if prompts < 2:
        return Interval(mean, None, None, "one prompt is too few for an interval")
    if is_constant(sums / counts):
        return Interval(mean, None, None, f"all {prompts} prompts have the same value, which shows no spread")
    low, high = _ends(sums, counts, standard_error(sums, counts))
    return Interval(mean, mean + low * unit, mean + high * unit, _caution(sums / counts, counts))


def score_interval(values: FloatArray, clusters: npt.NDArray[np.int64]) -> Interval:
    """As ``mean_interval``; as ``share_interval`` if some values are 0 and all others are 1."""
    binary = bool(np.isin(values, (0.0, 1.0)).all()) and 0 < values.mean() < 1
    return share_interval(values, clusters) if binary else mean_interval(values, clusters)


def share_interval(values: FloatArray, clusters: npt.NDArray[np.int64]) -> Interval:
    """As ``mean_interval`` for values from 0 to 1, which has ends from 0 to 1.

    The interval is Wilson's (Probable inference, 1927) with Student's quantile, for as many independent
    trials as have the standard error of the prompts: Korn and Graubard, Confidence intervals for proportions
    with small expected number of positive counts, 1998. If all values are 0, or all are 1, it is that of
    Clopper and Pearson (The use of confidence or fiducial limits, 1934) with each prompt as one trial.
    """
    sums, counts = _by_prompt(values, clusters)
    share, prompts = float(values.mean()), len(sums)
    if share in (0.0, 1.0):
        reach = 1 - ((1 - LEVEL) / 2) ** (1 / prompts)
        return Interval(share, max(0.0, share - reach), min(1.0, share + reach))
    if prompts < 2 or is_constant(sums / counts):
        return mean_interval(values, clusters)
    quantile = student_t((1 + LEVEL) / 2, _freedom(counts))
    loss = (quantile * standard_error(sums, counts)) ** 2 / (share * (1 - share))
    centre = (share + loss / 2) / (1 + loss)
    reach = math.sqrt(loss * share * (1 - share) + loss**2 / 4) / (1 + loss)
    caution = f"{prompts} prompts are too few for a reliable interval" if prompts < TRUSTED_FROM else None
    return Interval(share, max(0.0, centre - reach), min(1.0, centre + reach), caution)


def within_0_and_1(found: Interval) -> Interval:
    """The interval of a share, which ends at 0 and 1."""
    low = None if found.low is None else max(0.0, found.low)
    high = None if found.high is None else min(1.0, found.high)
    return replace(found, low=low, high=high)


def standard_error(sums: FloatArray, counts: FloatArray) -> float:
    """The linearised standard error of sum(sums) / sum(counts): Cochran, Sampling Techniques, 6.3."""
    prompts = effective_prompts(counts)
    residuals = sums - counts * (sums.sum() / counts.sum())
    return math.sqrt(prompts / (prompts - 1) * float(residuals @ residuals)) / float(counts.sum())


def effective_prompts(counts: FloatArray) -> float:
    """How many prompts with equal numbers of videos have as accurate a mean.

    Source: Kish, Survey Sampling, 1965, section 11.7.

    Args:
        counts: the number of videos of each prompt.
    """
    return float(counts.sum()) ** 2 / float(counts @ counts)


def skewness(values: FloatArray) -> float:
    """The sample skewness m3 / m2^1.5; 0 for values that are all equal."""
    centred = values - values.mean()
    spread = float((centred**2).mean())
    # The square of a tiny spread is 0 too.
    return 0.0 if is_constant(values) or spread**1.5 == 0 else float((centred**3).mean()) / spread**1.5


def _by_prompt(values: FloatArray, clusters: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """The sum and the number of the values of each prompt."""
    _, index = np.unique(clusters, return_inverse=True)
    return np.bincount(index, values).astype(float), np.bincount(index).astype(float)


def unit_of(values: FloatArray) -> float:
    """A power of two, in which no square of a value overflows or vanishes and no digit changes."""
    return 2.0 ** math.frexp(float(np.abs(values).max()))[1]


def _ends(sums: FloatArray, counts: FloatArray, error: float) -> tuple[float, float]:
    """Both ends of the interval, relative to the mean."""
    prompts = len(sums)
    reach = student_t((1 + LEVEL) / 2, _freedom(counts)) * error
    if not BOOTSTRAP_FROM <= prompts < NORMAL_FROM or abs(skewness(sums / counts)) <= SKEWED:
        return -reach, reach
    ratios = _bootstrap_t(sums, counts)
    if len(ratios) < DRAWS * LEVEL:
        return -reach, reach
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return min(-reach, -float(high) * error), max(reach, -float(low) * error)


def _freedom(counts: FloatArray) -> int:
    """The degrees of freedom of Student's t."""
    return max(1, round(effective_prompts(counts)) - 1)


def _bootstrap_t(sums: FloatArray, counts: FloatArray) -> FloatArray:
    """(mean* - mean) / standard error* of bootstrap samples of prompts; samples without spread are left out.

    A sample has the effective number of prompts: the mean of prompts with different numbers of videos is as
    inaccurate as that.
    """
    drawn = max(2, round(effective_prompts(counts)))
    weights = _bootstrap_weights(len(sums), drawn)
    residuals = sums - counts * (sums.sum() / counts.sum())
    videos = weights @ counts
    shift = (weights @ residuals) / videos
    squares = weights @ residuals**2 - 2 * shift * (weights @ (residuals * counts))
    squares += shift**2 * (weights @ counts**2)
    errors = np.sqrt(drawn / (drawn - 1) * np.maximum(squares, 0)) / videos
    spread = errors > 1e-6 * errors.max(initial=0.0)
    return np.asarray(shift[spread] / errors[spread], dtype=float)


@lru_cache(maxsize=4)
def _bootstrap_weights(prompts: int, drawn: int) -> FloatArray:
    """How often each prompt is in each bootstrap sample of ``drawn`` prompts, shape (DRAWS, prompts): at
    most 16 MB.
    """
    draws = np.random.default_rng(0).multinomial(drawn, np.full(prompts, 1 / prompts), size=DRAWS)
    return np.asarray(draws, dtype=float)


def _caution(means: FloatArray, counts: FloatArray) -> str | None:
    """Why the interval of these prompt means is not reliable."""
    prompts, effective = len(means), round(effective_prompts(counts))
    if prompts < TRUSTED_FROM:
        return f"{prompts} prompts are too few for a reliable interval"
    most = int(np.bincount(levels(means)).max())
    # With the share of one value above this, over 5% of bootstrap samples hold nothing else.
    if most == prompts or (most / prompts) ** prompts > 1 - LEVEL:
        return f"{most} of {prompts} prompts have the same value, so the interval is not reliable"
    if effective < BOOTSTRAP_FROM:
        like = "" if effective == prompts else f", as accurate as {effective} with equal numbers of videos,"
        return f"with {prompts} prompts{like} the interval assumes that prompt means are about normal"
    return None


def levels(values: FloatArray) -> npt.NDArray[np.intp]:
    """The place of each value among the different ones, from 0; values that are equal but for rounding share
    a place.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    apart = np.diff(ordered) > ROUNDING * np.maximum(np.abs(ordered[:-1]), np.abs(ordered[1:]))
    found = np.zeros(len(values), np.intp)
    found[order[1:]] = np.cumsum(apart)
    return found


def is_constant(values: FloatArray) -> bool:
    """Whether all values are equal, but for rounding."""
    return float(np.ptp(values)) <= 1e-12 * float(np.abs(values).max(initial=0.0))
