"""Blind voting in the report, in a real browser."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect


@pytest.fixture
def report(page: Page, output: Path) -> Page:
    """The vote of the report."""
    page.goto(f"{output.as_uri()}#view=vote")
    return page


def test_a_vote_does_not_show_the_models(report: Page) -> None:
    """Prompt and videos are visible; the names of the models are not in the view."""
    expect(report.locator("#vote .vote-side")).to_have_count(2)
    assert not {"small", "large"} & set(report.locator("#vote").inner_text().split())
    assert report.locator("#vote [title*=small], #vote [title*=large]").count() == 0


def test_votes_by_keys_are_saved_as_a_file(report: Page) -> None:
    """Keys 1, 2 and 3 vote, u undoes; the file has a line for each vote with both models and the winner."""
    expect(report.locator(".vote-status")).to_contain_text("0 votes · 7 pairs left")
    for key in ("1", "2", "3", "u", "3"):
        report.keyboard.press(key)
    expect(report.locator(".vote-status")).to_contain_text("3 votes · 4 pairs left")
    votes = [vote for vote in _saved(report) if "reason" not in vote]
    assert [vote["choice"] for vote in votes] == ["left", "right", "tie"]
    assert [vote["winner"] for vote in votes] == [votes[0]["left"], votes[1]["right"], None]
    assert all({vote["left"], vote["right"]} == {"small", "large"} for vote in votes)
    assert all(int(vote["seed"]) >= 2**62 for vote in votes)


def test_a_failed_video_loses_without_a_question(report: Page) -> None:
    """The file has a vote against the one failed video too, which nobody was asked about."""
    for _ in range(7):
        report.keyboard.press("3")
    expect(report.locator(".vote-status")).to_contain_text("7 votes · 0 pairs left")
    (decided,) = (vote for vote in _saved(report) if "reason" in vote)
    loser, status = decided["reason"].split(": ")
    assert (status, {decided["left"], decided["right"]} - {loser}) == ("failed", {decided["winner"]})


def _saved(report: Page) -> list[Any]:
    """The votes of the file that the report saves."""
    with report.expect_download() as started:
        report.get_by_role("button", name="save votes.jsonl").click()
    return [json.loads(line) for line in started.value.path().read_text("utf-8").splitlines()]


def test_votes_survive_a_reload(report: Page) -> None:
    """The browser keeps the votes, and a pair with a vote is not shown again."""
    report.locator(".vote-button").first.click()
    report.reload()
    expect(report.locator(".vote-status")).to_contain_text("1 vote · 6 pairs left")


def test_filters_choose_the_pairs(report: Page) -> None:
    """A filter by a manifest column leaves the pairs of its rows."""
    report.locator("#filter-selects select[aria-label='filter by category']").select_option("rolling")
    expect(report.locator(".vote-status")).to_contain_text("0 votes · 4 pairs left")
