"""The sequential test: the sign patterns that it averages over, its false positives, its interval."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest

from t2vbatch.analysis.compare import compare, models_by_name
from t2vbatch.analysis.sequential import STRENGTHS, anytime_p, confidence_sequence, e_value
from t2vbatch.metrics.protocol import Column
from tests.analysis.test_compare import noisy, rows_of, table
from tests.benchmarks.statistics import false_winners_with_missing, significant_at_any_look


def test_the_e_value_has_mean_1_over_all_signs() -> None:
    """Over all sign patterns of any differences, the e-value of each prefix has the mean 1."""
    sizes = np.array([3.0, 0.1, 40.0, 0.0, 2.0, 2.0, 0.7])
    patterns = [np.array(signs) for signs in product((-1, 1), repeat=len(sizes))]
    for prompts in range(1, len(sizes) + 1):
        values = [e_value((sizes * signs)[:prompts]) for signs in patterns]
        assert np.mean(values) == pytest.approx(1)


def test_the_e_value_is_that_of_the_definition() -> None:
    """The mean over strengths k of the product of exp(kz) / cosh(kz), z scaled by the differences so far."""
    sums = np.array([1.0, -2.0, 4.0])
    ratios = sums / np.sqrt(np.array([1, (1 + 4) / 2, (1 + 4 + 16) / 3]))
    each = [np.prod(np.exp(k * ratios) / np.cosh(k * ratios)) for k in (*STRENGTHS, *-STRENGTHS)]
    assert e_value(sums) == pytest.approx(np.mean(each))
    assert e_value(1e200 * sums) == pytest.approx(np.mean(each))
    assert anytime_p(sums) == min(1, 1 / e_value(sums))


def test_equal_models_have_no_winner_at_any_look() -> None:
    """With a look every 10 prompts up to 100, at most 5% of sets of equal models ever have p < 0.05."""
    assert significant_at_any_look(anytime_p, "heavy-tailed (t, 3 degrees)", 100, 0.0, 400) <= 0.05
    assert significant_at_any_look(anytime_p, "Gaussian", 100, 0.5, 100) > 0.8


def test_missing_scores_make_no_winner_at_any_look() -> None:
    """With the lowest 20% of one model missing, bounds name at most 5% false winners; dropping names many."""
    noise = "near a bound (beta 9, 1)"
    assert false_winners_with_missing("lowest", "bounds", noise, 100, 100) <= 0.05
    assert false_winners_with_missing("lowest", "drop", noise, 100, 100) > 0.2


@pytest.mark.parametrize("sums", [[], [0.0, 0.0], [0.0, 1.0]], ids=str)
def test_few_or_equal_differences_are_no_evidence(sums: list[float]) -> None:
    """Without differences p is 1, and few prompts bound nothing."""
    assert anytime_p(np.array(sums)) > 0.5
    if len(sums):
        assert confidence_sequence(np.array(sums), np.ones(len(sums))) == (None, None)


def test_the_interval_has_the_differences_that_are_not_rejected() -> None:
    """Just inside both ends p is above 0.05, just outside it is below; constant differences have no width."""
    sums = np.random.default_rng(3).normal(1, 1, 40)
    counts = np.ones(40)
    low, high = confidence_sequence(sums, counts)
    assert low is not None
    assert high is not None
    for end, outwards in ((low, -1), (high, 1)):
        assert anytime_p(sums - (end - outwards * 1e-6)) > 0.05
        assert anytime_p(sums - (end + outwards * 1e-6)) < 0.05
    assert confidence_sequence(np.full(20, 3.0), counts[:20]) == pytest.approx((3, 3))


def finished(rows: list[dict[str, Any]], order: list[int]) -> list[dict[str, Any]]:
    """The rows with times: row ``order[n]`` is finished after n minutes."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        row | {"finished_at": start + timedelta(minutes=order.index(int(row["row_id"][3:])))} for row in rows
    ]


def test_differences_that_change_over_time_bound_nothing() -> None:
    """40 small losses and then one large win: the test rejects their mean, and so every difference."""
    sums = np.array([-0.1] * 40 + [4.0])
    assert confidence_sequence(sums, np.ones(41)) == (None, None)


def test_prompts_count_in_the_order_in_which_they_were_finished() -> None:
    """The p-value is that of the totals of prompts by time, not by their names."""
    order = list(np.random.default_rng(0).permutation(30))
    first, second = noisy(30, 2, 1, 1), noisy(30, 2, 0, 2)
    models = models_by_name(
        {"out": table(*(finished(rows_of(n, s), order) for n, s in (("a", first), ("b", second))))}
    )
    (pair,) = compare(models, {"clip_score": Column("higher")}, sequential=True).pairs
    totals = [sum((first[row, seed] or 0) - (second[row, seed] or 0) for seed in range(2)) for row in order]
    assert pair.p == pytest.approx(anytime_p(np.array(totals)))
    assert pair.winner == "a"
    assert pair.detectable is None
