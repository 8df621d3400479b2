"""The address of the report holds its state: a reload or a sent link shows the same."""

from pathlib import Path

import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect

from tests.report.outputs import results, write_output


@pytest.fixture
def report(page: Page, output: Path) -> Page:
    """The report, opened."""
    page.goto(output.as_uri())
    return page


def test_a_reload_keeps_view_filters_and_order(report: Page) -> None:
    """View, search, filters and order are the same after a reload."""
    report.locator("#view-gallery").click()
    report.locator("#filter-selects select[aria-label='filter by category']").select_option("sliding")
    report.locator("#sort").select_option(label="clip_score: best first")
    report.locator("#search").fill("red")
    expect(report.locator("#count")).to_have_text("4 of 16 samples")
    before = report.locator(".card .score:nth-child(2)").all_text_contents()
    report.reload()
    expect(report.locator("#count")).to_have_text("4 of 16 samples")
    expect(report.locator("#search")).to_have_value("red")
    assert report.locator(".card .score:nth-child(2)").all_text_contents() == before


def test_a_link_opens_a_sample(report: Page, output: Path) -> None:
    """The address of an open sample opens it in another page; back closes it."""
    report.locator("#view-gallery").click()
    report.locator(".card").nth(3).click()
    prompt = report.locator("#facts h2").inner_text()
    address = report.url
    assert "sample=" in address
    report.go_back()
    expect(report.locator("dialog")).to_be_hidden()
    report.goto("about:blank")
    report.goto(address)
    expect(report.locator("#facts h2")).to_have_text(prompt)
    expect(report.locator("#position")).to_have_text("4 of 16")


def test_an_address_with_unknown_names_is_harmless(page: Page, output: Path) -> None:
    """Unknown views, columns and samples, and markup, show the default view without an error."""
    address = "#view=<b>&f.nothing=is:x&f.clip_score=a..b&sort=no:asc"
    address += "&sample=no&columns=none&across=x&by=y&f.constructor=is:x"
    page.goto(output.as_uri() + address)
    expect(page.locator("#overview")).to_be_visible()
    page.goto(output.as_uri() + address.replace("<b>", "table"))
    page.reload()
    expect(page.locator("#table")).to_be_visible()


def test_a_column_may_be_named_like_a_property(page: Page, tmp_path: Path) -> None:
    """Columns named __proto__ and constructor are shown and filtered like any other column."""
    rows = results(["a"], ["one", "two"], 1)
    for index, row in enumerate(rows):
        row |= {"__proto__": f"p{index}", "constructor": f"c{index}", "view": f"v{index}"}
    extra = pa.schema([(name, pa.string()) for name in ("__proto__", "constructor", "view")])
    page.goto(write_output(tmp_path, rows, extra=extra).as_uri() + "#view=table&f.__proto__=is:p1")
    expect(page.locator("#table tbody tr")).to_have_count(1)
    expect(page.locator("#table tbody tr")).to_contain_text("p1c1v1")
    page.locator("#filter-selects select[aria-label='filter by constructor']").evaluate(
        "select => { select.value = 'c0'; select.dispatchEvent(new Event('change')); }"
    )
    expect(page.locator("#count")).to_have_text("0 of 2 samples")
    page.reload()
    expect(page.locator(".chip")).to_have_count(2)
