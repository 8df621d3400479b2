"""Small tables for the terminal, Markdown and LaTeX.  [pure]"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

Format = Literal["text", "markdown", "latex"]

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
    """Header and rows of equal length. Columns with an index in ``numbers`` are right-aligned."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()

    def render(self, form: Format, width: int = 100) -> str:
        """The table in one of the three formats. ``width`` limits the terminal table if the words fit."""
        match form:
            case "text":
                return self._text(width)
            case "markdown":
                return self._markdown()
            case "latex":
                return self._latex()

    def _text(self, width: int) -> str:
        drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
        for index, name in enumerate(self.header):
            number = index in self.numbers
            drawn.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
        for row in self.rows:
            drawn.add_row(*row)
        out = StringIO()
        Console(file=out, width=width, color_system=None, markup=False, highlight=False, emoji=False).print(
            drawn
        )
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())

    def _markdown(self) -> str:
        rule = ["---:" if index in self.numbers else "---" for index in range(len(self.header))]
        lines = [self.header, rule, *self.rows]
        return "\n".join(f"| {' | '.join(map(_markdown_cell, line))} |" for line in lines)

    def _latex(self) -> str:
        columns = "".join("r" if index in self.numbers else "l" for index in range(len(self.header)))
        head, *body = (" & ".join(map(_latex_cell, line)) + r" \\" for line in [self.header, *self.rows])
        begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
        return "\n".join([begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", end])


def _markdown_cell(text: str) -> str:
    return re.sub(r"([|\\<>_*`\[\]])", r"\\\1", text.replace("\n", " "))


def _latex_cell(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in text.replace("\n", " "))
