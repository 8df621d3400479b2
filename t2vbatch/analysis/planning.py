"""How many prompts, and videos per prompt, the next comparison needs.  [pure]

The variance of a paired difference has two parts: one between prompts and one between the seeds of a
prompt. More videos per prompt reduce only the second part, so a few seeds and more prompts are nearly
always cheaper.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt

from t2vbatch.analysis.intervals import LEVEL, is_constant
from t2vbatch.analysis.sign_flip import detectable_effect
from t2vbatch.analysis.student import student_t
from t2vbatch.errors import UsageError

SEEDS = (1, 2, 5)
"""Videos per prompt of the plans."""

MOST = 10_000_000
"""Prompts at which the search ends."""


@dataclass(frozen=True)
class Goal:
    """What the next comparison shall reach.

    Attributes:
        kind: ``width``: an interval of the difference with at most this width; ``detect``: significance of
            this true difference in 4 of 5 cases.
    """

    kind: Literal["width", "detect"]
    value: float

    @staticmethod
    def parse(text: str) -> "Goal":
        """``width=W`` or ``detect=D``. Raises UsageError for anything else."""
        kind, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if kind == "width" and 0 < value < float("inf"):
            return Goal("width", value)
        if kind == "detect" and 0 < value < float("inf"):
            return Goal("detect", value)
        raise UsageError("--plan", text, "width=W or detect=D with a positive number")


@dataclass(frozen=True)
class Components:
    """Variances of a paired difference.

    Attributes:
        between: of the prompts' true differences, at least 0.
        within: of the differences of one prompt over seeds; None if every prompt has a single video.
    """

    between: float
    within: float | None

    def of_prompt(self, seeds: int) -> float | None:
        """The variance of a prompt's mean difference over ``seeds`` videos; None if it is unknown."""
        if self.within is None:
            return self.between if seeds == 1 else None
        return self.between + self.within / seeds

    @property
    def share(self) -> float | None:
        """The share of the variance that lies between prompts; None if it is unknown or there is no
        variance.
        """
        if self.within is None or self.between + self.within == 0:
            return None
        return self.between / (self.between + self.within)


def components(differences: npt.NDArray[np.float64], prompts: npt.NDArray[np.intp]) -> Components | None:
    """Variance components by analysis of variance: Searle et al., Variance Components, 1992, section 3.6.

    Args:
        differences: one paired difference per video, shape (N,).
        prompts: the index of the prompt of each difference, shape (N,).

    Returns:
        None for fewer than two prompts, or for equal differences. With one video per prompt ``between``
        holds both parts.
    """
    counts = np.bincount(prompts).astype(float)
    rows, videos = len(counts), len(differences)
    if rows < 2 or is_constant(differences):
        return None
    means = np.bincount(prompts, differences) / counts
    across = float(counts @ (means - differences.mean()) ** 2) / (rows - 1)
    if videos == rows:
        return Components(across, None)
    inner = float(((differences - means[prompts]) ** 2).sum()) / (videos - rows)
    size = (videos - float(counts @ counts) / videos) / (rows - 1)
    return Components(max(0.0, (across - inner) / size), inner)


def prompts_needed(variance: float, goal: Goal, tests: int) -> int | None:
    """The smallest number of prompts that reaches the goal; None if MOST do not.

    Args:
        variance: of a prompt's mean difference.
        tests: number of tests that Holm's correction covers.
    """
    deviation = sqrt(variance)

    def reached(prompts: int) -> bool:
        if goal.kind == "width":
            quantile = student_t((1 + LEVEL) / 2, prompts - 1)
            return 2 * quantile * deviation / sqrt(prompts) <= goal.value
        effect = detectable_effect(prompts, 0.05 / max(1, tests))
        return effect is not None and effect * deviation <= goal.value

    return _smallest(reached)


def _smallest(reached: Callable[[int], bool]) -> int | None:
    """The smallest number from 2 on for which ``reached`` is true, by doubling and bisection."""
    high = 2
    while not reached(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle >= 2 and reached(middle) else (middle, high)
    return high


def plans(found: Components, goal: Goal, tests: int, seeds: Sequence[int] = SEEDS) -> dict[int, int | None]:
    """Videos per prompt: prompts that reach the goal; without the unknown ones."""
    variances = {count: found.of_prompt(count) for count in seeds}
    return {
        count: prompts_needed(variance, goal, tests)
        for count, variance in variances.items()
        if variance is not None
    }
