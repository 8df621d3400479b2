"""A real browser without a window, and pages that fail their test for any complaint."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("the report is tested in a browser: apt-get install chromium")
        pytest.skip("no browser here: apt-get install chromium")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=quiet)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of a browser that cannot reach any network; whatever it complains of fails the test."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


def wait_until(page: Page, expression: str) -> None:
    """Wait for a JavaScript expression to hold; Playwright's own way needs eval, which the page forbids."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{expression} does not come true")


def seconds_apart(page: Page, players: str) -> list[float]:
    """How far the players, an array in JavaScript, are from each other while they play, eleven times."""
    apart: list[float] = []
    while len(apart) < 11:
        page.wait_for_timeout(70)
        times = page.evaluate(
            f"{players}.filter((player) => !player.seeking).map((player) => player.currentTime)"
        )
        apart += [max(times) - min(times)] if len(times) >= 2 else []
    return apart
