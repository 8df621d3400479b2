"""The report, opened in a real browser from disk, without a network."""

import json
from pathlib import Path
from statistics import median

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import seconds_apart, wait_until
from tests.report.outputs import FIRST_SEED, HOSTILE, results, write_output

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
    board = report.locator(".board:not(.pairs) tbody tr")
    expect(board).to_have_count(2)
    expect(board.first).to_contain_text("small")
    expect(board.first.locator("td").nth(1)).to_contain_text("[")
    expect(board.nth(1)).to_contain_text("missing: 1 failed")


def test_differences_between_models_are_told(report: Page) -> None:
    """Each pair of models has a line a score, on the videos that both have."""
    lines = report.locator(".pairs tbody tr")
    expect(lines).to_have_count(2)
    expect(lines.first).to_contain_text("small against large")
    expect(lines.first.locator("td").nth(5)).to_have_text("7")


def test_videos_play_where_they_are_in_view(report: Page) -> None:
    """An H.264 file beside the report is found, decoded and running."""
    report.locator(".card").first.scroll_into_view_if_needed()
    wait_until(report, "document.querySelector('.card video').currentTime > 0.2")
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
    assert report.locator("main script, main img, dialog script").count() == 0


def test_the_recipe_of_a_video_is_a_manifest_of_one_row(report: Page) -> None:
    """What the page says to run names row, model, call and the seed to its last digit."""
    report.locator(".card").first.click()
    _, line, *_ = report.locator("#facts pre.again").inner_text().splitlines()
    row = json.loads(line)
    assert (row["id"], row["model"], row["num_frames"]) == ("row00000", "small", 16)
    assert row["seed"] == FIRST_SEED
    assert row["prompt"] == "a red square rolls"


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
    """Best first and worst first are opposite orders, and a video without the score ends both."""
    orders = []
    for choice in ("clip_score: best first", "clip_score: worst first"):
        report.locator("#sort").select_option(label=choice)
        shown = report.locator(".card .score:first-child b").all_text_contents()
        assert shown[-1] == NOTHING
        orders.append([float(score) for score in shown[:-1]])
    assert orders[0] == sorted(orders[0], reverse=True)
    assert orders[1] == sorted(orders[1])


def test_models_stand_side_by_side_on_the_same_prompt_and_seed(report: Page) -> None:
    """Each group shows one prompt and seed by every model; the largest disagreement comes first."""
    report.locator("#view-sidebyside").click()
    expect(report.locator(".group")).to_have_count(8)
    first = report.locator(".group").first
    expect(first.locator(".group-head")).to_have_text(f"a red square rolls seed {FIRST_SEED}")
    expect(first.locator(".card b:first-child").nth(0)).to_have_text("small")
    report.locator("#sort").select_option(label="clip_score: largest disagreement first")
    spreads = []
    for group in report.locator(".group").all():
        pair = group.locator(".score:first-child b").all_text_contents()
        spreads.append(-1.0 if NOTHING in pair else abs(float(pair[0]) - float(pair[1])))
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] > 0


def test_scrubbing_sets_every_video_to_the_same_frame(report: Page) -> None:
    """The shared slider puts all videos in view into the middle of one frame, and the keys step by one."""
    open_side_by_side(report)
    report.locator(".bar .clock input").fill("5")
    wait_until(report, SETTLED)
    assert {frame_of(time) for time in report.evaluate(f"{READY}.map((video) => video.currentTime)")} == {5}
    report.evaluate("document.activeElement.blur()")
    report.keyboard.press(".")
    wait_until(report, SETTLED)
    assert {frame_of(time) for time in report.evaluate(f"{READY}.map((video) => video.currentTime)")} == {6}


def test_videos_side_by_side_play_within_one_frame(report: Page) -> None:
    """While playing, no two videos are a frame apart, but for moments in which a machine is busy."""
    open_side_by_side(report)
    report.locator(".bar .clock-play").click()
    wait_until(report, f"{READY}.some((video) => video.currentTime > 0.3)")
    assert median(seconds_apart(report, READY)) <= 1 / 8 + 0.01
    report.keyboard.press(" ")
    paused = report.evaluate(f"{READY}.every((video) => video.paused)")
    assert paused


