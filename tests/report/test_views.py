"""Gallery, side by side and table of the report, in a real browser."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import play_together, wait_until

NOTHING = "\N{EN DASH}"
CROSS = "\N{MULTIPLICATION SIGN}"


@pytest.fixture
def report(page: Page, output: Path) -> Page:
    """The gallery of the report."""
    page.goto(f"{output.as_uri()}#view=gallery")
    return page


def test_videos_play_where_they_are_in_view(report: Page) -> None:
    """A visible card loads its H.264 file and plays it."""
    wait_until(report, "document.querySelector('.card video').currentTime > 0.2")
    assert report.evaluate("document.querySelector('.card video').videoWidth") == 64


def test_posters_replace_videos_that_do_not_play(report: Page) -> None:
    """With play off no video has its file, and each card shows its poster."""
    report.locator("#play").uncheck()
    expect(report.locator("#gallery .player[src]")).to_have_count(0)
    address = report.locator("#gallery .video-box").first.evaluate(
        "box => getComputedStyle(box).backgroundImage"
    )
    size = report.evaluate(
        "address => new Promise(done => { const image = new Image(); image.src = address;"
        " image.onload = () => done([image.width, image.height]) })",
        address.removeprefix('url("').removesuffix('")'),
    )
    assert size == [6 * 64, 64]


def test_cards_have_no_long_seeds(report: Page) -> None:
    """A card numbers the samples of a prompt; the seed is in the detail view."""
    card = report.locator(".card").nth(1)
    expect(card).to_contain_text("#2")
    assert "46116860184" not in card.inner_text()


def test_search_and_filters_narrow_the_gallery(report: Page) -> None:
    """Search looks at prompts; model and status filter; the count shows how many match."""
    report.locator("#search").fill("GREEN")
    expect(report.locator(".card")).to_have_count(4)
    expect(report.locator("#count")).to_have_text("4 of 16 samples")
    select(report, "model", "large")
    expect(report.locator(".card")).to_have_count(2)
    report.locator("#search").fill("no such thing")
    expect(report.locator("#nothing")).to_be_visible()
    report.locator("#search").fill("")
    expect(report.locator(".card")).to_have_count(8)
    select(report, "status", "failed")
    expect(report.locator(".card")).to_have_count(1)
    report.locator("#chips .link").click()
    expect(report.locator(".card")).to_have_count(16)


def test_a_column_of_the_manifest_is_a_filter(report: Page) -> None:
    """A column with few distinct values has a select in the filter bar."""
    select(report, "category", "rolling")
    expect(report.locator("#count")).to_have_text("8 of 16 samples")


def test_sorting_puts_missing_values_last(report: Page) -> None:
    """Best first and worst first are opposite orders; a video without the score is last in both."""
    orders = []
    for choice in ("clip_score: best first", "clip_score: worst first"):
        report.locator("#sort").select_option(label=choice)
        shown = report.locator(".card .score:nth-child(2)").all_text_contents()
        assert shown[-1] == NOTHING
        orders.append([float(score) for score in shown[:-1]])
    assert orders[0] == sorted(orders[0], reverse=True)
    assert orders[1] == sorted(orders[1])


def test_models_are_side_by_side_on_the_same_prompt_and_seed(report: Page) -> None:
    """Each row has one prompt and seed, each column one model; sorting by disagreement orders the rows."""
    report.locator("#view-sidebyside").click()
    expect(report.locator(".sbs-head .model")).to_have_text(["small", "large"])
    expect(report.locator(".group")).to_have_count(8)
    expect(report.locator(".group-head").first).to_have_text("a red square rolls #1")
    report.locator("#sort").select_option(label="clip_score: largest disagreement first")
    spreads = []
    for group in report.locator(".group").all():
        pair = group.locator(".score:nth-child(2)").all_text_contents()
        spreads.append(-1.0 if NOTHING in pair else abs(float(pair[0]) - float(pair[1])))
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] > 0


def test_the_names_of_the_models_stay_visible(report: Page) -> None:
    """The head of the columns is pinned while the rows scroll."""
    report.locator("#view-sidebyside").click()
    report.locator(".group").last.scroll_into_view_if_needed()
    expect(report.locator(".sbs-head")).to_be_in_viewport(ratio=1)
    covered = "document.elementFromPoint(...centre(document.querySelector('.sbs-head .model')))?.className"
    centre = "const centre = (one) => { const b = one.getBoundingClientRect(); return [b.x + 4, b.y + 4] };"
    assert report.evaluate(f"(() => {{ {centre} return {covered} }})()") in ("model", "dot m0")


def test_scrubbing_sets_every_video_to_the_same_frame(report: Page) -> None:
    """The slider seeks all visible videos to the middle of one frame; the keys step by one frame."""
    open_side_by_side(report)
    report.locator(".bar .clock input").fill("5")
    wait_until(report, SETTLED)
    assert {frame_of(time) for time in report.evaluate(f"{READY}.map((video) => video.currentTime)")} == {5}
    report.evaluate("document.activeElement.blur()")
    report.keyboard.press(".")
    wait_until(report, SETTLED)
    assert {frame_of(time) for time in report.evaluate(f"{READY}.map((video) => video.currentTime)")} == {6}


def test_videos_side_by_side_play_within_one_frame(report: Page) -> None:
    """While playing, the videos come to be at most one frame apart, by the median."""
    open_side_by_side(report)
    report.locator(".bar .clock-play").click()
    wait_until(report, f"{READY}.some((video) => video.currentTime > 0.3)")
    assert play_together(report, READY, within_s=1 / 8 + 0.01)
    report.evaluate("document.activeElement.blur()")
    report.keyboard.press(" ")
    paused = report.evaluate(f"{READY}.every((video) => video.paused)")
    assert paused


def test_the_table_sorts_and_filters_by_any_column(report: Page) -> None:
    """The table has thumbnails, selects and ranges with both ends, and a click opens a sample."""
    report.locator("#view-table").click()
    rows = report.locator("#table tbody tr")
    expect(rows).to_have_count(16)
    expect(rows.first.locator(".thumb .video-box")).to_be_visible()
    report.locator("#table [data-filter=category] select").select_option("rolling")
    expect(rows).to_have_count(8)
    report.locator("#table [data-filter=clip_score] input").first.fill("25")
    report.locator("#table [data-filter=clip_score] input").last.fill("26.5")
    expect(report.locator(".chip")).to_have_text(
        [f"category: rolling {CROSS}", f"clip_score 25 to 26.50 {CROSS}"]
    )
    scores = column(report, "clip_score")
    assert 0 < len(scores) < 8
    assert all(25 <= float(score) <= 26.5 for score in scores)
    report.locator("#table thead button", has_text="clip_score").click()
    expect(report.locator("#table th[aria-sort=descending]")).to_contain_text("clip_score")
    assert column(report, "clip_score") == sorted(scores, key=float, reverse=True)
    rows.first.click()
    expect(report.locator("#position")).to_have_text(f"1 of {len(scores)}")


def test_the_head_of_the_table_shows_and_filters_each_distribution(report: Page) -> None:
    """The bars above a column of numbers hold its samples; a click filters by a range and keeps the focus."""
    report.locator("#view-table").click()
    bars = report.locator("[data-filter=clip_score] .bin")
    expect(bars).to_have_count(12)
    sizes = [int(title.split()[-2]) for title in bars.evaluate_all("all => all.map(one => one.title)")]
    assert sum(sizes) == 15
    tallest = sizes.index(max(sizes))
    bars.nth(tallest).click()
    expect(report.locator("#count")).to_have_text(f"{max(sizes)} of 16 samples")
    expect(bars.nth(tallest)).to_be_focused()
    bars.nth(tallest).click()
    expect(report.locator("#count")).to_have_text("16 samples")


def test_columns_are_chosen_and_saved_as_csv(report: Page) -> None:
    """A chosen column appears in the table and in the CSV, with the full text of every cell."""
    report.locator("#view-table").click()
    report.locator("#table .chooser summary").click()
    report.locator(".chooser-list label", has_text="seed").locator("input").check()
    expect(report.locator("#table thead button", has_text="seed")).to_be_visible()
    with report.expect_download() as started:
        report.get_by_role("button", name="Save CSV").click()
    lines = list(csv.DictReader(started.value.path().read_text("utf-8").splitlines()))
    assert len(lines) == 16
    assert lines[0]["seed"] == "4611686018427387905"
    assert lines[-1]["prompt"].startswith("<script>document.title = 'taken'</script>")


def test_the_keyboard_is_enough(report: Page) -> None:
    """Slash searches, Enter opens a card, arrows change the video, Escape returns to the card."""
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


def test_a_phone_has_two_columns_and_a_filter_sheet(report: Page) -> None:
    """At 390 pixels the gallery has two columns; the filters open as a sheet and close with Escape."""
    report.set_viewport_size({"width": 390, "height": 800})
    tops = [card.bounding_box() for card in report.locator(".card").all()[:3]]
    first, second, third = (card["y"] for card in tops if card)
    assert first == second < third
    expect(report.locator("#filters")).to_be_hidden()
    report.locator("#open-filters").click()
    select(report, "model", "large")
    report.keyboard.press("Escape")
    expect(report.locator("#filters")).to_be_hidden()
    expect(report.locator("#open-filters")).to_have_text("Filters (1)")
    expect(report.locator("#open-filters")).to_be_focused()


def select(report: Page, name: str, choice: str) -> None:
    """Choose a value in a select of the filter bar."""
    report.locator(f"#filter-selects select[aria-label='filter by {name}']").select_option(choice)


def column(report: Page, name: str) -> list[str]:
    """The texts of a column of the table."""
    index = report.locator("#table thead tr").first.locator("th").all_text_contents().index(name)
    return report.locator(f"#table tbody td:nth-child({index + 1})").all_text_contents()


def open_side_by_side(report: Page) -> None:
    """Open the view and wait until three videos have loaded."""
    report.locator("#view-sidebyside").click()
    report.locator(".group").nth(1).scroll_into_view_if_needed()
    wait_until(report, f"{READY}.length >= 3")


def frame_of(time: float) -> int:
    """The frame of a video of 8 frames per second at ``time``."""
    return int(time * 8)


READY = "[...document.querySelectorAll('#sidebyside video[src]')].filter((video) => video.readyState > 1)"
"""The visible videos that have a picture."""

SETTLED = (
    f"{READY}.length >= 3 && {READY}.length === document.querySelectorAll('#sidebyside video[src]').length"
)
"""All visible videos have a picture: none is loading or seeking."""
