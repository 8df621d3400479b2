"""Charts of the report, in a real browser: any number of a video, and any against any other."""

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
    """Six videos: two models, each with its own guidance, on prompts of three lengths; one lacks a score."""
    made = results(["small", "large"], ["a red square", "a green square", "a blue square"], 1)
    for place, row in enumerate(made):
        guidance = 9 if row["model"] == "large" else 4.5
        row["call"] = f'{{"num_frames": 16, "guidance_scale": {guidance}, "clip_skip": null, "tile": true}}'
        row |= {"length": LENGTHS[place // 2], "same": 1.0, "flag": place > 2, "seed": place}
    made[5]["clip_temporal"] = None
    return made


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> Path:
    """The page on these videos."""
    folder = tmp_path_factory.mktemp("charts")
    add_videos(folder, rows)
    return write_output(folder, rows, extra=EXTRA)


@pytest.fixture
def report(page: Page, output: Path) -> Page:
    """The report with its charts unfolded."""
    page.goto(output.as_uri())
    page.locator("#charts summary").click()
    expect(page.locator("#chart canvas")).to_be_visible()
    return page


def test_every_number_that_differs_can_be_charted(report: Page) -> None:
    """Scores, columns of the manifest and arguments of calls; what is the same everywhere tells nothing."""
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


def test_a_histogram_has_every_video_in_a_bar(report: Page) -> None:
    """Ink on the canvas, a legend of the models, and how many videos have the number."""
    expect(report.locator("#chart .u-legend .u-label").first).to_have_text("small")
    expect(report.locator("#charted")).to_have_text("6 videos.")
    assert report.evaluate(INK) > 500
    report.locator("#across").select_option("clip_temporal")
    expect(report.locator("#charted")).to_have_text("5 videos.")


def test_any_two_numbers_make_a_scatter_plot(report: Page) -> None:
    """An argument against a column of the manifest: a dot a video, those of one value side by side."""
    report.locator("#across").select_option("call.guidance_scale")
    report.locator("#up").select_option("length")
    assert report.evaluate(INK) > 500
    expect(report.locator("#charted")).to_contain_text("6 videos. A dot opens its video.")
    found = {(tip, x, y) for tip, x, y in report.evaluate(DOTS)}
    assert {tip for tip, _, _ in found} == {
        f"{prompt}{model}call.guidance_scale {guidance}length {length}"
        for model, guidance in (("small", "4.500"), ("large", "9"))
        for prompt, length in zip(("a red square", "a green square", "a blue square"), LENGTHS, strict=True)
    }
    assert len({(x, y) for _, x, y in found}) == 6
    expect(report.locator("#charted")).to_contain_text("a little apart")


def test_a_dot_opens_its_video(report: Page) -> None:
    """What the pointer means is told beside it, and a click shows that very video."""
    report.locator("#up").select_option("clip_temporal")
    (tip, x, y), *_ = report.evaluate(DOTS)
    place = report.locator("#chart .u-over")
    place.scroll_into_view_if_needed()
    place.hover(position={"x": x, "y": y})
    expect(report.locator(".dot-tip .film")).to_be_visible()
    place.click(position={"x": x, "y": y})
    prompt = report.locator("#facts h2").inner_text()
    assert tip.startswith(prompt)
    expect(report.locator("#position")).to_contain_text("of 5")


def test_a_chart_is_of_the_videos_that_are_listed(report: Page) -> None:
    """Filters narrow the chart too; a model keeps its colour; nothing to show is said."""
    colour = "getComputedStyle(document.querySelector('.u-legend tr:last-child .u-marker')).borderColor"
    before = report.evaluate(colour)
    report.locator("#model").select_option("large")
    expect(report.locator("#charted")).to_have_text("3 videos.")
    assert report.evaluate(colour) == before
    report.locator("#up").select_option("clip_temporal")
    report.locator("#search").fill("blue")
    expect(report.locator("#charted")).to_contain_text(
        "None of these videos has clip_score and clip_temporal"
    )


def test_a_chart_fits_a_phone(report: Page) -> None:
    """A plot that was drawn wide becomes as narrow as the screen."""
    report.locator("#up").select_option("clip_temporal")
    report.set_viewport_size({"width": 390, "height": 800})
    expect(report.locator("#chart .uplot")).to_have_css("width", "358px")
    assert report.evaluate("document.documentElement.scrollWidth") <= 390


INK = """() => {
  const canvas = document.querySelector("#chart canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
}"""
"""How many pixels of the chart are not empty."""

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
"""Every dot that a pointer finds on its way over the whole plot: what is told of it, and where it is."""
