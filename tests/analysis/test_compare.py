"""A comparison of models: differences, missing scores, directions, groups, and the printed table."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from t2vbatch.analysis.compare import Comparison, Missing, Pair, compare, compare_groups, models_by_name
from t2vbatch.analysis.compare_text import p_text, render_comparison, render_plan
from t2vbatch.analysis.planning import Goal
from t2vbatch.analysis.summary_text import number_text
from t2vbatch.errors import UsageError
from t2vbatch.metrics.protocol import Column
from t2vbatch.output.records import results_schema

SCHEMA = results_schema(["clip_score"], pa.schema([]))


def rows_of(
    model: str, scores: Mapping[tuple[int, int], float | None], **changes: Any
) -> list[dict[str, Any]]:
    """Results of one model: (row, seed): score."""
    return [
        {
            "sample_id": f"{model}-{row}-{seed}",
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


def compared(*models: list[dict[str, Any]], better: Any = "higher", missing: str = "bounds") -> Comparison:
    """The comparison of the models of one output."""
    return compare(
        models_by_name({"out": table(*models)}), {"clip_score": Column(better)}, Missing.parse(missing)
    )


def noisy(rows: int, seeds: int, shift: float, seed: int) -> dict[tuple[int, int], float | None]:
    """Scores that differ much between prompts and little between videos of a prompt."""
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
    """Pairing removes the differences between prompts: one point is significant although prompts differ by
    five.
    """
    (pair,) = compared(rows_of("a", noisy(40, 2, 1, 1)), rows_of("b", noisy(40, 2, 0, 2))).pairs
    assert pair.winner == "a"
    assert pair.difference is not None
    assert pair.difference.low is not None
    assert pair.difference.low > 0
    assert pair.detectable is not None
    assert 0 < pair.detectable < 1


def test_if_lower_is_better_the_smaller_score_wins() -> None:
    """The direction of the metric decides the winner and the counts of wins."""
    (pair,) = compared(
        rows_of("a", noisy(40, 2, 5, 1)), rows_of("b", noisy(40, 2, 0, 2)), better="lower"
    ).pairs
    assert pair.winner == "b"
    assert pair.losses == 80


def test_without_a_direction_there_is_no_winner() -> None:
    """A score without a direction is shown with its difference and is not tested."""
    (pair,) = compared(rows_of("a", noisy(40, 2, 5, 1)), rows_of("b", noisy(40, 2, 0, 2)), better=None).pairs
    assert pair.difference is not None
    assert pair.difference.mean > 4
    assert (pair.p, pair.p_holm, pair.winner, pair.tests) == (None, None, None, 0)


def test_a_model_cannot_win_by_failing() -> None:
    """The difference uses only pairs of both models, and the failed videos are counted by reason."""
    full = {(row, 0): float(row) for row in range(10)}
    picky: dict[tuple[int, int], float | None] = {
        key: value if value >= 5 else None for key, value in full.items()
    }
    (pair,) = compared(rows_of("full", dict(full)), rows_of("picky", picky)).pairs
    assert (pair.n, pair.first_mean, pair.second_mean) == (5, 7.0, 7.0)
    assert pair.left_out == {"picky failed": 5}


def test_other_seeds_and_prompts_are_not_paired() -> None:
    """The same row with another seed, or the same id with another prompt, is not paired."""
    left = rows_of("a", {(0, 1): 1.0, (0, 2): 2.0, (1, 1): 3.0})
    right = rows_of("b", {(0, 1): 1.5, (0, 3): 2.0}) + rows_of("b", {(1, 1): 9.0}, prompt="other")
    (pair,) = compared(left, right).pairs
    assert pair.n == 1
    assert pair.left_out == {"a lacks the row and seed": 2, "b lacks the row and seed": 2}


def test_nothing_shared_gives_no_numbers() -> None:
    """Two runs over different rows give n = 0 and no p."""
    (pair,) = compared(rows_of("a", {(0, 1): 1.0}), rows_of("b", {(1, 1): 1.0})).pairs
    assert (pair.n, pair.p, pair.difference) == (0, None, None)


def test_models_of_two_outputs_keep_unique_names() -> None:
    """A model name gets its output's name only if two outputs have it."""
    first, second = (
        table(rows_of("a", {(0, 0): 1.0}), rows_of("b", {(0, 0): 1.0})),
        table(rows_of("a", {(0, 0): 2.0})),
    )
    assert list(models_by_name({"x": first, "y": second})) == ["x/a", "b", "y/a"]


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_a_comparison_is_a_table_to_paste(form: Any) -> None:
    """Each format shows the winner and what was left out, and escapes its special characters."""
    first = noisy(30, 1, 2, 1)
    first[(0, 0)] = None
    text = render_comparison(compared(rows_of("a_1|<b>", first), rows_of("b", noisy(30, 1, 0, 2))), form)
    assert "left out 1 where a_1|<b> failed" in text
    assert "a_1|<b> is better than b (p < 0.001)" in text
    cells = {"text": "a_1|<b> - b  ", "markdown": r"| a\_1\|\<b\> |", "latex": r"& a\_1\textbar{}$<$b$>$ &"}
    assert cells[form] in text


