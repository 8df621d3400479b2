"""Rank correlations of scores within models: equal to another library, or a reason why there is none."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from t2vbatch.analysis.correlation import Correlation, correlation_table, correlations, spearman
from t2vbatch.output.records import results_schema

SCHEMA = results_schema(["one", "two"], pa.schema([]))


def results(model: str, one: Any, two: Any, videos: int = 1) -> pa.Table:
    """Results of a model: scores of prompts, each with ``videos`` videos around them."""
    rows = [
        {"sample_id": f"{row}-{seed}", "row_id": f"r{row}", "prompt": "p", "seed": seed, "model": model}
        | {"status": "ok", "one": a, "two": b}
        for row, (a, b) in enumerate(zip(one, two, strict=True))
        for seed in range(videos)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def only(**models: pa.Table) -> Correlation:
    """The correlation of the two scores of one model."""
    (found,) = correlations(models)
    return found


def test_the_value_is_scipys_also_with_ties() -> None:
    """Spearman's correlation equals that of scipy."""
    random = np.random.default_rng(0)
    one = random.integers(0, 5, 40).astype(float)
    two = one + random.normal(0, 2, 40)
    assert spearman(one, two).mean == pytest.approx(stats.spearmanr(one, two).statistic)


def test_prompts_are_the_units() -> None:
    """Five equal videos per prompt change neither the number of prompts nor the interval."""
    random = np.random.default_rng(1)
    one, two = random.normal(size=(2, 12))
    assert only(m=results("m", one, two)) == only(m=results("m", one, two, videos=5))


def test_prompts_of_equal_scores_are_ties_whatever_the_number_of_their_videos() -> None:
    """The mean of three scores of 0.1 differs from that of one in its last digit, which makes no rank."""
    random = np.random.default_rng(3)
    one, two = np.array([0.1, 0.2, 0.7])[random.integers(0, 3, 30)], np.arange(30.0)
    videos = random.integers(1, 8, 30)
    kept = pa.array([seed < count for count in videos for seed in range(8)])
    uneven = results("m", one, two, videos=8).filter(kept)
    value = only(m=uneven).value
    assert value is not None
    assert value.mean == pytest.approx(stats.spearmanr(one, two).statistic)


def test_models_are_not_mixed() -> None:
    """A model that is better in both scores does not make the scores agree."""
    random = np.random.default_rng(2)
    tables = {name: results(name, *(random.normal(size=(2, 60)) + add)) for name, add in (("a", 0), ("b", 9))}
    values = [found.value for found in correlations(tables)]
    assert all(value is not None and abs(value.mean) < 0.3 for value in values)


@pytest.mark.parametrize(
    ("one", "two", "reason"),
    [
        ([1.0] * 8, range(8), "one has the same value for every prompt"),
        ([1.0, 2.0, None, None, 5.0, 6.0], range(6), "4 prompts with both scores are fewer than 5"),
        ([1.0, 2.0, float("inf"), 4.0, 5.0], range(5), "4 prompts with both scores are fewer than 5"),
    ],
)
def test_without_a_correlation_there_is_a_reason(one: Any, two: Any, reason: str) -> None:
    """Constant scores, few prompts and scores that are not finite have a reason in place of a number."""
    found = only(m=results("m", one, [float(value) for value in two]))
    assert (found.value, found.reason) == (None, reason)
    assert reason in correlation_table([found])


def test_a_perfect_correlation_has_no_interval() -> None:
    """Equal ranks have the correlation 1, without an interval."""
    value = only(m=results("m", range(6), range(6))).value
    assert value is not None
    assert (value.mean, value.low, value.high) == (1, None, None)
