"""The report, opened in a real browser from disk, without a network."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from report.outputs import HOSTILE, results, write_output

NOTHING = "\N{EN DASH}"


@pytest.fixture
def report(page: Page, output: Path) -> Page:
    """The report, opened."""
    page.goto(output.as_uri())
    return page


def test_the_summary_is_on_the_page(report: Page) -> None:
    """Counts and each model's scores with their intervals are read without clicking anything."""
    expect(report.locator("h1")).to_have_text("colours <b>&")
    expect(report.locator(".facts").first).to_contain_text("15 of 17 videos ok")
    expect(report.locator(".facts").first).to_contain_text("1 pending")
    board = report.locator(".board tbody tr")
    expect(board).to_have_count(2)
    expect(board.first).to_contain_text("small")
    expect(board.first.locator("td").nth(1)).to_contain_text("[")
    expect(board.nth(1)).to_contain_text("missing: 1 failed")


def test_videos_play_where_they_are_in_view(report: Page) -> None:
    """An H.264 file beside the report is found, decoded and running."""
    report.locator(".card").first.scroll_into_view_if_needed()
    report.wait_for_function("document.querySelector('.card video').currentTime > 0.2")
    assert report.evaluate("document.querySelector('.card video').videoWidth") == 64


def test_posters_stand_in_for_videos_that_do_not_play(report: Page) -> None:
    """With play off no video has its file, and each card shows a contact sheet that is there."""
    report.locator("#play").uncheck()
    expect(report.locator(".player[src]")).to_have_count(0)
    address = report.locator(".card .film").first.evaluate("film => getComputedStyle(film).backgroundImage")
    size = report.evaluate(
        "address => new Promise(done => { const image = new Image(); image.src = address;"
        " image.onload = () => done([image.width, image.height]) })",
        address.removeprefix('url("').removesuffix('")'),
    )
    assert size == [6 * 64, 64]


def test_markup_in_a_prompt_is_text(report: Page) -> None:
    """A prompt that is a script tag is shown as it was written, in cards and details, and nothing runs."""
    card = report.locator(".card", has_text="onerror").first
    expect(card.locator(".prompt")).to_have_text(HOSTILE)
    card.click()
    expect(report.locator("#facts h2")).to_have_text(HOSTILE)
    expect(report.locator("#facts pre.again")).to_contain_text("document.title = 'taken'")
    assert report.title() == "colours <b>& · t2vbatch"
    assert report.locator("#gallery script, #gallery img, dialog script").count() == 0


def test_search_and_filters_narrow_the_gallery(report: Page) -> None:
    """Search looks at prompts; model and status filter; the count says how many are left."""
    report.locator("#search").fill("GREEN")
    expect(report.locator(".card")).to_have_count(4)
    expect(report.locator("#count")).to_have_text("4 of 16")
    report.locator("#model").select_option("large")
    expect(report.locator(".card")).to_have_count(2)
    report.locator("#search").fill("no such thing")
    expect(report.locator("#nothing")).to_be_visible()
    report.locator("#search").fill("")
    report.locator("#status").select_option("failed")
    expect(report.locator(".card")).to_have_count(1)


def test_sorting_orders_by_score_with_missing_ones_last(report: Page) -> None:
    """Best first and lowest first are opposite orders, and a video without the score ends both."""
    orders = []
    for choice in ("clip_score -1", "clip_score 1"):
        report.locator("#sort").select_option(choice)
        shown = report.locator(".card .score:first-child b").all_text_contents()
        assert shown[-1] == NOTHING
        orders.append([float(score) for score in shown[:-1]])
    assert orders[0] == sorted(orders[0], reverse=True)
    assert orders[1] == sorted(orders[1])


def test_a_failure_has_its_reason_and_traceback(report: Page) -> None:
    """What failed is listed with reason, traceback and attempts, and leads to its sample."""
    failure = report.locator(".failure")
    expect(failure.locator("summary")).to_contain_text("RowError the call raised <i>ValueError</i>")
    failure.locator("summary").click()
    expect(failure.locator("pre")).to_contain_text("Traceback (most recent call last)")
    failure.locator(".link").click()
    expect(report.locator("#facts .error")).to_contain_text("after 3 attempts")


def test_the_keyboard_is_enough(report: Page) -> None:
    """Slash searches, Enter opens a card, arrows walk through the list, Escape comes back to the card."""
    report.keyboard.press("/")
    expect(report.locator("#search")).to_be_focused()
    report.keyboard.type("blue")
    report.locator(".card").first.focus()
    report.keyboard.press("Enter")
    expect(report.locator("#position")).to_have_text("1 of 4")
    report.keyboard.press("ArrowRight")
    expect(report.locator("#position")).to_have_text("2 of 4")
    report.keyboard.press("Escape")
    expect(report.locator("dialog")).to_be_hidden()
    expect(report.locator(".card").nth(1)).to_be_focused()


def test_a_phone_sees_everything_without_scrolling_sideways(report: Page) -> None:
    """At 390 pixels nothing but the score table's own frame is wider than the screen."""
    report.set_viewport_size({"width": 390, "height": 800})
    assert report.evaluate("document.documentElement.scrollWidth") <= 390
    report.locator(".card").first.click()
    assert report.evaluate("document.querySelector('dialog').scrollWidth") <= 390


def test_ten_thousand_videos_are_interactive_in_two_seconds(page: Page, tmp_path: Path) -> None:
    """Opening, searching and sorting 10,000 samples each take less than 2 s, and draw what is in view."""
    rows = results(["a", "b"], [f"prompt number {index} of a long list" for index in range(2500)], 2)
    page.goto(write_output(tmp_path, rows).as_uri())
    expect(page.locator("#count")).to_have_text("10000")
    assert page.evaluate("performance.getEntriesByType('navigation')[0].domComplete") < 2000
    assert page.locator(".card").count() < 300
    assert page.evaluate(TIMED, ["#sort", "clip_score -1"]) < 2000
    assert page.evaluate(TIMED, ["#search", "number 24"]) < 2000
    expect(page.locator("#count")).to_have_text("444 of 10000")


TIMED = """([id, chosen]) => new Promise((done) => {
  const began = performance.now();
  const control = document.querySelector(id);
  control.value = chosen;
  control.dispatchEvent(new Event(id === "#search" ? "input" : "change"));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
})"""
"""Milliseconds from a change of a control until the next frame is drawn."""