def test_the_json_form_is_plain() -> None:
    """The comparison as JSON contains the winner."""
    found = json.loads(
        json.dumps(compared(rows_of("a", {(0, 0): 1.0}), rows_of("b", {(0, 0): 2.0})).to_json())
    )
    assert found["models"] == ["a", "b"]
    assert found["pairs"][0]["winner"] is None


def degenerate(model: str, scores: dict[tuple[int, int], float | None], bad: range) -> list[dict[str, Any]]:
    """Results of which the rows in ``bad`` are degenerate videos with a perfect score."""
    return [
        row | ({"status": "degenerate", "clip_score": 100.0} if index in bad else {})
        for index, row in enumerate(rows_of(model, scores))
    ]


def test_degenerate_videos_count_as_failures() -> None:
    """A model with 24 of 80 degenerate videos does not win by their perfect scores."""
    scores = noisy(80, 1, 0, 1)
    (pair,) = compared(degenerate("black", scores, range(24)), rows_of("same", noisy(80, 1, 0, 2))).pairs
    assert pair.winner is None
    assert pair.n == 56
    assert pair.left_out == {"black made a degenerate video": 24}


def failing(rows: int, share: float, seed: int) -> Pair:
    """Two equal models, of which the first has no video for its lowest scores."""
    random = np.random.default_rng(seed)
    first, second = random.normal(30, 3, (2, rows))
    worst = set(np.argsort(first)[: int(share * rows)])
    left: dict[tuple[int, int], float | None] = {
        (row, 0): None if row in worst else float(score) for row, score in enumerate(first)
    }
    right: dict[tuple[int, int], float | None] = {(row, 0): float(score) for row, score in enumerate(second)}
    (pair,) = compared(rows_of("a", left), rows_of("b", right)).pairs
    return pair


def test_failures_that_depend_on_the_score_make_no_winner() -> None:
    """With the lowest 20% of 60 prompts missing, equal models have a winner in under 2.5% of data sets."""
    pairs = [failing(60, 0.2, seed) for seed in range(60)]
    assert sum(pair.winner is not None for pair in pairs) <= 1
    bounds = pairs[0].bounds
    assert bounds is not None
    assert bounds[0] < 0 < bounds[1]


def test_bounds_fill_missing_scores_with_the_observed_range() -> None:
    """The bounds are the mean differences with missing scores at the lowest and the highest score."""
    left: dict[tuple[int, int], float | None] = {(0, 0): 1.0, (1, 0): 5.0, (2, 0): None}
    right: dict[tuple[int, int], float | None] = {(0, 0): 2.0, (1, 0): 3.0, (2, 0): 4.0}
    (pair,) = compared(rows_of("a", left), rows_of("b", right)).pairs
    assert pair.bounds == pytest.approx(((-1 + 2 + (1 - 4)) / 3, (-1 + 2 + (5 - 4)) / 3))
    assert pair.difference is not None
    assert pair.difference.mean == pytest.approx(0.5)
    assert "bounds: the difference" in render_comparison(compared(rows_of("a", left), rows_of("b", right)))


@pytest.mark.parametrize(
    ("missing", "mean", "n", "filled"),
    [("drop", 0.5, 2, 0), ("worst", -2 / 3, 3, 1), ("impute:10", 7 / 3, 3, 1)],
)
def test_missing_scores_follow_the_named_policy(missing: str, mean: float, n: int, filled: int) -> None:
    """drop leaves pairs out, worst fills in the worst score of both models, impute a given value."""
    left: dict[tuple[int, int], float | None] = {(0, 0): 1.0, (1, 0): 5.0, (2, 0): None}
    right: dict[tuple[int, int], float | None] = {(0, 0): 2.0, (1, 0): 3.0, (2, 0): 4.0}
    (pair,) = compared(rows_of("a", left), rows_of("b", right), missing=missing).pairs
    assert pair.difference is not None
    assert pair.difference.mean == pytest.approx(mean)
    assert (pair.n, pair.filled, pair.bounds) == (n, filled, None)


