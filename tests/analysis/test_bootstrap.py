"""Whether a 95% interval holds the truth in 95% of all data sets."""

import numpy as np
import pytest

from t2vbatch.analysis.bootstrap import EXACT_FROM, mean_interval, student_t


@pytest.mark.parametrize(("rows", "samples"), [(12, 4), (40, 5), (EXACT_FROM, 2)])
def test_intervals_hold_the_truth_in_95_percent_of_data_sets(rows: int, samples: int) -> None:
    """Over 1,000 data sets whose videos share noise by prompt, 93 to 97% of the intervals hold the mean."""
    random = np.random.default_rng(rows)
    clusters = np.repeat(np.arange(rows), samples)
    hits = 0
    for _ in range(1000):
        values = 30 + random.normal(0, 3, rows)[clusters] + random.normal(0, 1, rows * samples)
        interval = mean_interval(values, clusters)
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= 30 <= interval.high
    assert 930 <= hits <= 970


def test_intervals_hold_when_rows_have_unequal_numbers_of_videos() -> None:
    """Failed samples make clusters unequal; the coverage stays, around the mean over videos."""
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        clusters = np.repeat(np.arange(50), random.integers(1, 6, 50))
        values = random.normal(0, 3, 50)[clusters] + random.normal(0, 1, len(clusters))
        interval = mean_interval(values, clusters)
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= 0 <= interval.high
    assert 930 <= hits <= 970


def test_ignoring_clusters_would_be_too_sure() -> None:
    """With noise shared by prompt, an interval over single videos is less than half as wide."""
    random = np.random.default_rng(1)
    clusters = np.repeat(np.arange(40), 10)
    values = random.normal(0, 3, 40)[clusters] + random.normal(0, 1, 400)
    honest, naive = mean_interval(values, clusters), mean_interval(values, np.arange(400))
    assert honest.low is not None
    assert honest.high is not None
    assert naive.low is not None
    assert naive.high is not None
    assert naive.high - naive.low < (honest.high - honest.low) / 2


@pytest.mark.parametrize(
    ("freedom", "expected"), [(4, 2.7764), (10, 2.2281), (30, 2.0423), (200, 1.9719), (10**6, 1.95996)]
)
def test_students_t_is_that_of_the_tables(freedom: int, expected: float) -> None:
    """The 97.5% quantile agrees with printed tables to a thousandth."""
    assert student_t(0.975, freedom) == pytest.approx(expected, rel=1e-3)
