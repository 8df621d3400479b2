"""A real browser, and the output folder that it opens."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.report.outputs import HOSTILE, SCORES, add_videos, results, write_output


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


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of two models over four prompts, one of them hostile, with a failure and a pause."""
    folder = tmp_path_factory.mktemp("output")
    prompts = ["a red square rolls", "a green square slides", "a blue square rolls over the grass", HOSTILE]
    rows = results(["small", "large"], prompts, 2)
    add_videos(folder, rows)
    for name in ("video", "frames_sha256", *SCORES):
        rows[3][name] = None
    rows[3] |= {
        "status": "failed",
        "error_type": "RowError",
        "error": "the call raised <i>ValueError</i>",
        "traceback": "Traceback (most recent call last):\n  ValueError: <i>",
        "attempts": 3,
    }
    return write_output(folder, rows, pending=1)
