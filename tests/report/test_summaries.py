"""What the page computes from results: selection, verdict, leaderboard, breakdown and facts of models."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pyarrow as pa
import pytest

from t2vbatch.analysis.compare import Comparison, compare, models_by_name
from t2vbatch.analysis.summary import Summary, summarize
from t2vbatch.metrics.protocol import Column
from t2vbatch.output.records import results_schema
from t2vbatch.report.breakdown import breakdowns
from t2vbatch.report.forest import forests
from t2vbatch.report.leaderboard import leaderboard
from t2vbatch.report.models import differences, model_runs
from t2vbatch.report.selection import select
from t2vbatch.report.verdict import verdict
from tests.report.outputs import SCORES, results

BETTER = {"clip_score": "higher", "clip_temporal": "higher"}
EXTRA = pa.schema([("category", pa.string()), ("length", pa.float64()), ("flag", pa.bool_())])


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """The rows as a results table."""
    return pa.Table.from_pylist(rows, results_schema(SCORES, EXTRA))


def judged(
    rows: list[dict[str, Any]], better: Literal["higher", "lower"] = "higher"
) -> tuple[Summary, Comparison]:
    """Summary and comparison of the rows; ``better``: which direction of both scores is better."""
    found = table(rows)
    summary = summarize(found, Counter(row["model"] for row in rows))
    columns = dict.fromkeys(("clip_score", "clip_temporal"), Column(better))
    return summary, compare(models_by_name({"": found}), columns)


def sentences(rows: list[dict[str, Any]]) -> list[str]:
    """The verdict on the rows."""
    summary, comparison = judged(rows)
    return verdict(summary, leaderboard(summary, comparison, BETTER), BETTER)


def apart(prompts: int, by: float) -> list[dict[str, Any]]:
    """Two models whose clip_score differs by ``by`` on every prompt; clip_temporal does not differ."""
    rows = results(["a", "b"], [f"prompt {index}" for index in range(prompts)], 1)
    for index, row in enumerate(rows):
        row["clip_score"] = 20 + index // 2 % 3 + (by if row["model"] == "b" else 0)
        row["clip_temporal"] = 0.9 + 0.01 * ((index // 2 + (row["model"] == "b")) % 2)
    return rows


def test_the_verdict_names_a_significant_winner_and_a_tie() -> None:
    """A difference on every prompt is significant; one that cancels out is not."""
    found = sentences(apart(20, 1.0))
    assert found[0] == "b is significantly best on clip_score."
    assert "not significantly better than" in found[1]
    assert found[-1] == "All 40 samples are ok."


def test_the_verdict_of_one_model_is_its_means() -> None:
    """Without another model the headline has the count of samples and the mean of each score."""
    (found,) = sentences(results(["a"], ["one", "two", "three"], 1))
    assert found.startswith("All 3 samples are ok; mean clip_score 2")
    assert " and clip_temporal 0.9" in found


def test_the_verdict_without_scores_says_so() -> None:
    """Videos without any score have a headline too."""
    rows = results(["a"], ["one"], 1)
    rows[0] |= {"clip_score": None, "clip_temporal": None}
    assert sentences(rows) == ["The one sample is ok; no scores."]


def test_the_leaderboard_marks_the_best_and_the_tied() -> None:
    """The significant leader, the models tied with a leader, and intervals of few prompts are marked."""
    summary, comparison = judged(apart(20, 1.0))
    board = leaderboard(summary, comparison, BETTER)
    assert (board["b"]["clip_score"].best, board["b"]["clip_score"].rank) == (True, "significant")
    assert (board["a"]["clip_score"].best, board["a"]["clip_score"].rank) == (False, "")
    assert {board[model]["clip_temporal"].rank for model in board} == {"", "tied"}
    assert board["a"]["clip_score"].few is None
    summary, comparison = judged(apart(4, 1.0))
    assert leaderboard(summary, comparison, BETTER)["a"]["clip_score"].few == 4


def test_a_model_with_the_best_mean_can_lose_on_shared_prompts() -> None:
    """A model that has easy prompts only has the best mean, and the verdict names the model that beats it."""
    rows = apart(40, 1.0)
    for index, row in enumerate(rows):
        row["clip_score"] += 20 * (index < 40) + index % 3 * 0.1
    summary, comparison = judged([row for index, row in enumerate(rows) if index < 40 or row["model"] == "b"])
    board = leaderboard(summary, comparison, BETTER)
    assert (board["a"]["clip_score"].best, board["b"]["clip_score"].rank) == (True, "ahead")
    (headline, *_) = verdict(summary, board, BETTER)
    assert headline.startswith("a has the best mean of clip_score, but is significantly worse than b")


def test_a_model_on_other_prompts_is_not_beaten() -> None:
    """The best model is not called significantly best if it shares no prompt with another model."""
    rows = apart(40, 1.0)
    for index, row in enumerate(rows):
        row["clip_score"] += index % 3 * 0.1
    rows += [
        row | {"row_id": f"other{index}", "prompt": f"other {index}", "model": "c"}
        for index, row in enumerate(rows[:20])
    ]
    summary, comparison = judged(rows)
    assert leaderboard(summary, comparison, BETTER)["c"]["clip_score"].rank == "untested"
    assert sentences(rows)[0] == "b is best on clip_score, but no test compares it with c."


def test_the_only_model_with_values_is_not_called_best() -> None:
    """If all videos of the other model failed, the verdict says which model has values."""
    rows = apart(20, 1.0)
    for row in rows[::2]:
        row |= {"status": "failed", "clip_score": None, "clip_temporal": None}
    assert sentences(rows)[0] == "Only b has values of clip_score and clip_temporal."


def test_the_leaderboard_counts_degenerate_samples() -> None:
    """A sample without a score is excluded from the mean, and the cell has the basis and the reasons."""
    rows = apart(20, 1.0)
    rows[1] |= {"status": "degenerate", "clip_score": None, "clip_temporal": None}
    summary, comparison = judged(rows)
    cell = leaderboard(summary, comparison, BETTER)["b"]["clip_score"]
    assert (cell.basis, cell.reasons) == ("over 19 of 20", "1 degenerate")


def test_missing_scores_can_leave_the_order_open() -> None:
    """A clear difference that the missing scores could reverse has its own mark and its own sentence."""
    rows = apart(40, 1.0)
    for index, row in enumerate(rows):
        row["clip_score"] += index % 3 * 0.2  # differences vary between prompts
    for row in rows[1:44:2]:
        row |= {"status": "failed", "clip_score": None, "clip_temporal": None}
    summary, comparison = judged(rows)
    assert leaderboard(summary, comparison, BETTER)["a"]["clip_score"].rank == "undecided"
    assert sentences(rows)[0] == "b is best on clip_score, but missing scores could reverse its lead over a."
    (forest, _) = forests(comparison, comparison.models)
    assert forest.lines[0].bounds is not None
    assert forest.lines[0].bounds[0] < 50 < forest.lines[0].bounds[1]


def test_missing_scores_can_reverse_a_lead_with_lower_scores() -> None:
    """The model with the lower mean leads, and missing scores that could reverse its lead are marked."""
    rows = apart(40, -1.0)
    for index, row in enumerate(rows):
        row["clip_score"] -= index % 3 * 0.2
    for row in rows[1:44:2]:
        row |= {"status": "failed", "clip_score": None, "clip_temporal": None}
    summary, comparison = judged(rows, "lower")
    board = leaderboard(summary, comparison, dict.fromkeys(BETTER, "lower"))
    assert (board["b"]["clip_score"].best, board["a"]["clip_score"].rank) == (True, "undecided")


def test_the_axis_of_a_forest_plot_is_symmetric() -> None:
    """Zero is in the middle; the interval of a positive difference is right of it."""
    _, comparison = judged(apart(20, -1.0))
    (forest, _) = forests(comparison, comparison.models)
    (line,) = forest.lines
    assert line.centre > 50
    assert line.colour == 0
    assert forest.reach >= 1


@pytest.mark.parametrize("limit", [40, 100, 10_000])
def test_a_selection_has_all_failures_and_extremes(limit: int) -> None:
    """Failures and the ends of each score stay; the even sample has each prompt with all its models."""
    rows = results(["a", "b"], [f"prompt {index}" for index in range(400)], 1)
    for row in rows[100::90]:
        row |= {"status": "failed", "clip_score": None, "clip_temporal": None}
    found = table(rows)
    chosen = select(found, SCORES, limit)
    kept = chosen["sample_id"].to_pylist()
    ids = found["sample_id"].to_pylist()
    assert kept == [one for one in ids if one in set(kept)]
    assert {row["sample_id"] for row in rows if row["status"] == "failed"} <= set(kept)
    scored = [row for row in rows if row["status"] == "ok" and row["model"] == "a"]
    assert max(scored, key=lambda row: row["clip_score"])["sample_id"] in kept
    assert min(scored, key=lambda row: row["clip_temporal"])["sample_id"] in kept
    if limit == 10_000:
        assert chosen.equals(found)
    if limit == 100:
        extremes = 2 * 2 * 2 * 20 + len(rows[100::90])
        assert 100 <= chosen.num_rows <= extremes + 100


def test_an_even_sample_covers_the_manifest() -> None:
    """The sample has rows from every tenth of the manifest, and both models of each."""
    rows = results(["a", "b"], [f"prompt {index}" for index in range(1000)], 1)
    kept = select(table(rows), [], 200)
    counts = Counter(kept["row_id"].to_pylist())
    assert set(counts.values()) == {2}
    assert len({int(row.removeprefix("row")) // 100 for row in counts}) == 10
    assert 190 <= kept.num_rows <= 210


def test_a_breakdown_has_groups_for_texts_numbers_and_flags() -> None:
    """Texts and flags are grouped by value, many numbers by quartile; the means agree with the rows."""
    rows = results(["a", "b"], [f"prompt {index}" for index in range(40)], 1)
    for index, row in enumerate(rows):
        row |= {"length": float(index // 2), "flag": index // 2 % 2 == 0}
    found = breakdowns(table(rows), EXTRA.names, ["clip_score"])
    assert [group["label"] for group in found["flag"]["groups"]] == ["false", "true"]
    assert len(found["length"]["groups"]) == 4
    mean, videos, prompts = found["category"]["cells"]["clip_score"]["a"][0]
    of_group = [row for row in rows if row["model"] == "a" and row["category"] == "rolling"]
    assert (videos, prompts) == (20, 20)
    assert mean == pytest.approx(sum(row["clip_score"] for row in of_group) / 20)


@pytest.mark.parametrize(
    ("kind", "cells", "labels"),
    [
        (pa.int64(), [1, 2, None], ["1", "2", "(none)"]),
        (pa.float64(), [1.0, 2.5, 1.0], ["1", "2.5"]),
        (pa.list_(pa.string()), [["x", "y"], ["x"], ["x"]], ["['x']", "['x', 'y']"]),
        (pa.timestamp("us"), [datetime(2026, 1, 2, 3), None, None], ["2026-01-02T03:00:00", "(none)"]),
    ],
)
def test_the_labels_of_a_breakdown_are_the_values_that_the_page_shows(
    kind: pa.DataType, cells: list[Any], labels: list[str]
) -> None:
    """A column with an empty cell keeps its whole numbers, and a filter finds lists and times."""
    rows = results(["a"], ["one", "two", "three"], 1)
    for row, cell in zip(rows, cells, strict=True):
        row["tag"] = cell
    found = pa.Table.from_pylist(rows, results_schema(SCORES, pa.schema([("tag", kind)])))
    groups = breakdowns(found, ["tag"], ["clip_score"])["tag"]["groups"]
    assert sorted(group["label"] for group in groups) == sorted(labels)


def test_a_breakdown_leaves_out_the_scores_of_degenerate_videos() -> None:
    """A mean of the breakdown covers ok videos only, as that of the leaderboard does."""
    rows = results(["a"], ["one", "two", "three", "four"], 1)
    rows[0] |= {"status": "degenerate", "clip_score": 99.0}
    found = breakdowns(table(rows), EXTRA.names, ["clip_score"])["category"]
    mean, videos, prompts = found["cells"]["clip_score"]["a"][found["groups"].index(group("sliding"))]
    assert (mean, videos, prompts) == (rows[2]["clip_score"], 1, 1)


def group(label: str) -> dict[str, str]:
    """The group of a text."""
    return {"label": label, "value": label}


def test_a_breakdown_leaves_out_what_has_no_groups() -> None:
    """A column of one value has no breakdown; missing values are a group."""
    rows = results(["a"], ["one", "two", "three"], 1)
    rows[0]["category"] = None
    found = breakdowns(table(rows), EXTRA.names, ["clip_score"])
    assert list(found) == ["category"]
    assert [group["label"] for group in found["category"]["groups"]] == ["rolling", "sliding", "(none)"]


def test_the_facts_of_a_model_come_from_its_records() -> None:
    """GPU hours count the workers' time on all of their GPUs, as estimates and budgets do; the busy share is
    that of the pipeline calls."""
    rows = results(["a"], ["one", "two"], 1)
    start = datetime(2026, 11, 25, 8, tzinfo=UTC)
    for index, row in enumerate(rows):
        begun = start + timedelta(seconds=10 * index)
        row |= {"device": "NVIDIA H100", "worker": "a-0", "generate_s": 1800.0}
        row |= {"wait_s": 1440.0, "convert_s": 360.0}
        row |= {"started_at": begun, "finished_at": begun + timedelta(seconds=10)}
    found = table(rows)
    (facts,) = model_runs(found, summarize(found, {"a": 2}), gpus=2)
    assert (facts.date, facts.devices, facts.busy) == ("2026-11-25", "NVIDIA H100", "20 s")
    assert facts.gpu_hours == "4.00"
    assert facts.busy_share == pytest.approx(0.5)


def test_only_settings_that_differ_are_listed() -> None:
    """Nested keys are joined by dots; a missing key differs from a set one."""
    found = differences(
        {"a": {"x": 1, "call": {"steps": 2}}, "b": {"x": 1, "call": {"steps": 3, "eta": [0, 1]}}}
    )
    assert [(one.key, one.values) for one in found] == [
        ("call.steps", ("2", "3")),
        ("call.eta", ("", "0, 1")),
    ]
