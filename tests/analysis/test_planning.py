"""Variance components and the numbers of prompts that reach a goal, against simulation and scipy."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

from t2vbatch.analysis.intervals import mean_interval
from t2vbatch.analysis.planning import Components, Goal, components, plans, prompts_needed
from t2vbatch.analysis.sign_flip import sign_flip_p
from t2vbatch.errors import UsageError


def drawn(random: np.random.Generator, prompts: int, seeds: int, between: float, within: float) -> Any:
    """Differences with these standard deviations between prompts and between seeds, and their prompts."""
    index = np.repeat(np.arange(prompts), seeds)
    noise = random.normal(0, within, len(index))
    return random.normal(0, between, prompts)[index] + noise, index


def test_components_are_those_of_the_simulation() -> None:
    """Over 200 data sets the mean estimates are the true variances, also with unequal numbers of videos."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(200):
        differences, index = drawn(random, 40, 3, 2.0, 1.0)
        kept = random.random(len(index)) < 0.8
        kept[::3] = True
        one = components(differences[kept], index[kept])
        assert one is not None
        assert one.within is not None
        found.append((one.between, one.within))
    assert np.mean(found, axis=0) == pytest.approx([4.0, 1.0], rel=0.05)


def test_components_are_those_of_scipys_analysis_of_variance() -> None:
    """In a balanced design the mean squares give scipy's F."""
    differences, index = drawn(np.random.default_rng(1), 12, 4, 1.0, 1.0)
    one = components(differences, index)
    assert one is not None
    assert one.within is not None
    f = scipy.stats.f_oneway(*differences.reshape(12, 4)).statistic
    assert (one.within + 4 * one.between) / one.within == pytest.approx(f)


def test_a_component_is_not_negative() -> None:
    """Prompts with equal means and different seeds have no variance of their own."""
    one = components(np.array([-1.0, 1.0, -1.0, 1.0]), np.array([0, 0, 1, 1]))
    assert one == Components(0.0, 2.0)


def test_one_video_per_prompt_cannot_separate_the_components() -> None:
    """The variance is then that between videos, and only plans with one video per prompt exist."""
    values = np.random.default_rng(2).normal(0, 3, 50)
    one = components(values, np.arange(50))
    assert one is not None
    assert one.between == pytest.approx(values.var(ddof=1))
    assert (one.within, one.share) == (None, None)
    assert list(plans(one, Goal("width", 1.0), 1)) == [1]
    assert components(np.ones(3), np.zeros(3, int)) is None


def test_a_width_is_reached_by_the_planned_prompts() -> None:
    """The smallest number of prompts whose expected interval is narrow enough, by scipy's quantile."""
    needed = prompts_needed(4.0, Goal("width", 1.0), 1)
    assert needed is not None

    def width(prompts: int) -> float:
        return float(2 * scipy.stats.t.ppf(0.975, prompts - 1) * 2 / math.sqrt(prompts))

    assert width(needed) <= 1 < width(needed - 1)
    random = np.random.default_rng(3)
    widths = []
    for _ in range(200):
        interval = mean_interval(random.normal(0, 2, needed), np.arange(needed))
        widths.append((interval.high or 0) - (interval.low or 0))
    assert np.mean(widths) == pytest.approx(1, rel=0.03)


def test_a_difference_is_detected_with_the_planned_prompts() -> None:
    """With the planned prompts 80% of data sets are significant after correction for 6 tests."""
    needed = prompts_needed(1.0, Goal("detect", 0.5), 6)
    assert needed is not None
    random = np.random.default_rng(4)
    found = [sign_flip_p(random.normal(0.5, 1, needed)) * 6 < 0.05 for _ in range(300)]
    assert 0.73 <= np.mean(found) <= 0.87


def test_more_seeds_reduce_only_their_part() -> None:
    """Five videos per prompt need fewer prompts than one, by the share of the variance within prompts."""
    found = plans(Components(1.0, 1.0), Goal("width", 0.2), 1)
    assert found[1] is not None
    assert found[5] is not None
    assert found[5] / found[1] == pytest.approx((1 + 1 / 5) / 2, rel=0.02)
    assert prompts_needed(1e9, Goal("width", 1e-3), 1) is None


@pytest.mark.parametrize("text", ["width", "width=0", "width=x", "power=1", "detect=-1", "width=inf"])
def test_an_unknown_goal_is_rejected(text: str) -> None:
    """Only a positive width or difference is a goal."""
    with pytest.raises(UsageError, match="--plan"):
        Goal.parse(text)
