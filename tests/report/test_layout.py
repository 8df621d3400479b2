"""The geometry of the report with long names, videos of several shapes, and samples without a video."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Locator, Page, expect

from t2vbatch.analysis.summary import summarize
from t2vbatch.job import VideoFile
from t2vbatch.media.video import Video, encode
from t2vbatch.output.records import results_schema
from t2vbatch.report import write_report
from t2vbatch.report.leaderboard import board_notes
from t2vbatch.storage.files import open_folder
from tests.report.outputs import EXTRA, SCORES, results, write_output

MODELS = ["wan", "hunyuan-video-1.5", "ltx-2-distilled-8-steps-fp8-of-a-long-name", "cogvideox-5b", "mochi-1"]
SIZES = {"wan": (64, 32), "mochi-1": (32, 64)}
"""Width and height of the videos; those of the other models are square."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of five models and two prompts: one sample failed, and one model made a degenerate video."""
    folder = tmp_path_factory.mktemp("layout")
    rows = results(MODELS, ["a red square", "a green square"], 2)
    for row in rows:
        row["width"], row["height"] = SIZES.get(row["model"], (32, 32))
        row["video"] = f"videos/{row['model']}/{row['row_id']}-{row['sample_index']}.mp4"
        video = Video(np.full((4, row["height"], row["width"], 3), 90, np.uint8), fps=4)
        row["frames_sha256"] = video.sha256()
        (folder / row["video"]).parent.mkdir(parents=True, exist_ok=True)
        encode(video, folder / row["video"], VideoFile())
    rows[0] |= {"status": "degenerate", "error_type": "DegenerateError", "error": "every frame is equal"}
    lost = ("video", "frames_sha256", "width", "height", *SCORES)
    rows[2] |= {"status": "failed", "error_type": "RowError", "error": "out of memory"} | dict.fromkeys(lost)
    return write_output(folder, rows).as_uri()


def box(found: Locator) -> dict[str, float]:
    """Position and size of an element in pixels."""
    measured: Any = found.bounding_box()
    assert measured is not None
    return dict(measured)


@pytest.mark.parametrize("view", ["gallery", "sidebyside"])
def test_the_count_stays_on_the_first_line_of_the_filters(page: Page, address: str, view: str) -> None:
    """At 1440 pixels the number of samples is at the right of the search, and stays there with a filter."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{address}#view={view}")
    count, search = page.locator("#count"), page.locator("#search")
    places = [box(count)]
    page.locator("#filter-selects select").first.select_option("wan")
    expect(count).to_have_text("4 of 20 samples")
    places.append(box(count))
    for place in places:
        assert abs(place["y"] + place["height"] / 2 - box(search)["y"] - box(search)["height"] / 2) < 4
        assert place["x"] + place["width"] > 1300


def test_nothing_moves_while_the_page_loads(page: Page, address: str) -> None:
    """The page reserves the place of the strip, whose videos a script adds."""
    page.add_init_script(
        "window.moved = 0; new PerformanceObserver((list) => {"
        " for (const entry of list.getEntries()) window.moved += entry.value;"
        " }).observe({ type: 'layout-shift', buffered: true });"
    )
    page.goto(address)
    expect(page.locator("#strip .tile")).to_have_count(2 * len(MODELS))
    strip, board = box(page.locator("#strip")), box(page.locator("#scores"))
    assert strip["y"] + strip["height"] < board["y"] < 900
    assert page.evaluate("moved") < 0.02


def test_the_buttons_of_a_vote_are_on_one_line(page: Page, address: str) -> None:
    """Two videos of different shapes do not move one button below the other."""
    page.goto(f"{address}#view=vote")
    buttons = page.locator(".vote-button")
    for _ in range(8):
        assert box(buttons.first)["y"] == box(buttons.last)["y"]
        page.keyboard.press("s")


def test_a_box_without_a_video_has_the_shape_of_the_videos(page: Page, address: str) -> None:
    """A failed sample is as wide and high as another model's video of the same prompt and seed."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{address}#view=sidebyside")
    failed = box(page.locator(".card.failed .video-box").first)
    assert failed["width"] == pytest.approx(2 * failed["height"], rel=0.05)


