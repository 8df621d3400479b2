"""A small table of text as people paste it: terminal, Markdown, LaTeX.  [pure]

In a terminal a number is never wrapped or cut. A table that is too wide folds its names first, then turns
one column into headings, then leaves out the columns that it may, and then puts the values of each row below
each other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import wrap
from typing import Literal

from rich.cells import cell_len

Format = Literal["text", "markdown", "latex"]

_GAP = "  "
_INDENT = "  "
_SHORTEST_FOLD = 20
"""Columns of text are folded to no fewer characters than this; shorter lines are hard to read as a name."""

_EMERGENCY_FOLD = 12
"""The same, if not even the fewest columns fit otherwise."""

_BREAK = "\u200b"
"""Marks where a name may be broken."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
}


@dataclass(frozen=True)
class Table:
    """Header and rows, all of one length.

    Attributes:
        numbers: indices of the columns that hold numbers: aligned to the right, never wrapped.
        optional: indices of the columns that a narrow terminal may leave out, the first of them first.
        heading: index of the column whose values a terminal shows once for neighbouring rows, a narrow one
            as headings.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()
    optional: Sequence[int] = ()
    heading: int | None = None

    def render(self, form: Format, width: int = 100) -> str:
        """The table in one of the three forms; ``width`` is that of the terminal, in columns."""
        match form:
            case "text":
                return self._text(width)
            case "markdown":
                return self._markdown()
            case "latex":
                return self._latex()

    def _text(self, width: int) -> str:
        every = list(range(len(self.header)))
        kept = [
            [at for at in every if at not in self.optional[:drop]] for drop in range(len(self.optional) + 1)
        ]
        for shown, fold in [*((shown, _SHORTEST_FOLD) for shown in kept), (kept[-1], _EMERGENCY_FOLD)]:
            lines = self._table(shown, width, fold) or self._headed(shown, width, fold)
            if lines:
                left_out = [name for index, name in enumerate(self.header) if index not in shown]
                return "\n".join([*lines, *_left_out(left_out, width)])
        return "\n\n".join(self._stacked(row, width) for row in self.rows)

    def _table(self, shown: Sequence[int], width: int, fold: int) -> list[str]:
        """Header, rule and rows; no line if the columns do not fit."""
        widths = self._widths(shown, width, fold)
        if widths is None:
            return []
        lines = [*self._lines(self.header, shown, widths), _rule(widths)]
        for before, row in zip((None, *self.rows), self.rows, strict=False):
            lines += self._lines(self._once(before, row), shown, widths)
        return lines

    def _once(self, before: Sequence[str] | None, row: Sequence[str]) -> Sequence[str]:
        """The row without the value of the column ``heading`` if the row before it has the same one."""
        at = self.heading
        if at is None or before is None or before[at] != row[at]:
            return row
        return [*row[:at], "", *row[at + 1 :]]

    def _headed(self, shown: Sequence[int], width: int, fold: int) -> list[str]:
        """The table with one column as headings, each above its indented rows; no line if it does not fit."""
        if self.heading is None:
            return []
        shown = [index for index in shown if index != self.heading]
        widths = self._widths(shown, width - len(_INDENT), fold)
        if widths is None:
            return []
        lines = [f"{_INDENT}{line}" for line in self._lines(self.header, shown, widths)]
        lines.append(f"{_INDENT}{_rule(widths)}")
        heading = self.heading
        for name, rows in groupby(self.rows, key=lambda row: row[heading]):
            lines += _folded(name, width)
            lines += [f"{_INDENT}{line}" for row in rows for line in self._lines(row, shown, widths)]
        return lines

    def _widths(self, shown: Sequence[int], width: int, fold: int) -> list[int] | None:
        """The width of each shown column; None if they do not fit, however the names are folded."""
        natural = [max(cell_len(row[index]) for row in (self.header, *self.rows)) for index in shown]
        fixed = [index in self.numbers for index in shown]
        over = sum(natural) + len(_GAP) * (len(shown) - 1) - width
        widths = list(natural)
        while over > 0:
            widest = max(
                (position for position in range(len(shown)) if not fixed[position]),
                key=lambda position: widths[position],
                default=None,
            )
            if widest is None or widths[widest] <= fold:
                return None
            widths[widest] -= 1
            over -= 1
        return widths

    def _lines(self, row: Sequence[str], shown: Sequence[int], widths: Sequence[int]) -> list[str]:
        """One row as lines: more than one if a name is folded."""
        cells = [_folded(row[index], width) for index, width in zip(shown, widths, strict=True)]
        lines = []
        for number in range(max(len(cell) for cell in cells)):
            parts = (
                _padded(cell[number] if number < len(cell) else "", width, index in self.numbers)
                for cell, index, width in zip(cells, shown, widths, strict=True)
            )
            lines.append(_GAP.join(parts).rstrip())
        return lines

    def _stacked(self, row: Sequence[str], width: int) -> str:
        """The values of one row below each other, each after the name of its column."""
        name_width = max(cell_len(name) for name in self.header)
        lines = []
        cells = enumerate(zip(self.header, row, strict=True))
        for index, (name, value) in ((index, cell) for index, cell in cells if cell[1]):
            space = max(width - name_width - len(_GAP), _SHORTEST_FOLD)
            first, *rest = [value] if index in self.numbers else _folded(value, space)
            lines.append(f"{_padded(name, name_width, right=False)}{_GAP}{first}".rstrip())
            lines += [f"{' ' * name_width}{_GAP}{line}" for line in rest]
        return "\n".join(lines)

    def _markdown(self) -> str:
        rule = ["---:" if index in self.numbers else "---" for index in range(len(self.header))]
        lines = [self.header, rule, *self.rows]
        return "\n".join(f"| {' | '.join(map(_markdown_cell, line))} |" for line in lines)

    def _latex(self) -> str:
        columns = "".join("r" if index in self.numbers else "l" for index in range(len(self.header)))
        head, *body = (" & ".join(map(_latex_cell, line)) + r" \\" for line in [self.header, *self.rows])
        begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
        return "\n".join([begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", end])


def _rule(widths: Sequence[int]) -> str:
    return "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))


def _left_out(names: Sequence[str], width: int) -> list[str]:
    several = "s" if len(names) > 1 else ""
    note = f"(a wider terminal also shows the column{several} {', '.join(names)})"
    return wrap(note, width) if names else []


def _folded(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` columns, broken at spaces and after - _ / , if possible."""
    if cell_len(text) <= width:
        return [text]
    marked = re.sub(r"(?<=[-_/,])(?=\w)", f"{_BREAK} ", text)
    columns = width if cell_len(text) == len(text) else width // 2  # Some characters are two columns wide.
    return [re.sub(f"{_BREAK} ?", "", line) for line in wrap(marked, columns, break_on_hyphens=False)]


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _markdown_cell(text: str) -> str:
    return re.sub(r"([|\\<>_*`\[\]])", r"\\\1", text.replace("\n", " "))


def _latex_cell(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in text.replace("\n", " "))
