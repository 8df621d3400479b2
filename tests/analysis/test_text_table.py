"""Tables of text: readable at any width from 60 columns on, and no digit is lost."""

import pytest
from rich.cells import cell_len

from t2vbatch.analysis.text_table import Table

_HEADER = ("score", "first", "second", "means", "difference [95%]", "n")
_ROWS = (
    ("clip_score", "wan-2.2-t2v-a14b-few-steps", "wan-2.2-t2v-a14b-many-steps", "29.41 / 31.02",
     "-1.61 [-2.01, -1.22]", "1,000"),
    ("motion", "短い名前のモデル", "x", "0.1 / 0.2", "-0.1 [-0.2, -0.0]", "7"),
)  # fmt: skip
_TABLE = Table(_HEADER, _ROWS, frozenset({3, 4, 5}), (5, 3))


@pytest.mark.parametrize("width", range(60, 161, 10))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """At each width every line fits, and the difference is on one line with all its digits."""
    text = _TABLE.render("text", width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert "-1.61 [-2.01, -1.22]" in text
    assert "-0.1 [-0.2, -0.0]" in text


def test_a_wide_terminal_shows_each_row_on_one_line() -> None:
    """Header, rule and rows."""
    assert len(_TABLE.render("text", 160).splitlines()) == 4


def test_columns_that_are_left_out_are_named() -> None:
    """The reader knows what a wider terminal would show."""
    table = Table(("model", "mean", "n"), [("a", "1.5" * 9, "2" * 9)], frozenset({1, 2}), (2,))
    assert "(a wider terminal also shows the\ncolumn n)" in table.render("text", 35)
    assert "wider" not in table.render("text", 60)


def test_values_are_put_below_each_other_where_no_columns_fit() -> None:
    """Each value stands after the name of its column, whole."""
    lines = Table(("model", "mean"), [("a", "1.5" * 10)], frozenset({1})).render("text", 25).splitlines()
    assert lines == ["model  a", f"mean   {'1.5' * 10}"]


def test_a_name_is_folded_where_people_would_break_it() -> None:
    """At its hyphens, not after each letter."""
    table = Table(("model", "mean"), [("wan-2.2-t2v-a14b-few-steps", "1.5" * 10)], frozenset({1}))
    cells = [line[:20].rstrip() for line in table.render("text", 53).splitlines()[2:]]
    assert cells == ["wan-2.2-t2v-", "a14b-few-steps"] or cells == ["wan-2.2-t2v-a14b-", "few-steps"]


def test_a_column_becomes_headings_where_that_saves_the_others() -> None:
    """Rows of one score stand below its name, and no column is left out."""
    rows = [
        ("clip_score", "a - b", "1" * 20),
        ("clip_score", "a - c", "2" * 20),
        ("motion", "b - c", "3" * 20),
    ]
    table = Table(("score", "pair", "difference"), rows, frozenset({2}), heading=0)
    assert table.render("text", 30).splitlines() == [
        "  pair             difference",
        "  ───────────────────────────",
        "clip_score",
        f"  a - b  {'1' * 20}",
        f"  a - c  {'2' * 20}",
        "motion",
        f"  b - c  {'3' * 20}",
    ]


def test_a_heading_is_shown_once_for_neighbouring_rows() -> None:
    """Also where it stays a column; Markdown keeps every cell, for programs that read it."""
    rows = [("few", "motion", "1"), ("few", "flicker", "2"), ("many", "motion", "3")]
    table = Table(("model", "score", "mean"), rows, frozenset({2}), heading=0)
    assert [line[:5].strip() for line in table.render("text", 60).splitlines()[2:]] == ["few", "", "many"]
    assert table.render("markdown").count("| few |") == 2


def test_names_are_folded_further_before_rows_are_taken_apart() -> None:
    """Twelve columns for a name are better than each value on a line of its own."""
    table = Table(("pair", "mean"), [("one-model - another-model", "1.5" * 10)], frozenset({1}))
    assert len(table.render("text", 44).splitlines()) == 5
