"""Counts, means and intervals of a run."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2vbatch.analysis.intervals import Interval
from t2vbatch.analysis.summary import Summary, summarize
from t2vbatch.analysis.summary_text import interval_text, render_text
from t2vbatch.output.records import results_schema

SCHEMA = results_schema(["clip_score"], pa.schema([("category", pa.string())]))
START = datetime(2026, 1, 1, tzinfo=UTC)


def result(model: str = "a", row: int = 0, score: float | None = 1.0, **changes: Any) -> dict[str, Any]:
    """One row of a results table."""
    base = {
        "sample_id": f"{model}-{row}",
        "row_id": f"row{row}",
        "model": model,
        "status": "ok",
        "clip_score": score,
        "video": f"videos/{model}/row{row}-0.mp4",
        "generate_s": 2.0,
        "encode_s": 0.5,
        "score_s": 0.25,
        "started_at": START + timedelta(seconds=row),
        "finished_at": START + timedelta(seconds=row + 3),
    }
    return base | changes


def summary_of(*rows: dict[str, Any], **planned: int) -> Summary:
    """The summary of the given rows."""
    return summarize(pa.Table.from_pylist(list(rows), SCHEMA), planned)


def test_every_planned_sample_is_counted_once() -> None:
    """planned = ok + degenerate + failed + pending, in total and for each model."""
    summary = summary_of(
        result(row=0),
        result(row=1, score=None, status="degenerate", error_type="DegenerateError", video=None),
        result(row=2, score=None, status="failed", error_type="RowError", video=None),
        result("b", row=0),
        a=5,
        b=2,
    )
    assert (summary.counts.planned, summary.counts.ok, summary.counts.pending) == (7, 2, 3)
    first = summary.models[0]
    assert first.counts.pending == 2
    assert first.failures == {"DegenerateError": 1, "RowError": 1}
    assert first.timing.videos == 1


def test_the_time_of_equal_samples_counts_once() -> None:
    """Two rows that share a sample have one video and its time; each model that shares it has them too."""
    shared: dict[str, Any] = {"sample_id": "same", "generate_s": 4.0}
    summary = summary_of(
        result(row=0, **shared),
        result(row=1, **shared),
        result(row=2),
        result("b", row=0, **shared),
        a=3,
        b=1,
    )
    whole, (first, second) = summary.timing, (model.timing for model in summary.models)
    assert (whole.videos, whole.generate_s) == (2, 6.0)
    assert (first.videos, first.generate_s) == (2, 6.0)
    assert (second.videos, second.generate_s) == (1, 4.0)
    assert summary.counts.ok == 4


def test_rows_that_share_a_sample_are_one_prompt_of_an_interval() -> None:
    """Copies of six videos under other ids make the interval of the mean no narrower."""
    once = [result(row=row, score=float(row)) for row in range(6)]
    copies = [one | {"row_id": f"copy of {one['row_id']}"} for one in once]
    (alone,), (twice,) = (
        summary_of(*rows, a=len(rows)).models[0].scores for rows in (once, [*once, *copies])
    )
    assert (twice.n, twice.rows) == (12, 12)
    assert (twice.mean, twice.low, twice.high) == pytest.approx((alone.mean, alone.low, alone.high))


def test_more_results_than_planned_are_rejected() -> None:
    """More results than planned samples is an error and not a negative count."""
    with pytest.raises(ValueError, match="2 results"):
        summary_of(result(row=0), result(row=1), a=1)
    with pytest.raises(ValueError, match="not in the plan: b"):
        summary_of(result("b"), a=1)


def test_a_missing_score_is_left_out_of_the_mean_and_counted_by_reason() -> None:
    """A missing score does not count as 0, and n + missing = planned."""
    score = (
        summary_of(
            result(row=0, score=4.0),
            result(row=1, score=None, score_errors=json.dumps({"clip_score": "the row has no prompt"})),
            result(row=2, score=None),
            result(row=3, score=None, status="failed", video=None),
            a=6,
        )
        .models[0]
        .scores[0]
    )
    assert (score.mean, score.n) == (4.0, 1)
    assert score.missing == {"the row has no prompt": 1, "not scored yet": 1, "failed": 1, "pending": 2}
    assert score.n + sum(score.missing.values()) == 6


def test_a_value_that_cannot_be_averaged_is_missing_with_the_value() -> None:
    """A score that is too large for a mean is not called a score that is still to be computed."""
    (score,) = summary_of(result(row=0, score=1e300), result(row=1, score=float("nan")), a=2).models[0].scores
    assert score.missing == {"not a usable number (1e+300)": 1, "not a usable number (nan)": 1}


def test_rows_without_a_status_are_pending() -> None:
    """Pending samples that are in the table as empty rows are counted once."""
    assert summary_of(result(row=0), result(row=1, status=None, score=None), a=2).counts.pending == 1


def test_one_row_gives_no_interval() -> None:
    """Five videos of a single prompt give no interval."""
    rows = [result(row=0, score=float(index), sample_id=str(index)) for index in range(5)]
    score = summary_of(*rows, a=5).models[0].scores[0]
    assert (score.mean, score.low, score.high, score.rows) == (2.0, None, None, 1)


def test_copies_of_a_video_do_not_narrow_the_interval() -> None:
    """Ten equal videos per prompt give the same interval as one."""
    scores = np.random.default_rng(0).normal(30, 2, 20)
    single = [result(row=row, score=score) for row, score in enumerate(scores)]
    tenfold = [result(row=row, score=score) for row, score in enumerate(scores) for _ in range(10)]
    one, ten = (summary_of(*rows, a=200).models[0].scores[0] for rows in (single, tenfold))
    assert one.low is not None
    assert one.high is not None
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))


def test_the_order_of_results_does_not_matter() -> None:
    """The same results in another order give the same summary, to the last digit of the interval."""
    rows = [result(row=row, score=float(row % 7)) for row in range(30)]
    forwards, backwards = (summary_of(*order, a=30).models[0].scores[0] for order in (rows, rows[::-1]))
    assert forwards == backwards


def test_pauses_between_runs_do_not_count_as_busy() -> None:
    """The rate is the number of videos per minute in which a worker had a sample."""
    later = START + timedelta(hours=5)
    rows = [
        result(row=0),
        result(row=1),
        result(row=2, started_at=later, finished_at=later + timedelta(seconds=2)),
    ]
    timing = summary_of(*rows, a=3).timing
    assert timing.busy_s == pytest.approx(4 + 2)
    assert timing.videos_per_minute == pytest.approx(30)
    assert timing.generate_s == 6.0


def test_the_busy_share_is_the_time_in_the_pipelines_calls() -> None:
    """Calls of 2 s with 1 s between them and 1 s of conversion make one half; loading does not count."""
    rows = [result(row=row, wait_s=1.0, convert_s=1.0, load_s=7.0) for row in range(3)]
    timing = summary_of(*rows, result(row=3), a=4).timing
    assert timing.busy_share == pytest.approx(0.5)
    assert timing.first_video_s == pytest.approx(7 + 1 + 3)
    assert summary_of(a=1).timing.busy_share is None


def test_an_empty_run_has_a_summary() -> None:
    """A run without videos has counts, and no means."""
    summary = summary_of(a=3)
    assert summary.counts.pending == 3
    assert summary.models[0].scores[0].mean is None
    assert summary.timing.videos_per_minute is None
    assert "3 planned = 0 ok + 3 pending" in render_text(summary)


def test_the_json_form_contains_derived_values() -> None:
    """summary.json contains the pending count and the rate, and is plain JSON."""
    plain = json.loads(json.dumps(summary_of(result(), a=2).to_json(), allow_nan=False))
    assert plain["counts"] == {"planned": 2, "ok": 1, "degenerate": 0, "failed": 0, "pending": 1}
    assert plain["models"]["a"]["scores"]["clip_score"]["mean"] == 1.0
    assert plain["timing"]["videos_per_minute"] == 20.0


def test_the_text_shows_means_intervals_and_what_is_missing() -> None:
    """The table shows counts, means, intervals and missing scores, and names are not read as markup."""
    rows = [result("[red]a", row=row, score=20.0 + row) for row in range(8)]
    rows.append(result("[red]a", row=9, score=None, status="failed", error_type="RowError", video=None))
    rows[0]["prompt_truncated"] = True
    text = render_text(summary_of(*rows, **{"[red]a": 9}))
    assert "9 planned = 8 ok + 1 failed" in text
    assert "[red]a" in text
    assert "23.5 [21" in text
    assert "1 failed" in text
    assert "samples without a usable video: 1 RowError" in text
    assert "1 prompt exceeded the scorer's token limit" in text
    assert max(map(len, text.splitlines())) <= 100


def test_notes_about_videos_are_counted() -> None:
    """A summary shows the most common notes and counts the rest."""
    notes = ["33 frames"] * 3 + ["2 x 2 pixels"] * 2 + ["c", "d", "e", None]
    rows = [result(row=row, video_notes=note) for row, note in enumerate(notes)]
    summary = summary_of(*rows, a=len(rows))
    assert list(summary.models[0].video_notes.items())[:2] == [("33 frames", 3), ("2 x 2 pixels", 2)]
    text = render_text(summary)
    assert "a: 3 videos: 33 frames" in text
    assert "a: 1 video: c" in text
    assert "a: 2 more videos: see the column video_notes" in text


def test_degenerate_videos_are_missing_from_the_means() -> None:
    """The scores of a degenerate video do not enter the mean, and are counted as missing."""
    rows = [result(row=row, score=1.0) for row in range(3)]
    rows.append(result(row=3, score=9.0, status="degenerate", error_type="DegenerateError"))
    score = summary_of(*rows, a=4).models[0].scores[0]
    assert (score.mean, score.n, score.missing) == (1.0, 3, {"degenerate": 1})
    assert "1 degenerate" in render_text(summary_of(*rows, a=4))


def test_unreliable_intervals_are_noted() -> None:
    """An interval from few prompts has a caution, in the summary and in its text."""
    summary = summary_of(*(result(row=row, score=float(row)) for row in range(3)), a=3)
    assert "3 prompts are too few" in (summary.models[0].scores[0].caution or "")
    assert "clip_score: 3 prompts are too few" in render_text(summary)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(1, 10))
def test_the_mean_lies_in_its_interval(values: list[float], rows: int) -> None:
    """For any scores the interval contains the mean, up to rounding."""
    table = [result(row=index % rows, score=value) for index, value in enumerate(values)]
    score = summary_of(*table, a=len(table)).models[0].scores[0]
    if score.low is not None and score.high is not None and score.mean is not None:
        slack = 1e-9 * max(map(abs, values), default=0)
        assert score.low <= score.mean + slack
        assert score.mean - slack <= score.high


def test_a_number_that_rounds_to_zero_has_no_sign() -> None:
    """A difference of -0.00001 is not shown as negative zero."""
    assert interval_text(Interval(-1e-5, -0.02, 0.02)) == "0.000 [-0.020, 0.020]"