def test_a_prompt_is_written_in_the_direction_of_its_script(page: Page, tmp_path: Path) -> None:
    """An Arabic prompt begins at the right of its card, an English one at the left."""
    rows = results(["a"], ["\u0642\u0637\u0629 \u062d\u0645\u0631\u0627\u0621", "a cat"], 1)
    page.goto(f"{write_output(tmp_path, rows).as_uri()}#view=gallery")
    prompts = page.locator(".card .prompt")
    left, right = (prompts.nth(at).evaluate(BESIDE) for at in (0, 1))
    assert left[0] > 20 > left[1]
    assert right[0] < 20 < right[1]


BESIDE = """(prompt) => {
  const range = document.createRange();
  range.selectNodeContents(prompt);
  const [text, box] = [range.getBoundingClientRect(), prompt.getBoundingClientRect()];
  return [text.left - box.left, box.right - text.right];
}"""
"""Pixels to the left and to the right of the text of a prompt."""


def test_the_number_of_a_sample_stays_on_one_line(page: Page, address: str) -> None:
    """Beside a long name of a model the number of the sample is not broken."""
    page.goto(f"{address}#view=gallery")
    numbers = page.locator(".card .line .soft")
    heights = {round(box(one)["height"]) for one in numbers.all()}
    assert len(heights) == 1


def test_the_detail_view_shows_the_scores_of_all_models(page: Page, address: str) -> None:
    """With five models no column of the scores is outside the frame, whatever the names are."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{address}#view=gallery")
    page.locator(".card").nth(4).click()
    frame = page.locator("#facts .scroll").first
    assert frame.evaluate("one => one.scrollWidth <= one.clientWidth")
    expect(frame.locator("thead th").nth(1)).to_have_attribute("title", MODELS[2])


def test_a_phone_shows_the_second_column_of_every_table(page: Page, address: str) -> None:
    """At 390 pixels the pinned first column of a table leaves room for the next one."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    for summary in page.locator("#overview summary").all():
        summary.evaluate("one => one.parentElement.open = true")
    for table in page.locator("#overview table").all():
        first, second = (box(table.locator("tbody tr > *").nth(at)) for at in (0, 1))
        assert first["x"] + first["width"] < 200
        assert second["x"] + 40 < 390


def test_the_overview_fits_a_sheet_of_paper(page: Page, address: str, output: Path) -> None:
    """In print no table is wider than the paper, and no number is broken into lines."""
    page.set_viewport_size({"width": 720, "height": 1000})
    page.emulate_media(media="print")
    for opened in (address, output.as_uri()):
        page.goto("about:blank")
        page.goto(opened)
        expect(page.locator("#strip .tile").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 720
        numbers = page.locator("#leaderboard .mean, .forest:visible td.number").all()
        assert {box(one)["height"] < 60 for one in numbers} == {True}


def test_an_empty_run_has_one_message_in_each_view(page: Page, tmp_path: Path) -> None:
    """Before the first sample is finished, no view repeats that with another text or with empty tables."""
    table = pa.Table.from_pylist([], results_schema(SCORES, EXTRA))
    name = write_report(open_folder(tmp_path), table, summarize(table, {"a": 2, "b": 2}))
    page.goto((tmp_path / name).as_uri())
    for view in ("gallery", "sidebyside", "vote", "table", "charts"):
        page.locator(f"#view-{view}").click()
        expect(page.locator("#nothing")).to_be_visible()
        expect(page.locator(f"#{view}")).to_be_hidden()


def test_models_with_one_note_share_a_line() -> None:
    """A note of every model is written once; a note of one model names it."""
    rows = results(["a", "b"], ["one", "two"], 1)
    for row in rows:
        row["prompt_truncated"] = row["prompt"] == "one"
    rows[0]["video_notes"] = "33 frames"
    summary = summarize(pa.Table.from_pylist(rows, results_schema(SCORES, EXTRA)), {"a": 2, "b": 2})
    assert board_notes(summary) == [
        "a: 1 video: 33 frames.",
        "Each model: the scorer truncated 1 prompt.",
    ]