def test_the_table_sorts_and_filters_by_any_column(report: Page) -> None:
    """The table has a column for each score and each column of the manifest, and a line opens its sample."""
    report.locator("#view-rows").click()
    expect(report.locator(".tabulator-row")).to_have_count(16)
    titles = report.locator(".tabulator-col-title").all_text_contents()
    assert {"prompt", "clip_score", "category"} <= set(titles)
    report.locator(".tabulator-col", has_text="category").locator("input").press_sequentially("rolling")
    expect(report.locator(".tabulator-row")).to_have_count(8)
    report.locator(".tabulator-col", has_text="clip_score").locator("input").press_sequentially("25.5")
    expect(report.locator(".tabulator-row")).not_to_have_count(8)
    shown = report.locator(".tabulator-cell[tabulator-field=c4]").all_text_contents()
    assert len(shown) < 8
    assert all(float(score) >= 25.5 for score in shown)
    report.locator(".tabulator-row").first.click()
    expect(report.locator("#position")).to_have_text(f"1 of {len(shown)}")


def test_a_column_of_the_manifest_is_a_filter(report: Page) -> None:
    """A column with few different values filters the gallery."""
    report.locator("label", has_text="category").locator("select").select_option("rolling")
    expect(report.locator("#count")).to_have_text("8 of 16")


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
    expect(report.locator(".card")).to_have_count(4)
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


HANG_MS = 20_000
"""Each act takes under 2 s where nothing else runs; a busy machine must not fail a test, and a hang must."""


def test_ten_thousand_videos_stay_interactive(page: Page, tmp_path: Path) -> None:
    """Opening, searching and sorting 10,000 samples never hang, and draw what is in view alone."""
    rows = results(["a", "b"], [f"prompt number {index} of a long list" for index in range(2500)], 2)
    page.goto(write_output(tmp_path, rows).as_uri())
    expect(page.locator("#count")).to_have_text("10000")
    assert page.evaluate("performance.getEntriesByType('navigation')[0].domComplete") < HANG_MS
    assert page.locator(".card").count() < 300
    disagreement = '["disagreement",-1,"clip_score"]'
    assert page.evaluate(TIMED, ["#sort", disagreement]) < HANG_MS
    assert page.evaluate(TIMED, ["#search", "number 24"]) < HANG_MS
    expect(page.locator("#count")).to_have_text("444 of 10000")
    page.locator("#search").fill("")
    expect(page.locator("#count")).to_have_text("10000")
    for view in ("#view-sidebyside", "#view-rows"):
        assert page.evaluate(CLICKED, view) < HANG_MS
    assert page.evaluate(CLICKED, "#charts summary") < HANG_MS
    assert page.evaluate(TIMED, ["#up", "clip_temporal"]) < HANG_MS


def open_side_by_side(report: Page) -> None:
    """The view with three videos or more that are loaded."""
    report.locator("#view-sidebyside").click()
    report.locator(".group").nth(1).scroll_into_view_if_needed()
    wait_until(report, f"{READY}.length >= 3")


def frame_of(time: float) -> int:
    """Which frame of a video of 8 frames a second is shown at ``time``."""
    return int(time * 8)


READY = "[...document.querySelectorAll('#sidebyside video[src]')].filter((video) => video.readyState > 1)"
"""The videos in view that have a picture."""

SETTLED = (
    f"{READY}.length >= 3 && {READY}.length === document.querySelectorAll('#sidebyside video[src]').length"
)
"""No video is loading or on its way to another frame: then it has no picture."""

CLICKED = """(id) => new Promise((done) => {
  const began = performance.now();
  document.querySelector(id).click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
})"""
"""Milliseconds from a click until the next frame is drawn."""

TIMED = """([id, chosen]) => new Promise((done) => {
  const began = performance.now();
  const control = document.querySelector(id);
  control.value = chosen;
  control.dispatchEvent(new Event(id === "#search" ? "input" : "change"));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
})"""
"""Milliseconds from a change of a control until the next frame is drawn."""
