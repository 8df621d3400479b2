"""The overview of the report and its detail view, opened from disk in a real browser without a network."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsers import wait_until
from tests.report.outputs import FIRST_SEED, HOSTILE, SCORES, add_videos, results, write_output


@pytest.fixture
def report(page: Page, output: Path) -> Page:
    """The report, opened."""
    page.goto(output.as_uri())
    return page


def test_the_first_screen_has_the_verdict_and_playing_videos(report: Page) -> None:
    """At 1280 x 900 the verdict and a strip of every model's videos are visible, and the videos play."""
    expect(report.locator("#verdict")).to_be_in_viewport()
    assert report.locator("#strip .tile").count() == 2 * 4
    expect(report.locator("#strip .tile").first).to_be_in_viewport()
    expect(report.locator("#leaderboard thead")).to_be_in_viewport()
    wait_until(report, "document.querySelector('#strip video').currentTime > 0.2")
    assert report.evaluate("document.querySelector('#strip video').videoWidth") == 64


def test_the_verdict_counts_lost_samples_and_few_prompts(report: Page) -> None:
    """The sentences name the best model, the samples without a video, and a small number of prompts."""
    expect(report.locator("h1")).to_have_text("colours <b>&")
    expect(report.locator("#verdict")).to_contain_text("large is best on clip_score")
    expect(report.locator(".lead")).to_contain_text("15 of 17 samples are ok, 1 failed and 1 pending.")
    expect(report.locator(".lead")).to_contain_text("only 4 prompts")


def test_the_leaderboard_shows_the_basis_of_each_mean(report: Page) -> None:
    """The best mean is bold; a cell counts the samples without a score; few prompts are marked."""
    rows = report.locator("#leaderboard tbody tr")
    expect(rows).to_have_count(2)
    large = rows.filter(has_text="large").locator("td").nth(1)
    expect(large).to_have_class("best")
    expect(large).to_contain_text("[")
    expect(large).to_contain_text("only 4 prompts")
    expect(large).to_contain_text("over 7 of 8, without a score: 1 failed")


def test_the_leaderboard_sorts_by_a_click(report: Page) -> None:
    """The first click on a score puts its best model first, the second click reverses the order."""
    head = report.locator("#leaderboard thead button", has_text="clip_score")
    head.click()
    expect(report.locator("#leaderboard tbody th").first).to_have_text("large")
    expect(report.locator("#leaderboard th[aria-sort=descending]")).to_have_count(1)
    head.click()
    expect(report.locator("#leaderboard tbody th").first).to_have_text("small")


def test_a_click_in_the_leaderboard_filters_the_gallery(report: Page) -> None:
    """A count of failures leads to exactly these samples, and the back button returns to the overview."""
    report.locator("#leaderboard .lost.failed").click()
    expect(report.locator("#count")).to_have_text("1 of 16 samples")
    expect(report.locator("#gallery .card")).to_have_count(1)
    report.go_back()
    expect(report.locator("#overview")).to_be_visible()
    report.locator("#leaderboard a", has_text="small").click()
    expect(report.locator("#count")).to_have_text("8 of 16 samples")


def test_differences_are_a_forest_plot(report: Page) -> None:
    """Two models have one table: a line with an interval for each score, on the videos that both have."""
    expect(report.locator("#differences .pair")).to_have_text("small \N{MINUS SIGN} large")
    lines = report.locator(".forest tbody tr")
    expect(lines).to_have_count(2)
    expect(lines.first.locator("th")).to_contain_text("clip_score")
    expect(lines.first.locator(".axis .span")).to_have_count(1)
    expect(lines.first.locator("td").last).to_contain_text("7")


def test_the_heat_map_leads_to_the_videos_of_a_cell(report: Page) -> None:
    """Its cells are means by model and value of a manifest column; a click filters by both."""
    expect(report.locator("#heatmap tbody th")).to_have_text(["rolling", "sliding"])
    cell = report.locator("#heatmap tbody tr").first.locator("td a").first
    expect(cell).to_contain_text("°")
    cell.click()
    expect(report.locator("#count")).to_have_text("4 of 16 samples")
    expect(report.locator(".chip")).to_have_text(
        ["model: small \N{MULTIPLICATION SIGN}", "category: rolling \N{MULTIPLICATION SIGN}"]
    )


