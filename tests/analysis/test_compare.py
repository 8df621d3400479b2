"""Whether a comparison finds the differences that are there, and none that are not."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from t2vbatch.analysis.compare import Comparison, compare, holm, models_by_name, sign_flip_p
from t2vbatch.analysis.compare_text import render_comparison
from t2vbatch.output.records import results_schema

SCHEMA = results_schema(["clip_score"], pa.schema([]))


def rows_of(model: str, scores: dict[tuple[int, int], float | None], **changes: Any) -> list[dict[str, Any]]:
    """Results of one model: (row, seed): score."""
    return [
        {
            "row_id": f"row{row}",
            "prompt": f"prompt {row}",
            "seed": seed,
            "model": model,
            "status": "ok" if score is not None else "failed",
            "clip_score": score,
            **changes,
        }
        for (row, seed), score in scores.items()
    ]


def table(*models: list[dict[str, Any]]) -> pa.Table:
    """Results of several models as one table."""
    return pa.Table.from_pylist([row for rows in models for row in rows], SCHEMA)


def compared(*models: list[dict[str, Any]], better: Any = "higher") -> Comparison:
    """The comparison of the models of one output."""
    return compare(models_by_name({"out": table(*models)}), {"clip_score": better})


def noisy(rows: int, seeds: int, shift: float, seed: int) -> dict[tuple[int, int], float | None]:
    """Scores whose prompts differ much and whose videos differ little."""
    random = np.random.default_rng(seed)
    prompts = np.random.default_rng(99).normal(30, 5, rows)
    return {
        (row, index): float(prompts[row] + shift + random.normal())
        for row in range(rows)
        for index in range(seeds)
    }


def test_a_model_does_not_differ_from_itself() -> None:
    """Equal scores give difference 0, p = 1, only ties, and no winner."""
    scores = noisy(20, 2, 0, 1)
    (pair,) = compared(rows_of("a", scores), rows_of("b", scores)).pairs
    assert pair.difference is not None
    assert (pair.difference.mean, pair.p, pair.p_holm, pair.winner) == (0, 1, 1, None)
    assert (pair.wins, pair.ties, pair.losses) == (0, 40, 0)


def test_a_real_difference_is_found_through_the_spread_of_prompts() -> None:
    """Pairing takes out how much prompts differ: one point shows although prompts spread by five."""
    (pair,) = compared(rows_of("a", noisy(40, 2, 1, 1)), rows_of("b", noisy(40, 2, 0, 2))).pairs
    assert pair.winner == "a"
    assert pair.difference is not None
    assert pair.difference.low is not None
    assert pair.difference.low > 0
    assert pair.detectable is not None
    assert 0 < pair.detectable < 1


def test_where_lower_is_better_the_smaller_one_wins() -> None:
    """The direction of the metric decides who wins, in counts and in the verdict."""
    (pair,) = compared(
        rows_of("a", noisy(40, 2, 5, 1)), rows_of("b", noisy(40, 2, 0, 2)), better="lower"
    ).pairs
    assert pair.winner == "b"
    assert pair.losses == 80


def test_without_a_direction_there_is_no_winner() -> None:
    """A difference in a score that has no good end is reported and wins nothing."""
    (pair,) = compared(rows_of("a", noisy(40, 2, 5, 1)), rows_of("b", noisy(40, 2, 0, 2)), better=None).pairs
    assert pair.p_holm is not None
    assert pair.p_holm < 0.05
    assert pair.winner is None


def test_a_model_cannot_win_by_failing() -> None:
    """Rows on which one model has no video count for neither, and it is said how many and why."""
    full = {(row, 0): float(row) for row in range(10)}
    picky: dict[tuple[int, int], float | None] = {
        key: value if value >= 5 else None for key, value in full.items()
    }
    (pair,) = compared(rows_of("full", dict(full)), rows_of("picky", picky)).pairs
    assert (pair.n, pair.first_mean, pair.second_mean) == (5, 7.0, 7.0)
    assert pair.left_out == {"picky made no video": 5}


def test_other_seeds_and_prompts_are_not_paired() -> None:
    """The same row with another seed, or the same id with another prompt, is another video."""
    left = rows_of("a", {(0, 1): 1.0, (0, 2): 2.0, (1, 1): 3.0})
    right = rows_of("b", {(0, 1): 1.5, (0, 3): 2.0}) + rows_of("b", {(1, 1): 9.0}, prompt="other")
    (pair,) = compared(left, right).pairs
    assert pair.n == 1
    assert pair.left_out == {"a has no such row and seed": 2, "b has no such row and seed": 2}


def test_nothing_shared_gives_no_numbers() -> None:
    """Two runs over different rows have a pair with n = 0 and no p."""
    (pair,) = compared(rows_of("a", {(0, 1): 1.0}), rows_of("b", {(1, 1): 1.0})).pairs
    assert (pair.n, pair.p, pair.difference) == (0, None, None)


def test_models_of_two_outputs_keep_their_names_where_they_can() -> None:
    """Only a name that two outputs use is said with its output."""
    first, second = (
        table(rows_of("a", {(0, 0): 1.0}), rows_of("b", {(0, 0): 1.0})),
        table(rows_of("a", {(0, 0): 2.0})),
    )
    assert list(models_by_name({"x": first, "y": second})) == ["x/a", "b", "y/a"]


def test_p_values_are_right_under_the_hypothesis() -> None:
    """Where models do not differ, p < 0.05 comes in about 5% of 400 data sets, despite shared prompts."""
    random = np.random.default_rng(3)
    p_values = [sign_flip_p(random.normal(0, 1, 15) * random.integers(1, 4, 15)) for _ in range(400)]
    assert 0.025 <= np.mean(np.array(p_values) < 0.05) <= 0.08


def test_the_permutation_p_is_the_exact_one() -> None:
    """With 8 rows all 256 sign patterns can be counted; the random ones come within a percentage point."""
    sums = np.array([1.0, 2.0, 0.5, -0.3, 1.7, 0.9, -1.1, 0.4])
    patterns = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
    exact = np.mean(np.abs(sums @ patterns) >= abs(sums.sum()) - 1e-12)
    assert sign_flip_p(sums) == pytest.approx(exact, abs=0.01)


def test_holm_is_the_textbooks() -> None:
    """Holm's correction steps down, never decreases and never passes 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_the_detectable_difference_is_detected_four_times_out_of_five() -> None:
    """Where the true difference is what a comparison says it would find, p < 0.05 comes in 80% of cases."""
    random = np.random.default_rng(5)
    true = (2.0452 + 0.8416) / np.sqrt(30)  # of Student's t with 29 degrees, and of 80% power, at spread 1
    reported, found = [], 0
    for _ in range(300):
        left: dict[tuple[int, int], float | None] = {
            (row, 0): float(score) for row, score in enumerate(random.normal(true, 1, 30))
        }
        right: dict[tuple[int, int], float | None] = dict.fromkeys(left, 0.0)
        (pair,) = compared(rows_of("a", left), rows_of("b", right)).pairs
        reported.append(pair.detectable or 0)
        found += (pair.p or 1) < 0.05
    assert np.mean(reported) == pytest.approx(true, rel=0.03)
    assert 0.74 <= found / 300 <= 0.86


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_a_comparison_is_a_table_to_paste(form: Any) -> None:
    """Each form has the verdict and what was left out, and escapes what its language would read."""
    first = noisy(30, 1, 2, 1)
    first[(0, 0)] = None
    text = render_comparison(compared(rows_of("a_1|<b>", first), rows_of("b", noisy(30, 1, 0, 2))), form)
    assert "left out 1 where a_1|<b> made no video" in text
    assert "a_1|<b> is better than b (p < 0.001)" in text
    cell = {"text": "a_1|<b>  ", "markdown": r"| a\_1\|\<b\> |", "latex": r"& a\_1\textbar{}$<$b$>$ &"}[form]
    assert cell in text


def test_the_json_form_is_plain() -> None:
    """What machines get is JSON with the winner in it."""
    found = json.loads(
        json.dumps(compared(rows_of("a", {(0, 0): 1.0}), rows_of("b", {(0, 0): 2.0})).to_json())
    )
    assert found["models"] == ["a", "b"]
    assert found["pairs"][0]["winner"] is None
