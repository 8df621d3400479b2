"""Charts of the report, in a real browser: histograms that filter, and any two numbers as a plot."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect

from tests.report.outputs import add_videos, results, write_output

LENGTHS = (3, 11, 6)
EXTRA = pa.schema([("length", pa.int64()), ("same", pa.float64()), ("flag", pa.bool_())])


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Six videos of two models with different guidance on prompts of three lengths; one has no score."""
    made = results(["small", "large"], ["a red square", "a green square", "a blue square"], 1)
    for place, row in enumerate(made):
        guidance = 9 if row["model"] == "large" else 4.5
        row["call"] = f'{{"num_frames": 16, "guidance_scale": {guidance}, "clip_skip": null, "tile": true}}'
        row |= {"length": LENGTHS[place // 2], "same": 1.0, "flag": place > 2, "seed": place}
    made[5]["clip_temporal"] = None
    return made


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> Path:
    """The page of these videos."""
    folder = tmp_path_factory.mktemp("charts")
    add_videos(folder, rows)
    return write_output(folder, rows, extra=EXTRA)


@pytest.fixture
def report(page: Page, output: Path) -> Page:
    """The charts of the report."""
    page.goto(f"{output.as_uri()}#view=charts")
    expect(page.locator("#chart canvas")).to_be_visible()
    return page


def test_every_number_that_differs_can_be_charted(report: Page) -> None:
    """Scores, columns of the manifest and arguments of calls are offered; constant columns are not."""
    groups = report.evaluate(
        "[...document.querySelectorAll('#across optgroup')].map(group => [group.label,"
        " [...group.children].map(choice => choice.value)])"
    )
    assert groups[:3] == [
        ["scores", ["clip_score", "clip_temporal"]],
        ["manifest", ["length"]],
        ["arguments of the call", ["call.guidance_scale"]],
    ]
    assert "seed" in groups[3][1]
    assert "num_frames" not in groups[3][1]


def test_each_score_has_a_histogram_by_default(report: Page) -> None:
    """Each score has an outline for each model, a legend, and the number of its videos."""
    histograms = report.locator("#histograms .histogram")
    expect(report.locator("#legend .model")).to_have_text(["small", "large"])
    expect(histograms.locator("figcaption")).to_have_text(["clip_score 6 videos", "clip_temporal 5 videos"])
    expect(histograms.first.locator("path")).to_have_count(2)


def test_the_bars_of_a_histogram_hold_every_video(report: Page) -> None:
    """The bars of a histogram count each video once."""
    titles = report.locator("#histograms .histogram").first.locator(".bin").all()
    counts = [int((one.get_attribute("title") or "").split(": ")[1].split()[0]) for one in titles]
    assert sum(counts) == 6


def test_a_bar_filters_and_its_own_histogram_stays(report: Page) -> None:
    """A click on a bar filters the other charts and the count; a second click removes the filter."""
    bars = report.locator("#histograms .histogram").first.locator(".bin")
    bars.first.click()
    expect(report.locator(".chip")).to_contain_text("clip_score")
    expect(report.locator("#count")).to_contain_text("of 6 samples")
    expect(report.locator("#histograms figcaption").first).to_have_text("clip_score 6 videos")
    bars.last.click(modifiers=["Shift"])
    expect(report.locator("#count")).to_have_text("6 samples")
    bars.first.click()
    expect(report.locator(".chip")).to_have_count(0)


def test_one_number_alone_is_a_histogram(report: Page) -> None:
    """Against the number of videos, any number has a histogram with bars that filter."""
    report.locator("#across").select_option("length")
    report.locator("#up").select_option("")
    expect(report.locator("#chart figcaption")).to_have_text("length 6 videos")
    report.locator("#chart .bin").last.click()
    expect(report.locator("#count")).to_have_text("2 of 6 samples")


def test_any_two_numbers_make_a_scatter_plot(report: Page) -> None:
    """An argument of the call against a manifest column has a dot for each video, without overlap."""
    report.locator("#across").select_option("call.guidance_scale")
    report.locator("#up").select_option("length")
    assert report.evaluate(INK) > 500
    expect(report.locator("#charted")).to_contain_text("6 videos. A click on a dot opens its video.")
    found = {(tip, x, y) for tip, x, y in report.evaluate(DOTS)}
    assert {tip for tip, _, _ in found} == {
        f"{prompt}{model}call.guidance_scale {guidance}length {length}"
        for model, guidance in (("small", "4.500"), ("large", "9"))
        for prompt, length in zip(("a red square", "a green square", "a blue square"), LENGTHS, strict=True)
    }
    assert len({(x, y) for _, x, y in found}) == 6
    expect(report.locator("#charted")).to_contain_text("a small offset")


def test_a_dot_opens_its_video(report: Page) -> None:
    """The pointer shows the video of a dot, and a click opens it."""
    report.locator("#up").select_option("clip_temporal")
    (tip, x, y), *_ = report.evaluate(DOTS)
    place = report.locator("#chart .u-over")
    place.scroll_into_view_if_needed()
    place.hover(position={"x": x, "y": y})
    expect(report.locator(".dot-tip .video-box")).to_be_visible()
    place.click(position={"x": x, "y": y})
    prompt = report.locator("#facts h2").inner_text()
    assert tip.startswith(prompt)
    expect(report.locator("#position")).to_contain_text("of 5")


def test_a_chart_is_of_the_videos_that_are_listed(report: Page) -> None:
    """Filters narrow the plot; a model keeps its colour; an empty plot has a message."""
    colour = "getComputedStyle(document.querySelector('#histograms path:last-child')).stroke"
    before = report.evaluate(colour)
    report.locator("#filter-selects select[aria-label='filter by model']").select_option("large")
    report.locator("#up").select_option("length")
    expect(report.locator("#charted")).to_contain_text("3 videos.")
    assert report.evaluate(colour) == before
    report.locator("#up").select_option("clip_temporal")
    report.locator("#search").fill("blue")
    expect(report.locator("#charted")).to_contain_text(
        "None of these videos has clip_score and clip_temporal"
    )


def test_a_chart_fits_a_phone(report: Page) -> None:
    """A plot becomes as narrow as the window."""
    report.locator("#up").select_option("clip_temporal")
    report.set_viewport_size({"width": 390, "height": 800})
    expect(report.locator("#chart .uplot")).to_have_css("width", "361px")
    assert report.evaluate("document.documentElement.scrollWidth") <= 390


INK = """() => {
  const canvas = document.querySelector("#chart canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
}"""
"""The number of drawn pixels of the chart."""

DOTS = """() => {
  const over = document.querySelector("#chart .u-over");
  const [box, found] = [over.getBoundingClientRect(), new Map()];
  for (let x = 0; x < box.width; x += 5) {
    for (let y = 0; y < box.height; y += 5) {
      over.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + x, clientY: box.top + y }));
      const [tip, ring] = [document.querySelector(".dot-tip"), document.querySelector(".dot-ring")];
      const at = [ring.style.left, ring.style.top].map(parseFloat);
      if (!tip.hidden) found.set(tip.textContent, [tip.textContent, ...at]);
    }
  }
  return [...found.values()];
}"""
"""Every dot that the pointer finds in the plot: the text beside it and its position."""
