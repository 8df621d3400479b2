"""Videos with sound in the report: they are muted until the user turns the sound on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from t2vbatch.job import VideoFile
from t2vbatch.media.audio import Audio
from t2vbatch.media.video import encode
from tests.browsers import wait_until
from tests.report.outputs import COLOURS, add_videos, results, rolling, write_output

PLAYER = "document.querySelector('#stage .player')"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two videos; the first has a tone."""
    folder = tmp_path_factory.mktemp("sound")
    rows = results(["one"], ["a red square hums", "a green square rolls"], 1)
    add_videos(folder, rows)
    tone = Audio((8000 * np.sin(np.arange(32_000) / 10)).astype(np.int16)[None], 16_000)
    encode(replace(rolling(COLOURS["red"]), audio=tone), folder / rows[0]["video"], VideoFile())
    rows[0] |= {"audio_rate_hz": 16_000, "audio_channels": 1, "audio_sha256": "0" * 64}
    return write_output(folder, rows)


def test_sound_is_switched_on_and_stays_on(page: Page, output: Path) -> None:
    """The player opens muted; a click turns the sound on, also for videos opened later."""
    page.goto(f"{output.as_uri()}#view=gallery")
    page.locator('main .card[data-sample="0"]').first.click()
    expect(page.locator("#facts")).to_contain_text("with sound at 16000 Hz")
    wait_until(page, f"!{PLAYER}.paused && {PLAYER}.muted")
    page.get_by_role("button", name="sound off").click()
    wait_until(page, f"!{PLAYER}.paused && !{PLAYER}.muted && {PLAYER}.webkitAudioDecodedByteCount > 0")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#facts")).to_contain_text("a green square rolls")
    expect(page.locator("#stage .sound")).to_have_count(0)
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="sound on")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(f"{PLAYER}.muted") is False