def test_settings_that_differ_are_listed(page: Page, tmp_path: Path) -> None:
    """The page lists the keys of the models' sections that differ, and no others."""
    settings = {
        "a": {"dtype": "float16", "call": {"steps": 20}},
        "b": {"dtype": "float16", "call": {"steps": 40}},
    }
    page.goto(write_output(tmp_path, results(["a", "b"], ["one"], 1), settings=settings).as_uri())
    expect(page.locator("#settings tbody tr")).to_have_count(1)
    expect(page.locator("#settings tbody tr")).to_have_text("call.steps2040")


def test_markup_in_a_prompt_is_text(report: Page) -> None:
    """A prompt that is a script tag is displayed as text in every view, and no script runs."""
    for view in ("gallery", "sidebyside", "vote", "table", "charts", "overview"):
        report.locator(f"#view-{view}").click()
        assert report.locator("main script, main img, dialog script").count() == 0
    report.locator("#view-gallery").click()
    card = report.locator(".card", has_text="onerror").first
    expect(card.locator(".prompt")).to_have_text(HOSTILE)
    card.click()
    expect(report.locator("#facts h2")).to_have_text(HOSTILE)
    expect(report.locator("#facts pre.recipe")).to_contain_text("document.title = 'taken'")
    assert report.title() == "colours <b>& · t2vbatch"
    assert report.locator("main script, main img, dialog script").count() == 0


def test_the_recipe_of_a_video_is_a_manifest_of_one_row(report: Page) -> None:
    """The recipe has the row, the model, the call and all digits of the seed."""
    report.locator("#strip .tile").first.click()
    _, line, *_ = report.locator("#facts pre.recipe").inner_text().splitlines()
    row = json.loads(line)
    assert (row["id"], row["model"], row["num_frames"]) == ("row00000", "small", 16)
    assert row["seed"] == FIRST_SEED
    assert row["prompt"] == "a red square rolls"


def test_the_detail_view_switches_and_wipes_between_models(report: Page) -> None:
    """The same prompt and seed by the other model is one key away, and can lie over the video."""
    report.locator("#strip .tile").first.click()
    expect(report.locator("#facts .score-table thead th")).to_have_text(["score", "small", "large"])
    report.keyboard.press("2")
    expect(report.locator("#facts .facts-line")).to_contain_text("large")
    report.locator(".wipe-choice select").select_option(label="small")
    expect(report.locator("#stage .wipe-names .model")).to_have_text(["large", "small"])
    report.locator("#stage .wipe").fill("25")
    clip = report.locator("#stage .over").evaluate("over => getComputedStyle(over).clipPath")
    assert clip == "inset(0px 0px 0px 25%)"
    wait_until(report, "document.querySelector('#stage .over video').currentTime > 0.2")


def test_a_failure_has_its_reason_and_traceback(report: Page) -> None:
    """A failure is listed with its reason, traceback and attempts, and leads to its sample."""
    failure = report.locator(".failure")
    expect(failure.locator("summary")).to_contain_text("RowError the call raised <i>ValueError</i>")
    failure.locator("summary").click()
    expect(failure.locator("pre")).to_contain_text("Traceback (most recent call last)")
    failure.locator(".link").click()
    expect(report.locator("#facts .error")).to_contain_text("after 3 attempts")


def test_a_missing_video_file_is_reported(browser: Browser, tmp_path: Path, output: Path) -> None:
    """If the page was copied without its videos, each video says so above its poster."""
    page = browser.new_page()  # the browser logs an error for each missing file
    report = output.parent
    copy = tmp_path / "report"
    copy.mkdir()
    for file in report.rglob("*"):
        if file.is_file():
            (copy / file.relative_to(report)).parent.mkdir(exist_ok=True)
            (copy / file.relative_to(report)).write_bytes(file.read_bytes())
    page.goto((copy / "index.html").as_uri() + "#view=gallery")
    expect(page.locator(".missing-file").first).to_have_text("The video file is missing here.")
    assert page.locator(".card .video-box").first.evaluate("box => box.style.backgroundImage") != ""


