"""The page of a run that went wrong, and of a run with one video."""

from pathlib import Path

import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect

from t2vbatch.analysis.summary import summarize
from t2vbatch.output.records import results_schema
from t2vbatch.report import write_report
from t2vbatch.storage.files import open_folder
from tests.report.outputs import EXTRA, SCORES, add_videos, results, write_output

_ERROR = "ValueError: height must be divisible by 16\nin the call"


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models and two prompts: three samples failed, and one is degenerate."""
    folder = tmp_path_factory.mktemp("lost")
    rows = results(["a", "b"], ["a red square", "a blue square"], 1)
    add_videos(folder, rows[:1])
    for row in rows:
        row |= {"status": "failed", "error_type": "RowError", "error": _ERROR} | dict.fromkeys(SCORES)
    rows[0] |= {"status": "degenerate", "error_type": "DegenerateError", "error": "every frame is black"}
    return write_output(folder, rows)


def test_a_run_without_a_valid_video_shows_its_errors_first(page: Page, lost: Path) -> None:
    """The errors stand above the leaderboard, and the legend explains no mark that does not occur."""
    page.goto(lost.as_uri())
    first = page.locator("#overview > section h2").first
    expect(first).to_have_text("Samples without a valid video")
    expect(page.locator("#failure-list")).to_contain_text(
        "RowError ValueError: height must be divisible by 16"
    )
    for mark in ("★", "≈", "Bold"):
        expect(page.locator("#scores > .note")).not_to_contain_text(mark)


def test_a_card_says_what_is_wrong_with_its_sample(page: Page, lost: Path) -> None:
    """A card without a video shows the first line of its error; a degenerate video has a flag."""
    page.goto(f"{lost.as_uri()}#view=gallery")
    expect(page.locator("#count")).to_have_text("4 samples")
    reasons = page.locator(".card .reason")
    expect(reasons).to_have_text(["RowErrorValueError: height must be divisible by 16"] * 3)
    expect(page.locator(".card.degenerate .flag")).to_have_text("degenerate")


def test_a_vote_without_pairs_says_why(page: Page, lost: Path) -> None:
    """Without pairs of videos, the blind vote says that there is nothing to vote on."""
    page.goto(f"{lost.as_uri()}#view=vote")
    expect(page.locator("#vote")).to_contain_text("No prompt and seed has videos of two models")


def test_a_run_that_has_just_begun_says_so(page: Page, tmp_path: Path) -> None:
    """No sample is finished: every view says so, and none has an error."""
    results_table = pa.Table.from_pylist([], results_schema(SCORES, EXTRA))
    summary = summarize(results_table, {"a": 2, "b": 2})
    name = write_report(open_folder(tmp_path), results_table, summary)
    page.goto((tmp_path / name).as_uri())
    expect(page.locator("#verdict")).to_have_text("0 of 4 samples are ok, 4 pending.")
    for view in ("gallery", "sidebyside", "vote", "table", "charts"):
        page.locator(f"#view-{view}").click()
        expect(page.locator("#nothing")).to_have_text("No sample is finished yet.")


def test_one_video_has_values_and_no_axis(page: Page, tmp_path: Path) -> None:
    """A histogram of one value would be a single bar; two numbers that never differ have no plot."""
    rows = results(["a"], ["a red square"], 1)
    add_videos(tmp_path, rows)
    page.goto(f"{write_output(tmp_path, rows).as_uri()}#view=charts")
    expect(page.locator("#count")).to_have_text("1 sample")
    expect(page.locator("#histograms .note").first).to_contain_text("Every value is 25.1")
    expect(page.locator("#charts > .controls")).to_be_hidden()


def test_a_prompt_without_all_models_is_in_the_strip_too(page: Page, tmp_path: Path) -> None:
    """Prompts that every model has a video of come first, then the others."""
    rows = results(["a", "b"], ["a red square", "a blue square"], 1)
    add_videos(tmp_path, rows[1:])
    rows[0] |= {"status": "failed", "error_type": "RowError", "error": _ERROR} | dict.fromkeys(SCORES)
    page.goto(write_output(tmp_path, rows).as_uri())
    expect(page.locator(".strip-prompt")).to_have_text(["a blue square", "a red square"])
