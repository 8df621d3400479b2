"""``Results`` as a notebook displays it, opened in a real browser."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, expect

import t2vbatch
from t2vbatch.analysis.summary import summarize
from t2vbatch.errors import UsageError
from t2vbatch.job import VideoFile
from t2vbatch.media.video import encode
from t2vbatch.output.records import results_schema
from t2vbatch.report.notebook import gallery
from tests.browsers import PATIENCE_S
from tests.report.outputs import HOSTILE, SCORES, add_videos, results, rolling


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two models and three prompts; it has a hostile prompt, a folder of frames and a failure."""
    folder = tmp_path_factory.mktemp("run")
    rows = results(["small", "large"], ["a red square rolls", "a green square slides", HOSTILE], 1)
    add_videos(folder, rows)
    rows[0]["video"] = rows[0]["video"].removesuffix(".mp4")
    encode(rolling((200, 40, 40)), folder / rows[0]["video"], VideoFile(format="png"))
    rows[5] |= dict.fromkeys(("video", "frames_sha256", *SCORES))
    rows[5] |= {"status": "failed", "error_type": "RowError", "error": "the call raised <i>ValueError</i>"}
    table = pa.Table.from_pylist(rows, results_schema(SCORES, pa.schema([("category", pa.string())])))
    pq.write_table(table, folder / "results.parquet")
    summary = summarize(table, {"small": 3, "large": 4})
    (folder / "summary.json").write_text(json.dumps(summary.to_json()))
    return folder


@pytest.fixture
def shown(output: Path) -> t2vbatch.Results:
    """The results of the run."""
    return t2vbatch.Results(output)


def _opened(page: Page, html: str, folder: Path) -> Page:
    file = folder / "cell.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><title>cell</title>{html}")
    page.goto(file.as_uri())
    return page


def test_a_cell_shows_counts_scores_and_failures(page: Page, shown: t2vbatch.Results, tmp_path: Path) -> None:
    """Each model has a row with means and intervals; failures are counted with their reason."""
    cell = _opened(page, shown._repr_html_(), tmp_path)
    expect(cell.locator("body")).to_contain_text("5 of 7 videos ok")
    expect(cell.locator("body")).to_contain_text("1 failed")
    expect(cell.locator("body")).to_contain_text("RowError the call raised <i>ValueError</i>")
    lines = cell.locator("tbody tr")
    expect(lines).to_have_count(2)
    mean = shown.summary["models"]["small"]["scores"]["clip_score"]["mean"]
    assert float(lines.first.locator("td b").first.inner_text()) == pytest.approx(mean, abs=0.1)
    expect(lines.first.locator("td").nth(1)).to_contain_text("[")
    expect(lines.nth(1).locator("td").nth(1)).to_contain_text("2 missing")
    expect(cell.locator("th", has_text="clip_score")).to_contain_text("\N{UPWARDS ARROW}")


def test_videos_play_inside_the_cell(page: Page, shown: t2vbatch.Results, tmp_path: Path) -> None:
    """Files and folders of frames play from the bytes in the notebook, each above its prompt."""
    cell = _opened(page, shown._repr_html_(), tmp_path)
    expect(cell.locator("figure")).to_have_count(5)
    for video in cell.locator("video").all():
        for _ in range(PATIENCE_S * 20):
            if video.evaluate("video => video.currentTime > 0.1 && video.videoWidth === 64"):
                break
            page.wait_for_timeout(50)
        else:
            pytest.fail("a video does not play")
    assert all(source.startswith("data:video/mp4;") for source in _sources(cell, "video"))


def test_markup_in_a_prompt_is_text(page: Page, shown: t2vbatch.Results, tmp_path: Path) -> None:
    """A prompt that is a script tag is displayed as text, and no script runs."""
    cell = _opened(page, shown.videos(3)._repr_html_(), tmp_path)
    expect(cell.locator(".t2vb-prompt", has_text="onerror")).to_have_text(HOSTILE)
    assert cell.locator("script").count() == 0
    assert page.title() == "cell"


def test_best_and_worst_follow_the_scores_direction(shown: t2vbatch.Results) -> None:
    """Higher is better for clip_score: the best video has the maximum, the worst has the minimum."""
    values = sorted(value for value in shown.table["clip_score"].to_pylist() if value is not None)
    assert shown.worst("clip_score", 2).samples["clip_score"].to_pylist() == values[:2]
    assert shown.best("clip_score", 2).samples["clip_score"].to_pylist() == values[:-3:-1]
    with pytest.raises(UsageError, match="did you mean 'clip_score'"):
        shown.best("clip_scor")


def test_chosen_samples_are_shown_in_their_order(page: Page, shown: t2vbatch.Results, tmp_path: Path) -> None:
    """Any samples can be displayed; a sample without a video shows its error type."""
    frame = shown.frame()
    asked = [*frame.query("status == 'failed'").sample_id, frame.sample_id[2]]
    cell = _opened(page, shown.show(asked)._repr_html_(), tmp_path)
    expect(cell.locator("figure").first).to_contain_text("RowError")
    expect(cell.locator("figure").nth(1)).to_contain_text("a green square slides")
    with pytest.raises(UsageError, match="'other', which no sample has as its id"):
        shown.show(["other"])


def test_a_large_video_is_its_contact_sheet(
    page: Page, shown: t2vbatch.Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large video is replaced by its contact sheet; an unreadable video is reported."""
    monkeypatch.setattr(gallery, "LARGEST", 100)
    cell = _opened(page, shown.videos(1)._repr_html_(), tmp_path)
    expect(cell.locator("video")).to_have_count(0)
    assert all(source.startswith("data:image/jpeg;") for source in _sources(cell, "img"))
    size = cell.locator("img").first.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert size == [6 * 64, 64]


def test_a_video_that_is_gone_is_told(output: Path, tmp_path: Path) -> None:
    """The display does not raise: the card reports that the file cannot be read."""
    for name in ("results.parquet", "summary.json"):
        (tmp_path / name).write_bytes((output / name).read_bytes())
    assert {card.missing for card in t2vbatch.Results(tmp_path).videos().cards()} == {"cannot be read"}


def test_a_terminal_gets_plain_lines(shown: t2vbatch.Results) -> None:
    """The repr has the counts; the repr of a gallery has the prompt, model and scores of each video."""
    assert repr(shown).endswith("7 planned, 5 ok, 1 failed, 1 pending)")
    assert "a red square rolls \N{MIDDLE DOT} small" in repr(shown.videos())


def test_an_output_without_results_is_refused(tmp_path: Path) -> None:
    """The message names the folder and the missing file."""
    with pytest.raises(UsageError, match=r"no results\.parquet"):
        t2vbatch.Results(tmp_path)


def test_importing_the_package_loads_nothing() -> None:
    """The libraries of Results are imported on first use."""
    code = "import sys, t2vbatch; print(sorted({'pyarrow', 'pandas', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _sources(cell: Page, tag: str) -> list[str]:
    return [str(found.get_attribute("src")) for found in cell.locator(tag).all()]
