"""The two tests of paired differences by prompt: one for a number of prompts that was decided before, and one
that is valid at every look.  [pure]
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2vbatch.analysis.intervals import Interval, is_constant, mean_interval, share_interval, within_0_and_1
from t2vbatch.analysis.sequential import anytime_p, confidence_sequence, smallest_anytime_p
from t2vbatch.analysis.sign_flip import detectable_effect, sign_flip_p, smallest_p

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairedTest:
    """A test and its interval.

    Attributes:
        p: total difference of each prompt, number of tests -> two-sided p-value, before correction.
        smallest_p: number of prompts, number of tests -> the smallest p-value that the test can give.
        interval: differences and their prompts -> mean with a 95% interval.
        share: the same for values from 0 to 1.
        detectable: number of prompts, significance level -> what the test detects with 80% power, in
            standard deviations between prompts; None if that is unknown or nothing.
        by_arrival: whether prompts must be in the order in which they were finished.
    """

    p: Callable[[FloatArray, int], float]
    smallest_p: Callable[[int, int], float]
    interval: Callable[[FloatArray, npt.NDArray[np.intp]], Interval]
    share: Callable[[FloatArray, npt.NDArray[np.intp]], Interval]
    detectable: Callable[[int, float], float | None]
    by_arrival: bool


def _sequence(differences: FloatArray, prompts: npt.NDArray[np.intp]) -> Interval:
    """The mean and its confidence sequence; ``prompts`` counts them in the order of arrival."""
    mean = float(differences.mean())
    sums, counts = np.bincount(prompts, differences), np.bincount(prompts)
    if len(sums) > 1 and is_constant(sums / counts):
        return Interval(
            mean, None, None, f"all {len(sums)} prompts have the same value, which shows no spread"
        )
    low, high = confidence_sequence(sums.astype(float), counts.astype(float))
    if low is None or high is None:
        return Interval(mean, None, None, f"too few prompts ({len(sums)}) for an interval at every look")
    return Interval(mean, low, high)


SIGN_FLIP = PairedTest(
    sign_flip_p, smallest_p, mean_interval, share_interval, detectable_effect, by_arrival=False
)
"""The sign-flip test, for one comparison with a number of prompts that was decided before the run."""

ANYTIME = PairedTest(
    lambda sums, tests: anytime_p(sums),
    lambda prompts, tests: smallest_anytime_p(prompts),
    _sequence,
    lambda values, prompts: within_0_and_1(_sequence(values, prompts)),
    lambda prompts, alpha: None,
    by_arrival=True,
)
"""The test for comparisons that are repeated while the run grows."""
