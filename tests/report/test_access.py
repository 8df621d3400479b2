"""The report without a mouse: axe finds no violation in any view, and the keyboard reaches everything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browsers import wait_until

VIEWS = ["overview", "gallery", "sidebyside", "vote", "table", "charts"]


@pytest.fixture(params=[("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390)], ids=str)
def themed(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page in each theme, on a wide screen and on a phone."""
    scheme: Literal["light", "dark"]
    scheme, width = request.param
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_no_violation(themed: Page, output: Path, view: str) -> None:
    """Every view has names, roles and contrast as WCAG 2.1 AA and the best practices of axe require."""
    themed.goto(f"{output.as_uri()}#view={view}")
    expect(themed.locator(f"#{view}")).to_be_visible()
    themed.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = Axe().run(themed)
    assert found.violations_count == 0, found.generate_report()


def test_axe_finds_no_violation_in_the_detail_view(themed: Page, output: Path) -> None:
    """The dialog of a failed sample, with its traceback open, has no violation either."""
    themed.goto(f"{output.as_uri()}#view=gallery&f.status=is:failed")
    themed.locator(".card").first.click()
    themed.locator("#facts details").first.locator("summary").click()
    found = Axe().run(themed)
    assert found.violations_count == 0, found.generate_report()


def test_every_view_is_reached_by_the_keyboard(page: Page, output: Path) -> None:
    """From the top of the page, Tab and Enter open each view, and the first stop skips to the content."""
    page.goto(output.as_uri())
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for view in VIEWS:
        page.keyboard.press("Tab")
        expect(page.locator(f"#view-{view}")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(f"#{view}")).to_be_visible()
        expect(page.locator(f"#view-{view}")).to_have_attribute("aria-current", "page")


@pytest.mark.parametrize("view", ["gallery", "sidebyside", "table"])
def test_the_pinned_heads_cover_no_focused_element(page: Page, output: Path, view: str) -> None:
    """Tab scrolls each stop into view below the pinned heads, in both directions."""
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto(f"{output.as_uri()}#view={view}")
    expect(page.locator(f"#{view}")).to_be_visible()
    for key in ["Tab"] * 30 + ["Shift+Tab"] * 20:
        page.keyboard.press(key)
        assert page.evaluate(UNCOVERED), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


UNCOVERED = """() => {
  const focused = document.activeElement;
  const box = focused.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 20));
  return focused === document.body || (top !== null && (focused.contains(top) || top.contains(focused)));
}"""
"""Whether the element with the focus is the one that a click at its place would reach."""


def test_reduced_motion_starts_no_video(browser: Browser, output: Path) -> None:
    """With reduced motion no view plays a video by itself; the button plays it."""
    with browser.new_context(offline=True, reduced_motion="reduce") as context:
        page = context.new_page()
        for view in ("overview", "gallery", "vote"):
            page.goto("about:blank")
            page.goto(f"{output.as_uri()}#view={view}")
            expect(page.locator(f"#{view}")).to_be_visible()
            if view == "gallery":
                page.locator(".card").first.click()
                wait_until(page, "document.querySelector('#stage video').readyState > 1")
            assert page.evaluate("[...document.querySelectorAll('video')].every((one) => one.paused)")
        page.locator("#vote .clock-play").click()
        wait_until(page, "document.querySelector('#vote video').currentTime > 0.2")


def test_a_histogram_filters_by_the_keyboard(page: Page, output: Path) -> None:
    """Arrow keys move between the bars of a histogram, Enter filters, and the focus stays on the bar."""
    page.goto(f"{output.as_uri()}#view=charts")
    page.locator(".bin").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(1)
    expect(page.locator(".bin").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(0)


def test_a_dot_opens_by_the_keyboard(page: Page, output: Path) -> None:
    """In the scatter plot the arrow keys move from dot to dot, and Enter opens the video."""
    page.goto(f"{output.as_uri()}#view=charts")
    page.locator("#chart .u-over").focus()
    page.keyboard.press("ArrowRight")
    first = page.locator(".dot-tip").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".dot-tip")).not_to_have_text(first)
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_be_visible()


def test_the_keyboard_stays_where_it_is_after_a_vote(page: Page, output: Path) -> None:
    """Enter on a button of the vote votes, and the same button of the next pair has the focus."""
    page.goto(f"{output.as_uri()}#view=vote")
    button = page.get_by_role("button", name="1 is better")
    button.focus()
    for votes in (1, 2):
        page.keyboard.press("Enter")
        expect(page.locator(".vote-status")).to_contain_text(f"{votes} vote")
        expect(button).to_be_focused()
    page.evaluate("votes.clear()")


def test_the_column_chooser_is_used_by_the_keyboard(page: Page, output: Path) -> None:
    """A chosen column keeps the focus on its box, Escape closes the list, and so does a click beside it."""
    page.goto(f"{output.as_uri()}#view=table")
    page.locator(".chooser summary").focus()
    page.keyboard.press("Enter")
    box = page.locator(".chooser-list label", has_text="seed").locator("input")
    box.focus()
    page.keyboard.press("Space")
    expect(page.locator("#table thead button", has_text="seed")).to_be_visible()
    expect(box).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".chooser-list")).to_be_hidden()
    expect(page.locator(".chooser summary")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("h1").click()
    expect(page.locator(".chooser-list")).to_be_hidden()


def test_a_removed_filter_leaves_the_focus_in_the_bar(page: Page, output: Path) -> None:
    """Enter on a filter removes it; the next filter gets the focus, and after the last one the search."""
    page.goto(f"{output.as_uri()}#view=gallery&f.model=is:large&f.status=is:ok")
    page.locator(".chip").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(1)
    expect(page.locator(".chip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#search")).to_be_focused()


def test_a_chosen_model_of_the_detail_view_keeps_the_focus(page: Page, output: Path) -> None:
    """Enter on another model shows its video, and its button has the focus."""
    page.goto(f"{output.as_uri()}#view=gallery")
    page.locator(".card").first.click()
    other = page.locator(".other", has_text="large")
    other.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#facts .facts-line")).to_contain_text("large")
    expect(other).to_be_focused()
