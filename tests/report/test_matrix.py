"""The difference matrix: every model beside every other model."""

from pathlib import Path

import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect

from t2vbatch.analysis.compare import Comparison, compare, models_by_name
from t2vbatch.metrics.registry import known_columns
from t2vbatch.output.records import results_schema
from t2vbatch.report.matrix import matrices
from tests.report.outputs import EXTRA, SCORES, results, write_output

MODELS = ("first-model", "second-model", "third-model-with-a-long-name", "fourth", "fifth")


def _comparison(models: tuple[str, ...], missing: int = 0) -> Comparison:
    rows = results(models, [f"prompt {number}" for number in range(20)], 1)
    for row in rows[:missing]:
        row.update({"status": "failed"} | dict.fromkeys(SCORES))
    table = pa.Table.from_pylist(rows, results_schema(SCORES, EXTRA))
    return compare(models_by_name({"": table}), known_columns())


def test_a_cell_and_its_mirror_have_opposite_signs_and_results() -> None:
    """A cell is the model of its row minus the model of its column; the diagonal is empty."""
    (matrix, _) = matrices(_comparison(MODELS))
    assert all(row[place] is None for place, row in enumerate(matrix.rows))
    cell, mirror = matrix.rows[0][4], matrix.rows[4][0]
    assert cell is not None
    assert mirror is not None
    assert (cell.result, mirror.result) == ("worse", "better")
    assert cell.winner == mirror.winner == "fifth"
    assert float(cell.difference) == -float(mirror.difference)


def test_a_difference_that_missing_scores_could_reverse_is_open() -> None:
    """Without the scores of most samples of a model, no result is certain."""
    (matrix, _) = matrices(_comparison(MODELS[:3], missing=24))
    assert {cell.result for row in matrix.rows for cell in row if cell} & {"open"}


def test_two_models_have_no_matrix() -> None:
    """Two models have one difference, which the forest plot shows."""
    assert matrices(_comparison(MODELS[:2])) == []


@pytest.mark.parametrize("width", [390, 1440])
def test_a_matrix_of_five_models_fits_its_screen(page: Page, tmp_path: Path, width: int) -> None:
    """The cells of five models need no scrolling on a phone, and name both models in their title."""
    page.set_viewport_size({"width": width, "height": 844})
    output = write_output(tmp_path, results(MODELS, [f"prompt {number}" for number in range(20)], 1))
    page.goto(output.as_uri())
    cell = page.locator(".matrix").first.locator("td.better").first
    assert "first-model - second-model" in str(cell.get_attribute("title"))
    for scroll in page.locator(".matrices .scroll").all():
        assert scroll.evaluate("one => one.scrollWidth - one.clientWidth") <= 1


def test_the_page_has_the_cautions_of_compare(page: Page, tmp_path: Path) -> None:
    """What compare warns of stands beside the differences: here, too few prompts."""
    output = write_output(tmp_path, results(MODELS[:2], ["a", "b", "c"], 1))
    page.goto(output.as_uri())
    expect(page.locator(".cautions")).to_contain_text("no difference can be significant")
