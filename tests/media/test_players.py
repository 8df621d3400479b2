"""Written videos in Chromium and Firefox: each loads, has its size and duration, and shows its last frame."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page

from t2vbatch.job import VideoFile
from t2vbatch.media.audio import Audio
from t2vbatch.media.playable import written_size
from t2vbatch.media.video import Video, encode
from tests.browsers import PATIENCE_S
from tests.report.firefox import Firefox, firefox_or_skip

SHAPES = {
    "one frame in two seconds": (1, 64, 48, 0.5),
    "one frame of a thousand a second": (1, 64, 48, 1000),
    "two frames": (2, 64, 48, 8),
    "three frames of film": (3, 64, 48, 23.976),
    "three frames at 120": (3, 64, 48, 120),
    "one pixel": (2, 1, 1, 8),
    "odd sides": (2, 3, 5, 8),
    "larger than 4K": (2, 4097, 2161, 8),
}
SOUNDS = {"longer sound": 3.0, "shorter sound": 0.1}
SHADES = ((220, 40, 40), (40, 180, 60), (40, 60, 220))
"""The colour of each frame; the last one is read."""

PAGE = """<!doctype html><meta charset="utf-8"><canvas width="8" height="8"></canvas><script>
"use strict";
const files = FILES;
window.answers = {};
window.done = false;

function event(target, name) {
  return new Promise((resolve, reject) => {
    target.addEventListener(name, resolve, { once: true });
    target.addEventListener("error", () => reject(new Error(`no ${name}`)), { once: true });
  });
}

// A slow browser may draw the frame before the one that it sought: read until the last one is there.
async function lastShown(video, last) {
  const pen = document.querySelector("canvas").getContext("2d", { willReadFrequently: true });
  let pixel = [];
  for (let tries = 0; tries < 50; tries += 1) {
    pen.drawImage(video, 0, 0, 8, 8);
    pixel = Array.from(pen.getImageData(4, 4, 1, 1).data.slice(0, 3));
    if (pixel.every((value, channel) => Math.abs(value - last[channel]) <= 12)) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return pixel;
}

async function played(file) {
  const bytes = Uint8Array.from(atob(file.data), (one) => one.charCodeAt(0));
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  const loaded = event(video, "loadeddata");
  video.src = URL.createObjectURL(new Blob([bytes], { type: file.type }));
  await loaded;
  const sought = event(video, "seeked");
  video.currentTime = file.at;
  await sought;
  const pixel = await lastShown(video, LAST);
  return { size: [video.videoWidth, video.videoHeight], duration: video.duration, pixel };
}

(async () => {
  for (const file of files) {
    window.answers[file.name] = await played(file).catch((error) => ({ error: String(error) }));
  }
  window.done = true;
})();
</script>"""


def frames(count: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Frames of one colour each; the last has the last of SHADES."""
    shades = np.array(SHADES[-count:], np.uint8)
    return np.ascontiguousarray(np.broadcast_to(shades[:, None, None], (count, height, width, 3)))


def made(folder: Path, name: str, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A file as the page reads it, and what a player should find."""
    count, width, height, fps = SHAPES.get(name, (4, 64, 48, 8))
    settings, sound = VideoFile.model_validate({"format": kind}), None
    if name in SOUNDS:
        tone = np.sin(np.arange(round(SOUNDS[name] * 48_000)) / 20)
        sound = Audio((tone * 9000).astype(np.int16)[None], 48_000)
    shown = frames(min(count, 3), width, height)
    video = Video(shown if count <= 3 else np.concatenate([shown[:1], shown]), fps, sound)
    encode(video, folder / "video", settings)
    data = base64.b64encode((folder / "video").read_bytes()).decode()
    file = {"name": f"{name}, {kind}", "type": f"video/{kind}", "data": data, "at": (count - 0.5) / fps}
    size = list(written_size(width, height, settings))
    return file, {"name": file["name"], "size": size, "duration": count / fps}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict[str, Any]]]:
    """The address of a page that plays each video, and what it should find."""
    folder = tmp_path_factory.mktemp("players")
    pairs = [made(folder, name, kind) for kind in ("mp4", "webm") for name in (*SHAPES, *SOUNDS)]
    page = folder / "page.html"
    files = json.dumps([file for file, _ in pairs])
    page.write_text(PAGE.replace("LAST", json.dumps(SHADES[-1])).replace("FILES", files))
    return page.as_uri(), [expected for _, expected in pairs]


def differences(answers: dict[str, Any], expected: list[dict[str, Any]]) -> list[str]:
    """What a player found other than expected. A webm has its times in milliseconds."""
    wrong = []
    for one in expected:
        found = answers[one["name"]]
        if "error" in found or found["size"] != one["size"]:
            wrong.append(f"{one['name']}: {found}")
        elif abs(found["duration"] - one["duration"]) > 0.03:
            wrong.append(f"{one['name']}: {found['duration']} s, not {one['duration']} s")
        elif np.abs(np.subtract(found["pixel"], SHADES[-1])).max() > 12:
            wrong.append(f"{one['name']}: the last frame is {found['pixel']}")
    return wrong


def test_chromium_plays_every_video(page: Page, videos: tuple[str, list[dict[str, Any]]]) -> None:
    """Chromium plays mp4 and webm files of every size, rate, length and sound."""
    address, expected = videos
    page.goto(address)
    for _ in range(2 * PATIENCE_S):
        page.wait_for_timeout(1000)  # Each question to the page takes time from its players.
        if page.evaluate("window.done"):
            break
    assert page.evaluate("window.done")
    assert differences(page.evaluate("window.answers"), expected) == []


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Firefox]:
    """A window of Firefox."""
    yield from firefox_or_skip(tmp_path)


def test_firefox_plays_every_video(window: Firefox, videos: tuple[str, list[dict[str, Any]]]) -> None:
    """Firefox plays mp4 and webm files of every size, rate, length and sound."""
    address, expected = videos
    window.open(address)
    window.wait_until("window.done")
    assert differences(window.evaluate("window.answers"), expected) == []
