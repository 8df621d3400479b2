"""The sign-flip permutation test of paired differences, and the power that it has.  [pure]"""

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from t2vbatch.analysis.student import student_t

FloatArray = npt.NDArray[np.float64]

EXACT_UP_TO = 13
"""Prompts up to which all 2^n sign patterns are counted: 2^13 = 8,192 are fewer than PERMUTATIONS."""

PERMUTATIONS = 9999
"""Random sign patterns for more prompts. With the observed pattern p-values come in steps of 0.0001, and 0.05
is accurate to 0.005."""

POWER = 0.8
_CHUNK = 1 << 24
"""Signs drawn at a time, which limits memory to about 150 MB for any number of prompts."""
_KEPT = 1 << 22
"""Signs that are kept for the next test of as many prompts: 4 MB, for up to 419 prompts."""

_TRIALS = 2000
"""Simulated data sets behind a detectable difference, which is then accurate to about 2%."""


def sign_flip_p(sums: FloatArray, tests: int = 1) -> float:
    """Two-sided p-value of the hypothesis that each of ``sums``, one per prompt, has a random sign.

    It is the share of sign patterns whose total is at least as far from 0 as the observed total: of all
    patterns up to EXACT_UP_TO prompts, else of random patterns and the observed one. The test is valid for
    every distribution that is symmetric under the hypothesis.

    Args:
        tests: tests that the p-value will be corrected for. A small p-value is then counted with more
            patterns, so that its steps do not hide a difference: see ``patterns``.
    """
    if len(sums) <= EXACT_UP_TO:
        return float(_as_far(_all_patterns(len(sums)), sums).mean())
    as_far = 1 + _count(0, sums, PERMUTATIONS)
    more = patterns(tests) - PERMUTATIONS
    if not more or as_far / (PERMUTATIONS + 1) * tests > 1:
        return as_far / (PERMUTATIONS + 1)
    return (as_far + _count(1, sums, more)) / (PERMUTATIONS + more + 1)


def patterns(tests: int) -> int:
    """Random sign patterns behind a p-value that is corrected for this number of tests: PERMUTATIONS, or
    enough for a corrected p-value in steps of 0.01.
    """
    return max(PERMUTATIONS, 100 * tests - 1)


def smallest_p(prompts: int, tests: int = 1) -> float:
    """The smallest p-value that the test can give for this number of prompts."""
    return 2 / 2**prompts if prompts <= EXACT_UP_TO else 1 / (patterns(tests) + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p-values that are valid for all hypotheses together."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    steps = (len(p_values) - np.arange(len(p_values))) * np.asarray(p_values, float)[order]
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(p) for p in corrected]


@cache
def detectable_effect(prompts: int, alpha: float) -> float | None:
    """The true difference that the test detects with 80% power, in standard deviations between prompts.

    Args:
        alpha: significance level of this test: 0.05 divided by the number of tests, for Holm's first step.

    Returns:
        None if the test cannot reach ``alpha``. Up to EXACT_UP_TO prompts it is simulated with normal
        differences, for more prompts it is that of Student's t test, by the approximation 26.7.10 of
        Abramowitz and Stegun, Handbook of Mathematical Functions, 1964.
    """
    if prompts < 2 or smallest_p(prompts, round(0.05 / alpha)) > alpha:
        return None
    if prompts <= EXACT_UP_TO:
        return _simulated_effect(prompts, int(alpha * 2**prompts / 2 * (1 + 1e-9)))
    freedom = prompts - 1
    limit = student_t(1 - alpha / 2, freedom)
    spread = math.sqrt(1 + limit**2 / (2 * freedom))
    return (limit * (1 - 1 / (4 * freedom)) + NormalDist().inv_cdf(POWER) * spread) / math.sqrt(prompts)


def _count(seed: int, sums: FloatArray, count: int) -> int:
    """How many of ``count`` random sign patterns have a total as far from 0 as the observed one."""
    if count * len(sums) <= _KEPT:
        return int(_as_far(_random_patterns(seed, count, len(sums)), sums).sum())
    random = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // len(sums))
    found = 0
    for start in range(0, count, chunk):
        size = (min(chunk, count - start), len(sums))
        found += int(_as_far(random.integers(0, 2, size, dtype=np.int8), sums).sum())
    return found


@lru_cache(maxsize=16)
def _random_patterns(seed: int, count: int, prompts: int) -> npt.NDArray[np.int8]:
    """Random sign patterns, shape (count, prompts). All tests of as many prompts use the same ones."""
    return np.random.default_rng(seed).integers(0, 2, (count, prompts), dtype=np.int8)


def _simulated_effect(prompts: int, allowed: int) -> float:
    """The effect for a critical region of ``allowed`` sign patterns on each side.

    A pattern that flips the prompts F is as extreme as the observed one if the mean over F of noise +
    effect is at most 0. The effect is significant if fewer than ``allowed`` sets F satisfy that, so each
    simulated noise has a smallest significant effect: minus the ``allowed``-th smallest mean over a set F.
    """
    sets = _all_patterns(prompts)[1:].astype(float)
    sizes = sets.sum(axis=1)
    noise = np.random.default_rng(0).normal(size=(_TRIALS, prompts))
    smallest = [-np.partition(sets @ trial / sizes, allowed - 1)[allowed - 1] for trial in noise]
    return float(np.quantile(smallest, POWER))


@cache
def _all_patterns(prompts: int) -> npt.NDArray[np.int8]:
    """All sign patterns, shape (2^n, n): 1 for a sign that is kept. The first row keeps none."""
    numbers = np.arange(2**prompts)[:, None]
    return (numbers >> np.arange(prompts) & 1).astype(np.int8)


def _as_far(patterns: npt.NDArray[np.int8], sums: FloatArray) -> npt.NDArray[np.bool_]:
    # Totals that are mathematically equal differ in the last digit if summed in another order.
    least = abs(sums.sum()) - 1e-9 * np.abs(sums).sum()
    found: npt.NDArray[np.bool_] = np.abs(patterns @ (2 * sums) - sums.sum()) >= least
    return found
