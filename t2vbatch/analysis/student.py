"""Student's t distribution for whole degrees of freedom.  [pure]

scipy would bring 35 MB and a second of import for these two functions; a test compares them with scipy.
"""

import math
from functools import cache
from statistics import NormalDist

NORMAL_FROM = 2000
"""Degrees of freedom from which the normal quantile replaces Student's: they differ by less than 0.1%."""


def t_probability(t: float, freedom: int) -> float:
    """P(T <= t). Source: Abramowitz and Stegun 26.7.3 (odd degrees of freedom) and 26.7.4 (even)."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for step in range(freedom // 2):
        total += term
        term *= cosine**2 * (2 * step + 1 + odd) / (2 * step + 2 + odd)
    both = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return 0.5 + math.copysign(both / 2, t)


@cache
def student_t(probability: float, freedom: int) -> float:
    """The quantile of Student's t distribution, for probabilities of at least one half.

    Args:
        freedom: degrees of freedom, at least 1.
    """
    if freedom >= NORMAL_FROM:
        return NormalDist().inv_cdf(probability)
    low, high = 0.0, 1.0
    while t_probability(high, freedom) < probability:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_probability(middle, freedom) < probability else (low, middle)
    return high