def test_a_sampled_page_says_so(page: Page, tmp_path: Path) -> None:
    """Above the limit the page names how many samples it shows; the leaderboard counts all of them."""
    rows = results(["a", "b"], [f"prompt {index}" for index in range(60)], 1)
    page.goto(write_output(tmp_path, rows, max_videos=50).as_uri())
    expect(page.locator("#part")).to_contain_text("of 120 samples")
    expect(page.locator("#leaderboard tbody td").first).to_contain_text("60 / 60")
    page.locator("#view-gallery").click()
    shown = page.evaluate("REPORT.count")
    assert 50 <= shown < 120
    expect(page.locator("#count")).to_have_text(f"{shown} samples")


@pytest.mark.parametrize("view", ["overview", "gallery", "sidebyside", "vote", "table", "charts"])
def test_a_phone_does_not_scroll_sideways(report: Page, view: str) -> None:
    """At 390 pixels only tables and the strip scroll sideways, inside their own frames."""
    report.set_viewport_size({"width": 390, "height": 800})
    report.locator(f"#view-{view}").click()
    assert report.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_detail_view_fits_a_phone(report: Page) -> None:
    """At 390 pixels the dialog is as wide as the screen."""
    report.set_viewport_size({"width": 390, "height": 800})
    report.locator("#strip .tile").first.click()
    assert report.evaluate("document.querySelector('dialog').scrollWidth") <= 390


HANG_MS = 20_000
"""Each action takes below 2 s on an idle machine; the limit detects a hang, not a busy machine."""


def test_ten_thousand_videos_stay_interactive(page: Page, tmp_path: Path) -> None:
    """Opening, searching and sorting 10,000 samples do not hang, and only visible cards are in the page."""
    rows = results(["a", "b"], [f"prompt number {index} of a long list" for index in range(2500)], 2)
    page.goto(write_output(tmp_path, rows, max_videos=10_000).as_uri())
    assert page.evaluate("performance.getEntriesByType('navigation')[0].domComplete") < HANG_MS
    assert page.evaluate(CLICKED, "#view-gallery") < HANG_MS
    expect(page.locator("#count")).to_have_text("10,000 samples")
    assert page.locator(".card").count() < 300
    assert page.evaluate(TIMED, ["#sort", "spread:clip_score"]) < HANG_MS
    assert page.evaluate(TIMED, ["#search", "number 24"]) < HANG_MS
    expect(page.locator("#count")).to_have_text("444 of 10,000 samples")
    page.locator("#search").fill("")
    expect(page.locator("#count")).to_have_text("10,000 samples")
    for view in ("#view-sidebyside", "#view-vote", "#view-table", "#view-charts"):
        assert page.evaluate(CLICKED, view) < HANG_MS


CLICKED = """(id) => new Promise((done) => {
  const began = performance.now();
  document.querySelector(id).click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
})"""
"""Milliseconds from a click until the next frame is drawn."""

TIMED = """([id, chosen]) => new Promise((done) => {
  const began = performance.now();
  const control = document.querySelector(id);
  control.value = chosen;
  control.dispatchEvent(new Event(id === "#search" ? "input" : "change"));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
})"""
"""Milliseconds from a change of a control until the next frame is drawn."""


def test_many_models_and_scores_stay_readable(page: Page, tmp_path: Path) -> None:
    """The strip has six models, a card five scores and the score that sorts, and later plots are folded."""
    rows = results([f"model {letter}" for letter in "abcdefgh"], ["a red square", "a green square"], 1)
    scores = [f"score {number}" for number in range(7)]
    for index, row in enumerate(rows):
        row |= {name: float(index * number % 5) for number, name in enumerate(scores)}
    add_videos(tmp_path, rows)
    page.goto(write_output(tmp_path, rows, scores=(*SCORES, *scores)).as_uri())
    expect(page.locator("#strip .strip-labels .model")).to_have_count(6)
    expect(page.locator("#strip")).to_contain_text("The first 6 of 8 models")
    assert (
        page.locator(".forests details").evaluate_all("all => all.map(one => one.open)")
        == [True] + [False] * 8
    )
    page.locator("#view-table").click()
    page.locator("#table thead button", has_text="score 6").click()
    page.locator("#view-gallery").click()
    names = page.locator(".card").first.locator(".score-name").all_text_contents()
    assert names == [*SCORES, "score 0", "score 1", "score 2", "score 6"]


