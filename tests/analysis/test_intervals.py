"""Coverage of 95% intervals, and Student's t against scipy."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats

from t2vbatch.analysis.intervals import (
    NORMAL_FROM,
    Interval,
    mean_interval,
    score_interval,
    share_interval,
    skewness,
)
from t2vbatch.analysis.student import student_t, t_probability

Draw = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]
NOISES: dict[str, tuple[Draw, float]] = {
    "gaussian": (lambda random, n: random.normal(30, 3, n), 30.0),
    "skewed": (lambda random, n: random.exponential(1, n), 1.0),
    "heavy-tailed": (lambda random, n: random.standard_t(3, n), 0.0),
    "near a bound": (lambda random, n: random.beta(9, 1, n), 0.9),
}


def coverage(noise: str, prompts: int, seeds: int = 1, sets: int = 1000) -> float:
    """The share of data sets whose interval covers the true mean."""
    draw, truth = NOISES[noise]
    random = np.random.default_rng(prompts)
    clusters = np.repeat(np.arange(prompts), seeds)
    hits = 0
    for _ in range(sets):
        shared = draw(random, prompts)[clusters]
        interval = mean_interval(shared + random.normal(0, 0.1, len(clusters)), clusters)
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= truth <= interval.high
    return hits / sets


@pytest.mark.parametrize(
    ("noise", "prompts", "seeds"),
    [("gaussian", 5, 1), ("gaussian", 12, 4), ("gaussian", 40, 5), ("gaussian", NORMAL_FROM, 2)]
    + [(noise, prompts, 1) for noise in list(NOISES)[1:] for prompts in (10, 30)],
)
def test_intervals_cover_the_mean_in_95_percent_of_data_sets(noise: str, prompts: int, seeds: int) -> None:
    """Over 1,000 data sets the coverage is 93 to 97%, with 1.5 points for the noise of 1,000 sets."""
    assert 0.915 <= coverage(noise, prompts, seeds) <= 0.985


@pytest.mark.parametrize("prompts", [5, 8, 50])
def test_intervals_hold_for_unequal_numbers_of_videos(prompts: int) -> None:
    """With 1 to 5 videos per prompt the interval of the mean over videos covers in 93 to 97% of data sets."""
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        clusters = np.repeat(np.arange(prompts), random.integers(1, 6, prompts))
        values = random.normal(0, 3, prompts)[clusters] + random.normal(0, 1, len(clusters))
        interval = mean_interval(values, clusters)
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= 0 <= interval.high
    assert 930 <= hits <= 970


def test_ignoring_prompts_makes_intervals_too_narrow() -> None:
    """With noise shared by prompt, an interval over single videos is less than half as wide."""
    random = np.random.default_rng(1)
    clusters = np.repeat(np.arange(40), 10)
    values = random.normal(0, 3, 40)[clusters] + random.normal(0, 1, 400)
    by_prompt, by_video = (mean_interval(values, index) for index in (clusters, np.arange(400)))
    assert width(by_video) < width(by_prompt) / 2


def width(interval: Interval) -> float:
    """The width of an interval."""
    assert interval.low is not None
    assert interval.high is not None
    return interval.high - interval.low


@pytest.mark.parametrize("prompts", [2, 3, 5, 9])
def test_few_prompts_get_students_interval(prompts: int) -> None:
    """Below 10 prompts the interval is scipy's t interval of the prompt means."""
    means = np.random.default_rng(prompts).exponential(1, prompts)
    interval = mean_interval(np.repeat(means, 3), np.repeat(np.arange(prompts), 3))
    expected = scipy.stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_skewed_prompts_get_the_bootstrap_t_interval() -> None:
    """The end on the side of the long tail is that of an independent bootstrap-t, to its sampling error."""
    means = np.random.default_rng(4).exponential(1, 25)
    interval = mean_interval(means, np.arange(25))
    random, ratios = np.random.default_rng(99), []
    for _ in range(20_000):
        sample = random.choice(means, 25)
        ratios.append((sample.mean() - means.mean()) / scipy.stats.sem(sample))
    end = means.mean() - np.quantile(ratios, 0.025) * scipy.stats.sem(means)
    assert interval.high == pytest.approx(end, rel=0.03)
    assert interval.high is not None
    students = scipy.stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert interval.high > students.high
    assert interval.low == pytest.approx(students.low), "no end is nearer than Student's"


