"""The report in Firefox: the views are drawn, and videos and folders of frames play."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from t2vbatch.job import VideoFile
from t2vbatch.media.video import encode
from tests.report.firefox import Firefox, firefox_or_skip
from tests.report.outputs import COLOURS, add_videos, results, rolling, write_output


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """A window of Firefox."""
    yield from firefox_or_skip(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of two models; a video of one is a folder of frames."""
    folder = tmp_path_factory.mktemp("output")
    rows = results(["small", "large"], ["a red square rolls", "a green square rolls"], 1)
    add_videos(folder, rows)
    rows[1]["video"] = "videos/large/frames"
    encode(rolling(COLOURS["red"]), folder / rows[1]["video"], VideoFile(format="png"))
    return write_output(folder, rows).as_uri()


def test_the_strip_plays(window: Firefox, address: str) -> None:
    """All four videos of the strip play, files and folders of frames alike."""
    window.open(address)
    players = "[...document.querySelectorAll('#strip .player')]"
    window.wait_until(f"{players}.length === 4 && {players}.every((one) => one.currentTime > 0.2)")


@pytest.mark.parametrize(
    ("view", "drawn"),
    [
        ("gallery", "document.querySelectorAll('#gallery .card').length === 4"),
        ("sidebyside", "document.querySelectorAll('#sidebyside .group').length === 2"),
        ("vote", "document.querySelectorAll('#vote .vote-side').length === 2"),
        ("table", "document.querySelectorAll('#table tbody tr').length === 4"),
        ("charts", "document.querySelectorAll('#histograms svg path').length === 4"),
    ],
)
def test_each_view_is_drawn(window: Firefox, address: str, view: str, drawn: str) -> None:
    """A view opened by its address has its videos, rows or charts, and fits the window."""
    window.open(f"{address}#view={view}")
    window.wait_until(drawn)
    assert window.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("view", ["overview", "gallery", "sidebyside", "vote", "table", "charts", "detail"])
def test_axe_finds_no_violation(window: Firefox, address: str, view: str) -> None:
    """Names, roles and contrast are right in Firefox too, which draws some controls in another way."""
    window.open(f"{address}#view={'gallery' if view == 'detail' else view}")
    if view == "detail":
        window.run("document.querySelector('.card').click()")
    window.run(AXE_SCRIPT)
    found = window.resolve("axe.run(document, { resultTypes: ['violations'] })")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []


def test_side_by_side_the_slider_seeks_every_video(window: Firefox, address: str) -> None:
    """All players reach the middle of the chosen frame."""
    window.open(f"{address}#view=sidebyside")
    players = "[...document.querySelectorAll('#sidebyside .player')]"
    window.wait_until(f"{players}.length === 4 && {players}.every((one) => one.readyState > 1)")
    window.evaluate(
        "(() => { const slider = document.querySelector('.bar .clock input'); slider.value = 5;"
        " slider.dispatchEvent(new Event('input')); })()"
    )
    window.wait_until(f"{players}.every((one) => !one.seeking && Math.floor(one.currentTime * 8) === 5)")
