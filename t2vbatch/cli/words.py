"""Numbers and lines of text, the same in every command.  [pure]"""

from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap

_LEAST_COLUMNS = 20
"""Least columns for a text beside its head."""


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 05 min``, ``2 d 4 h``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def fitted(text: str, width: int) -> str:
    """The text with its long sentences broken at spaces. Lines of a table have gaps and stay as they are."""
    lines = []
    for line in text.splitlines():
        is_sentence = len(line) > width and "  " not in line.strip()
        lines += wrap(line, width, break_long_words=False, break_on_hyphens=False) if is_sentence else [line]
    return "\n".join(lines)


def report_place(output: str) -> str:
    """Where the report of an output is; and, for one in an object store, how to open it."""
    place = f"{output}/report/index.html"
    if "://" not in output:
        return place
    return f"{place}\nfor a browser, copy it: t2vbatch report {output} --share FOLDER"


def printable(text: str) -> str:
    """A text of a manifest for a terminal: line ends and control characters are spaces."""
    return "".join(char if char.isprintable() else " " for char in text)


def hanging(head: str, text: str, width: int) -> str:
    """The head and the text beside it, broken at spaces; further lines begin below the text.

    If that leaves too little room, the text begins below the head.
    """
    least = max(_LEAST_COLUMNS, *map(len, text.split()), 0)
    if width - len(head) < least and len(head) + len(text) > width:
        return "\n".join([*filter(None, [head.rstrip()]), *_broken(text, width, "  ", "  ")])
    return "\n".join(_broken(text, width, head, " " * len(head))) or head.rstrip()


def beside(head: str, facts: Sequence[str], width: int) -> str:
    """The facts beside the head: in one line where they fit, else each in lines of its own."""
    line = (head + "  ".join(facts)).rstrip()
    if len(line) <= width:
        return line
    heads = [head, *(" " * len(head) for _ in facts[1:])]
    return "\n".join(hanging(start, fact, width) for start, fact in zip(heads, facts, strict=True) if fact)


def reflowed(text: str, width: int) -> str:
    """A docstring in lines of this width. An indented line continues the line before it."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(" ") and lines and lines[-1]:
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    paragraphs = [
        "\n".join("\n".join(_broken(line, width, "", "    ")) for line in part)
        for full, part in groupby(lines, key=bool)
        if full
    ]
    return "\n\n".join(paragraphs)


def _broken(text: str, width: int, first: str, rest: str) -> list[str]:
    return wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