@pytest.mark.parametrize(
    "text", ["zero", "impute", "impute:", "impute:nan", "impute:1e300", "worst:1", "bounds:"]
)
def test_an_unknown_policy_is_rejected(text: str) -> None:
    """Only the four policies are accepted, and impute needs a number that a mean can use."""
    with pytest.raises(UsageError, match="--missing"):
        Missing.parse(text)


def test_the_smallest_possible_p_is_printed() -> None:
    """Five prompts cannot give p below 0.0625, and the table says that no difference can be significant."""
    comparison = compared(rows_of("a", noisy(5, 2, 9, 1)), rows_of("b", noisy(5, 2, 0, 2)))
    (pair,) = comparison.pairs
    assert (pair.p, pair.smallest_p, pair.detectable) == (2 / 32, 2 / 32, None)
    assert "no difference can be significant" in render_comparison(comparison)
    enough = compared(rows_of("a", noisy(6, 2, 9, 1)), rows_of("b", noisy(6, 2, 0, 2)))
    assert enough.pairs[0].winner == "a"
    assert "no difference can be significant" not in render_comparison(enough)


def test_groups_are_corrected_together() -> None:
    """Of 20 sets of 16 groups of equal models, few have any p below 0.05 after the correction."""
    sets = []
    for seed in range(20):
        groups = {
            f"{seed}-{group}": {
                name: table(rows_of(name, noisy(8, 1, 0, 1000 * seed + 2 * group + index)))
                for index, name in enumerate(("a", "b"))
            }
            for group in range(16)
        }
        found = compare_groups(groups, {"clip_score": Column("higher")})
        sets.append(min(pair.p_holm or 1 for part in found.values() for pair in part.pairs))
        assert {pair.tests for part in found.values() for pair in part.pairs} == {16}
    assert np.mean(np.array(sets) < 0.05) <= 0.15


def test_wins_and_effects_are_those_of_the_definition() -> None:
    """The win rate counts ties as half, and the effect is the mean over the deviation of prompt
    differences.
    """
    scores: dict[tuple[int, int], float | None] = {(row, 0): float(row % 3) for row in range(30)}
    zero: dict[tuple[int, int], float | None] = dict.fromkeys(scores, 1.0)
    (pair,) = compared(rows_of("a", scores), rows_of("b", zero)).pairs
    differences = np.array([row % 3 - 1 for row in range(30)])
    assert pair.win_rate is not None
    assert (pair.win_rate.mean, pair.effect) == (0.5, 0)
    (shifted,) = compared(rows_of("a", scores), rows_of("b", dict.fromkeys(scores, 0.5))).pairs
    assert shifted.win_rate is not None
    assert shifted.win_rate.mean == pytest.approx(2 / 3)
    assert shifted.effect == pytest.approx(0.5 / differences.std(ddof=1))
    assert "66.7" in render_comparison(Comparison(("a", "b"), (shifted,)), "markdown")


def test_scores_that_depend_on_the_size_are_compared_at_equal_sizes() -> None:
    """A score such as sharpness leaves out pairs whose frames differ in size, with the reason."""
    scores = noisy(20, 1, 0, 1)
    small = rows_of("small", scores, width=64, height=64)
    large = rows_of("large", scores, width=128, height=128)
    same = rows_of("same", scores, width=64, height=64)
    models = models_by_name({"out": table(small, large, same)})
    pairs = compare(models, {"clip_score": Column("higher", by_size=True)}).pairs
    assert [pair.n for pair in pairs] == [0, 20, 0]
    assert pairs[0].left_out == {"the frames of both models differ in size": 20}
    assert [pair.n for pair in compare(models, {"clip_score": Column("higher")}).pairs] == [20, 20, 20]


def test_scores_of_change_name_the_frame_rates() -> None:
    """A score such as flicker cannot compare 8 with 24 frames per second without a caution."""
    scores = noisy(20, 1, 0, 1)
    models = models_by_name(
        {"out": table(rows_of("slow", scores, fps=8.0), rows_of("fast", scores, fps=24.0))}
    )
    found = compare(models, {"clip_score": Column("higher", by_rate=True)})
    assert found.pairs[0].rates == (8, 24)
    text = " ".join(render_comparison(found).split())
    assert "clip_score: slow has 8 frames per second and fast 24; the score measures change" in text
    assert compare(models, {"clip_score": Column("higher")}).pairs[0].rates is None


