"""A headless browser; a page that logs an error fails its test."""

import os
import shutil
from collections.abc import Iterator
from statistics import median

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

PATIENCE_S = 60
"""A busy machine may take many seconds for what a browser does at once elsewhere."""

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("the tests of the report need a browser: apt-get install chromium")
        pytest.skip("no browser found: apt-get install chromium")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=quiet)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page without network access; an error in its console fails the test."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    errors: list[str] = []
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


def wait_until(page: Page, expression: str) -> None:
    """Wait until a JavaScript expression is true. Playwright's wait needs eval, which the page forbids."""
    for _ in range(PATIENCE_S * 20):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{expression} stayed false")


def play_together(page: Page, players: str, within_s: float) -> bool:
    """Whether playing players come to be so close, by the median: a browser without CPU takes a while."""
    return any(median(_seconds_apart(page, players)) <= within_s for _ in range(20))


def _seconds_apart(page: Page, players: str) -> list[float]:
    """Measure eleven times how many seconds playing players, a JavaScript array, are apart."""
    apart: list[float] = []
    while len(apart) < 11:
        page.wait_for_timeout(70)
        times = page.evaluate(
            f"{players}.filter((player) => !player.seeking).map((player) => player.currentTime)"
        )
        apart += [max(times) - min(times)] if len(times) >= 2 else []
    return apart
