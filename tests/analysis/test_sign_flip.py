"""The sign-flip test against scipy, its error rate, and the power behind detectable differences."""

from itertools import product

import numpy as np
import pytest
import scipy.stats

from t2vbatch.analysis.sign_flip import EXACT_UP_TO, detectable_effect, holm, sign_flip_p, smallest_p


@pytest.mark.parametrize("prompts", [1, 2, 5, 8, 13])
def test_few_prompts_are_counted_exactly(prompts: int) -> None:
    """Up to 13 prompts p is exactly the share of all sign patterns that are as extreme."""
    sums = np.random.default_rng(prompts).normal(0.4, 1, prompts)
    patterns = np.array(list(product([-1, 1], repeat=prompts)))
    expected = np.mean(np.abs(patterns @ sums) >= abs(sums.sum()) - 1e-12)
    assert sign_flip_p(sums) == expected
    assert sign_flip_p(np.ones(prompts)) == smallest_p(prompts) == 2 / 2**prompts


def test_many_prompts_agree_with_scipys_permutation_test() -> None:
    """With 14 prompts random sign patterns give scipy's p to a percentage point."""
    sums = np.random.default_rng(1).normal(0.4, 1, 14)
    found = scipy.stats.permutation_test(
        (sums,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert sign_flip_p(sums) == pytest.approx(found.pvalue, abs=0.01)


def test_equal_totals_count_despite_rounding() -> None:
    """Totals that are equal on paper count as equal: ten differences of 0.1 have p = 2 / 2^10."""
    assert sign_flip_p(np.full(10, 0.1)) == 2 / 2**10
    assert sign_flip_p(np.zeros(6)) == 1


def test_the_test_rejects_equal_models_in_five_percent_of_data_sets() -> None:
    """Under the hypothesis p < 0.05 in 3 to 6% of 600 data sets."""
    random = np.random.default_rng(3)
    p_values = [sign_flip_p(random.normal(0, 1, 12) * random.integers(1, 4, 12)) for _ in range(600)]
    assert 0.03 <= np.mean(np.array(p_values) < 0.05) <= 0.065


def test_holm_is_the_textbooks() -> None:
    """Holm's correction steps down, never decreases and never passes 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("prompts", "tests"), [(6, 1), (8, 1), (8, 6), (12, 6), (13, 1), (20, 4), (40, 1)])
def test_the_detectable_difference_is_found_four_times_out_of_five(prompts: int, tests: int) -> None:
    """At the detectable difference 80% of 400 data sets are significant after the correction."""
    effect = detectable_effect(prompts, 0.05 / tests)
    assert effect is not None
    random = np.random.default_rng(5)
    found = [sign_flip_p(random.normal(effect, 1, prompts)) * tests <= 0.05 for _ in range(400)]
    assert 0.74 <= np.mean(found) <= 0.86


@pytest.mark.parametrize("prompts", [14, 20, 60, 500])
@pytest.mark.parametrize("tests", [1, 12])
def test_the_detectable_difference_is_that_of_the_noncentral_t(prompts: int, tests: int) -> None:
    """Above the exact test, the power at the detectable difference is 80% by scipy's distribution."""
    effect, alpha = detectable_effect(prompts, 0.05 / tests), 0.05 / tests
    assert effect is not None
    limit = scipy.stats.t.ppf(1 - alpha / 2, prompts - 1)
    power = scipy.stats.nct.sf(limit, prompts - 1, effect * prompts**0.5)
    assert power == pytest.approx(0.8, abs=0.003)


@pytest.mark.parametrize(("prompts", "tests"), [(1, 1), (5, 1), (8, 10), (13, 500)])
def test_no_difference_is_detectable_below_the_smallest_p(prompts: int, tests: int) -> None:
    """If the smallest possible p exceeds the level, no difference is detectable, and the result is None."""
    assert smallest_p(prompts, tests) > 0.05 / tests
    assert detectable_effect(prompts, 0.05 / tests) is None


def test_the_exact_test_is_the_smaller_one() -> None:
    """The limit of the exact test needs fewer patterns than the random one draws."""
    assert 2**EXACT_UP_TO < 9999


def test_the_number_of_tests_hides_no_difference() -> None:
    """With 1,000 tests more patterns are counted, so that a clear difference stays below 0.05 / 1,000."""
    assert smallest_p(50, 1000) < 0.05 / 1000
    assert detectable_effect(50, 0.05 / 1000) is not None
    sums = np.random.default_rng(0).normal(2, 1, 50)
    assert sign_flip_p(sums, 1000) < 0.05 / 1000 < sign_flip_p(sums)
    equal = np.random.default_rng(1).normal(0, 1, 50)
    assert sign_flip_p(equal, 1000) == sign_flip_p(equal)