def test_equal_differences_detect_and_plan_nothing() -> None:
    """If every prompt has one difference, its spread is unknown and not 0."""
    models = models_by_name(
        {"out": table(rows_of("a", {(row, 0): 5.0 for row in range(12)}),
                      rows_of("b", {(row, 0): 4.0 for row in range(12)}))}
    )  # fmt: skip
    found = compare(models, {"clip_score": Column("higher")})
    assert (found.pairs[0].detectable, found.pairs[0].components) == (None, None)
    assert "no plan, because the prompts show no spread" in render_plan(found, Goal("width", 1.0))


@pytest.mark.parametrize(
    ("value", "width", "expected"),
    [
        (29.414, 1.0, "29.4"),
        (-0.00001, 1.0, "0.0"),
        (29.41432, 0.02, "29.414"),
        (5e99, 8e99, "5e+99"),
        (12345678.0, 1000.0, "1.23457e+07"),
        (6.5e-12, 4e-12, "6.5e-12"),
        (30.00000123, 2e-6, "30.0000012"),
        (0.0, 0.0, "0"),
        (31.25, 0.0, "31.25"),
    ],
)
def test_numbers_have_the_digits_of_their_interval(value: float, width: float, expected: str) -> None:
    """Two digits of the width, without rows of zeros for tiny scores or of digits for huge ones."""
    assert number_text(value, width) == expected


def test_the_interval_of_a_win_rate_is_within_0_and_1() -> None:
    """One win in six prompts does not give a negative share."""
    scores: dict[tuple[int, int], float | None] = {(row, 0): float(row == 0) for row in range(6)}
    other: dict[tuple[int, int], float | None] = dict.fromkeys(scores, 0.5)
    for pair in (*compared(rows_of("a", scores), rows_of("b", other)).pairs,):
        assert pair.win_rate is not None
        assert pair.win_rate.low is not None
        assert 0 < pair.win_rate.low < pair.win_rate.mean


def test_rounding_is_a_tie() -> None:
    """Scores that differ in the last digit are equal: 0.1 + 0.2 does not win against 0.3."""
    first, second = (
        dict.fromkeys([(row, 0) for row in range(20)], 0.1 + 0.2),
        dict.fromkeys([(row, 0) for row in range(20)], 0.3),
    )
    (pair,) = compared(rows_of("a", first), rows_of("b", second)).pairs
    assert (pair.p, pair.winner, pair.ties) == (1, None, 20)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_a_score_without_a_usable_value_is_missing(value: float) -> None:
    """NaN, infinity and numbers whose square overflows are missing scores, with a reason."""
    first = noisy(20, 1, 1, 1)
    (pair,) = compared(rows_of("a", first | {(3, 0): value}), rows_of("b", noisy(20, 1, 0, 2))).pairs
    assert (pair.n, pair.left_out) == (19, {"a has no score": 1})


@pytest.mark.parametrize("scale", [30.7, 30_700])
def test_differences_that_differ_by_rounding_have_no_effect_size(scale: float) -> None:
    """A difference of 0.1 on every prompt has no spread, whatever the last digits of the scores."""
    scores = {(row, 0): scale * (row + 1) for row in range(12)}
    (pair,) = compared(
        rows_of("a", {key: value + 0.1 for key, value in scores.items()}), rows_of("b", scores)
    ).pairs
    assert pair.difference is not None
    assert (pair.effect, pair.error, pair.difference.low, pair.winner) == (None, None, None, "a")


def test_tiny_scores_are_compared() -> None:
    """Scores whose squares vanish have the interval, effect size and p-value of other scores."""
    first, second = noisy(20, 1, 9, 1), noisy(20, 1, 0, 2)
    tiny = [{key: (value or 0) * 1e-300 for key, value in one.items()} for one in (first, second)]
    (pair,) = compared(rows_of("a", tiny[0]), rows_of("b", tiny[1])).pairs
    (usual,) = compared(rows_of("a", first), rows_of("b", second)).pairs
    assert pair.winner == "a"
    assert pair.effect == pytest.approx(usual.effect)
    assert pair.difference is not None
    assert usual.difference is not None
    assert pair.difference.low == pytest.approx((usual.difference.low or 0) * 1e-300)