def test_a_group_of_failures_opens_all_of_them(page: Page, tmp_path: Path) -> None:
    """The gallery behind a group of equal errors has its samples only; the overview lists 50 groups."""
    rows = results(["small"], [f"prompt {number}" for number in range(90)], 1)
    for number, row in enumerate(rows):
        text = "out of memory" if number < 25 else f"row {'x' * number}"
        row.update({"status": "failed", "error_type": "RowError", "error": text} | dict.fromkeys(SCORES))
    page.goto(write_output(tmp_path, rows).as_uri())
    expect(page.locator("#verdict")).to_contain_text("no scores")
    expect(page.locator(".failure")).to_have_count(50)
    expect(page.locator("#failure-list > .link")).to_contain_text("16 more samples with 16 other errors")
    page.locator(".failure summary").first.click()
    page.get_by_role("button", name="show all 25").click()
    expect(page.locator("#count")).to_have_text("25 of 90 samples")


def test_errors_of_one_kind_are_one_group(page: Page, tmp_path: Path) -> None:
    """Errors that differ only in a path are one group, and the gallery behind it has all of its samples."""
    rows = results(["small"], [f"prompt {number}" for number in range(25)], 1)
    for number, row in enumerate(rows):
        code = 403 if number == 24 else 404
        text = f"/data/{number}.png answered {code}"
        row.update({"status": "failed", "error_type": "InputError", "error": text} | dict.fromkeys(SCORES))
    page.goto(write_output(tmp_path, rows).as_uri())
    expect(page.locator(".failure")).to_have_count(2)
    first = page.locator(".failure").first
    expect(first.locator("summary")).to_contain_text(
        "/data/0.png answered 404 (24 errors that differ only in paths"
    )
    first.locator("summary").click()
    page.get_by_role("button", name="show all 24").click()
    expect(page.locator("#count")).to_have_text("24 of 25 samples")


def test_the_strip_shows_the_prompts_that_are_asked_for(page: Page, tmp_path: Path) -> None:
    """Ranked by the difference or the mean of the models, with that number; a reload keeps the choice."""
    rows = results(["small", "large"], ["a red square", "a green square", "a blue square"], 1)
    add_videos(tmp_path, rows)
    for row, score in zip(rows, (20.0, 21.0, 26.0, 20.0, 30.0, 31.5), strict=True):
        row["clip_score"] = score
    page.goto(write_output(tmp_path, rows).as_uri())
    expect(page.locator(".strip-prompt")).to_have_text(["a red square", "a green square", "a blue square"])
    choice = page.locator("#strip-choice select")
    choice.select_option("clip_score: largest difference")
    by_difference = ["6 a green square", "1.500 a blue square", "1 a red square"]
    expect(page.locator(".strip-prompt")).to_have_text(by_difference)
    page.reload()
    expect(page.locator(".strip-prompt")).to_have_text(by_difference)
    page.locator("#strip-choice select").select_option("clip_temporal: best mean")
    page.locator("#strip-choice select").select_option("clip_score: worst mean")
    expect(page.locator(".strip-prompt")).to_have_text(
        ["20.50 a red square", "23 a green square", "30.75 a blue square"]
    )
    expect(page.locator("#strip .tile")).to_have_count(6)


def test_an_unknown_choice_of_the_strip_is_ignored(report: Page) -> None:
    """An address of another page shows the usual prompts."""
    report.goto(f"{report.url.partition('#')[0]}#view=overview&strip=spread:motion")
    expect(report.locator("#strip .tile")).to_have_count(8)
    expect(report.locator("#strip-choice select")).to_have_value("")