@pytest.mark.parametrize(
    ("means", "word"),
    [
        ([1.0], "one prompt"),
        ([1.0, 2.0, 4.0], "3 prompts are too few"),
        ([1.0, 2.0, 4.0, 5.0, 5.5, 7.0], "about normal"),
        ([1.0] * 29 + [0.0], "29 of 30 prompts have the same value"),
        ([1.0] * 30, "all 30 prompts have the same value"),
    ],
)
def test_unreliable_intervals_have_a_caution(means: list[float], word: str) -> None:
    """Too few prompts, and prompts that nearly all agree, give a reason not to rely on the interval."""
    caution = mean_interval(np.array(means), np.arange(len(means))).caution
    assert caution is not None
    assert word in caution
    assert mean_interval(np.arange(20.0), np.arange(20)).caution is None


def test_prompts_with_one_score_have_the_same_value_whatever_the_number_of_their_videos() -> None:
    """29 of 30 prompts with the score 0.1 are cautioned about, also with 1 to 7 videos per prompt."""
    clusters = np.repeat(np.arange(30), np.arange(30) % 7 + 1)
    caution = mean_interval(np.where(clusters == 29, 0.5, 0.1), clusters).caution
    assert caution is not None
    assert "29 of 30 prompts have the same value" in caution


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 10, 30, 199, 1999, 10**6])
def test_students_t_is_scipys(freedom: int) -> None:
    """Quantiles agree with scipy to a thousandth, below the switch to the normal to nine digits."""
    for probability in (0.5, 0.8, 0.975, 0.9999):
        expected = float(scipy.stats.t.ppf(probability, freedom))
        rel = 1e-9 if freedom < 2000 else 1e-3
        assert student_t(probability, freedom) == pytest.approx(expected, rel=rel, abs=1e-9)
    assert t_probability(-1.5, 7) == pytest.approx(float(scipy.stats.t.cdf(-1.5, 7)))


def test_skewness_is_scipys() -> None:
    """The sample skewness agrees with scipy, and is 0 for equal values."""
    values = np.random.default_rng(0).exponential(1, 30)
    assert skewness(values) == pytest.approx(float(scipy.stats.skew(values)))
    assert skewness(np.full(5, 0.1)) == 0


@pytest.mark.parametrize(("share", "prompts"), [(0.5, 10), (0.9, 20), (0.9, 50), (0.95, 100)])
def test_intervals_of_shares_cover_the_share(share: float, prompts: int) -> None:
    """The interval of a share near 1 covers it in 93% of data sets and more; Student's covers 88%."""
    random, clusters = np.random.default_rng(prompts), np.arange(prompts)
    found = [share_interval((random.random(prompts) < share).astype(float), clusters) for _ in range(1000)]
    covered = [one.low is None or one.high is None or one.low <= share <= one.high for one in found]
    assert np.mean(covered) > 0.93
    assert all(one.low is None or one.low <= one.mean <= (one.high or 1) for one in found)


def test_scores_of_0_and_1_have_the_interval_of_a_share() -> None:
    """A score that is 0 or 1 has an interval within 0 to 1; a score that is always 1 shows no spread."""
    clusters = np.arange(50)
    values = (clusters % 25 > 0).astype(float)
    assert score_interval(values, clusters) == share_interval(values, clusters)
    assert score_interval(np.ones(50), clusters).low is None
    assert score_interval(values * 2, clusters) == mean_interval(values * 2, clusters)


def test_the_unit_of_a_score_does_not_change_its_interval() -> None:
    """Scores of the size 1e-300 have the interval of the same scores of the size 1."""
    values, clusters = np.random.default_rng(0).exponential(1, 40), np.arange(40)
    found, tiny = (mean_interval(values * 2.0**power, clusters) for power in (0, -1000))
    assert found.low is not None
    assert found.high is not None
    assert (tiny.mean, tiny.low, tiny.high) == tuple(
        end * 2.0**-1000 for end in (found.mean, found.low, found.high)
    )