@pytest.mark.parametrize("sequential", [False, True])
def test_differences_without_a_spread_have_no_interval(sequential: bool) -> None:
    """Equal differences of all prompts give no interval of width 0, and the note says why."""
    scores = {(row, 0): float(row) for row in range(12)}
    rows = rows_of("a", {key: value + 1 for key, value in scores.items()}), rows_of("b", scores)
    models = models_by_name({"out": table(*rows)})
    comparison = compare(models, {"clip_score": Column("higher")}, sequential=sequential)
    (pair,) = comparison.pairs
    assert pair.difference is not None
    assert (pair.difference.mean, pair.difference.low, pair.winner) == (1, None, "a")
    assert "all 12 prompts have the same value" in render_comparison(comparison)


@pytest.mark.parametrize(
    ("p", "text"),
    [(None, "-"), (0.0, "<0.001"), (0.04996, "0.04996"), (0.0497, "0.0497"), (0.05, "0.050"), (1.0, "1.000")],
)
def test_a_printed_p_value_is_on_its_side_of_significance(p: float | None, text: str) -> None:
    """A p-value just below 0.05 has a winner, so it has more digits than 0.050, which has none."""
    assert p_text(p) == text


def test_rows_that_share_their_samples_count_once() -> None:
    """Six rows with one prompt and seed have one video of each model: one prompt, and no winner."""
    rows = [
        row | {"prompt": "a cat", "seed": 7, "sample_id": row["model"]}
        for model, score in (("a", 2.0), ("b", 1.0))
        for row in rows_of(model, {(index, 0): score for index in range(6)})
    ]
    (pair,) = compared(rows).pairs
    assert (pair.n, pair.rows, pair.wins, pair.left_out, pair.winner) == (1, 1, 1, {}, None)


def test_equal_differences_of_different_numbers_of_videos_have_no_effect_size() -> None:
    """A difference of 0.1 in every video is no effect of 10^16 standard deviations of rounding."""
    scores = {(row, seed): row / 7 for row in range(12) for seed in range(row + 1)}
    (pair,) = compared(
        rows_of("a", {key: value + 0.1 for key, value in scores.items()}), rows_of("b", scores)
    ).pairs
    assert (pair.effect, pair.error) == (None, None)


def test_the_interval_of_a_perfect_win_rate_is_that_of_clopper_and_pearson() -> None:
    """12 wins of 12 prompts exclude win rates below 0.025 ** (1 / 12), as scipy says."""
    first, second = noisy(12, 3, 99, 1), noisy(12, 3, 0, 2)
    (pair,) = compared(rows_of("a", first), rows_of("b", second)).pairs
    exact = stats.binomtest(12, 12).proportion_ci(method="exact")
    assert pair.win_rate is not None
    assert (pair.win_rate.low, pair.win_rate.high) == pytest.approx((exact.low, exact.high))


def test_a_pair_without_shared_scores_is_named() -> None:
    """A model whose videos all failed is not compared, and the notes say so."""
    none = dict.fromkeys(noisy(6, 1, 0, 1))
    text = render_comparison(compared(rows_of("a", noisy(6, 1, 0, 1)), rows_of("b", none)))
    assert "not compared, because no prompt and seed has a score of both" in text


def test_scores_of_two_models_share_their_notes() -> None:
    """Where several scores lack the same pairs, one note names them; without a pair nothing else is said."""
    schema = results_schema(["clip_score", "motion"], pa.schema([]))
    scores = {(row, 0): float(row) for row in range(6)}
    first, second = (rows_of(model, scores, motion=1.0) for model in "ab")
    second[-1] |= {"row_id": "row8"}
    columns = {name: Column("higher") for name in ("clip_score", "motion")}

    def shown(*rows: dict[str, Any]) -> str:
        models = models_by_name({"out": pa.Table.from_pylist(list(rows), schema)})
        return render_comparison(compare(models, columns, Missing.parse("drop")))

    lacking = "left out 1 where a lacks the row and seed, 1 where b lacks the row and seed"
    assert f"clip_score, motion of a and b: {lacking}" in shown(*first, *second)
    nothing = shown(first[-1], second[-1])
    assert "clip_score, motion of a and b: not compared" in nothing
    assert "significant" not in nothing


def test_many_models_can_still_have_a_winner() -> None:
    """With 35 models, and so 595 tests, a large difference stays significant after correction."""
    models = [rows_of(f"m{number:02}", noisy(20, 1, 9 * (number == 0), number)) for number in range(35)]
    pairs = compared(*models).pairs
    assert {pair.tests for pair in pairs} == {595}
    assert [pair.winner for pair in pairs].count("m00") == 34
