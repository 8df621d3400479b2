"""Folders of frames in the report: they play, loop, scrub and keep time as video files do."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from t2vbatch.job import VideoFile
from t2vbatch.media.video import encode
from tests.browsers import PATIENCE_S, play_together, wait_until
from tests.report.outputs import COLOURS, add_videos, results, rolling, write_output


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of one video that exists as a file and as a folder of frames."""
    folder = tmp_path_factory.mktemp("frames")
    rows = results(["file", "folder"], ["a red square rolls"], 1)
    add_videos(folder, rows)
    rows[1]["video"] = "videos/folder/row 1.5-0"
    encode(rolling(COLOURS["red"]), folder / rows[1]["video"], VideoFile(format="png"))
    return write_output(folder, rows)


@pytest.fixture
def report(page: Page, output: Path) -> Page:
    """The report, opened."""
    page.goto(f"{output.as_uri()}#view=gallery")
    return page


def test_a_folder_of_frames_plays_and_begins_again(report: Page) -> None:
    """In the gallery the time runs to the end of two seconds and starts again."""
    wait_until(report, f"{FRAMES}.currentTime > 1.5")
    wait_until(report, f"{FRAMES}.currentTime < 1")
    assert report.evaluate(f"[{FRAMES}.duration, {FRAMES}.readyState]") == [2, 4]


def test_it_lets_go_of_its_frames(report: Page) -> None:
    """With play off the player has no pictures and the poster is visible."""
    wait_until(report, f"{FRAMES}.readyState === 4")
    report.locator("#play").uncheck()
    wait_until(report, f"{FRAMES}.readyState === 0 && {FRAMES}.paused && !{FRAMES}.firstChild")
    expect(report.locator("#gallery frames-player[src]")).to_have_count(0)


def test_side_by_side_every_frame_is_that_of_the_file(report: Page) -> None:
    """After scrubbing and stepping, the folder and the file show the same picture."""
    report.locator("#view-sidebyside").click()
    report.locator(".group").scroll_into_view_if_needed()
    wait_until(report, f"{BOTH}.every((player) => player.readyState > 1)")
    for act, frame in (("fill", 5), ("key", 6), ("fill", 15), ("fill", 0)):
        if act == "key":
            report.evaluate("document.activeElement.blur()")
            report.keyboard.press(".")
        else:
            report.locator(".bar .clock input").fill(str(frame))
        wait_until(report, f"{BOTH}.every((player) => player.readyState > 1 && !player.seeking)")
        wanted = pytest.approx(frame * (64 - 64 // 3) // 16 / 64, abs=0.03)
        for _ in range(PATIENCE_S * 10):  # A browser paints what it has sought a moment later.
            edges = [_left_edge(box) for box in report.locator(".group .video-box").all()]
            if edges == [wanted, wanted]:
                break
            report.wait_for_timeout(100)
        assert edges == [wanted, wanted]


def test_side_by_side_it_keeps_time_with_the_file(report: Page) -> None:
    """While playing, the folder and the file come to be at most one frame apart, by the median."""
    report.locator("#view-sidebyside").click()
    report.locator(".group").scroll_into_view_if_needed()
    wait_until(report, f"{BOTH}.every((player) => player.readyState > 1)")
    report.locator(".bar .clock-play").click()
    wait_until(report, f"{BOTH}.every((player) => player.currentTime > 0.2)")
    assert play_together(report, BOTH, within_s=1 / 8 + 0.01)


def test_it_plays_in_full_with_its_own_clock(report: Page) -> None:
    """The detail view of a folder of frames has a slider and a time."""
    report.locator(".card", has_text="folder").click()
    expect(report.locator("#stage .clock")).to_be_visible()
    wait_until(report, "document.querySelector('#stage frames-player').currentTime > 0.2")
    expect(report.locator("#stage .clock input")).to_have_attribute("max", "15")


def _left_edge(box: Locator) -> float:
    """The left edge of the red square, as a fraction of the width of the picture."""
    picture = np.asarray(Image.open(io.BytesIO(box.screenshot())).convert("RGB"), int)
    red = np.abs(picture - np.array(COLOURS["red"])).sum(axis=2) < 60
    edge = int(np.flatnonzero(red.any(axis=0))[0])
    return edge / int(picture.shape[1])


FRAMES = "document.querySelector('#gallery frames-player')"
BOTH = "[...document.querySelectorAll('#sidebyside .player')]"
