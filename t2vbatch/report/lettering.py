"""One line of text in any script, drawn with the fonts that have its characters.

Characters that no font has are counted and written as ``[3 characters]``; boxes are never drawn.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from t2vbatch.errors import counted
from t2vbatch.report.fonts import font_for, is_invisible, load

_ELLIPSIS = "..."
_FINE = 4
"""Text is drawn this many times larger and then reduced. Whole pixels would space small letters unevenly."""


@dataclass(frozen=True)
class Run:
    """Neighbouring characters that one font draws."""

    text: str
    font: Path


@dataclass(frozen=True)
class TextLine:
    """A text as runs in the order of reading; ``missing`` is the number of characters without a font."""

    runs: tuple[Run, ...]
    right_to_left: bool
    missing: int


def line_of(text: str) -> TextLine:
    """Split a text into runs. Every kind of white space becomes one space."""
    text = " ".join(text.split())
    plain, missing = _with_known_characters(text)
    return TextLine(tuple(_runs(plain)), _is_right_to_left(text), missing)


def width_of(line: TextLine, size: int) -> float:
    """Width in pixels of a line at this size."""
    return sum(_width(run, size) for run in line.runs)


def fitting(text: str, size: int, width: int) -> TextLine:
    """The longest beginning of the text that fits into ``width`` pixels, with ``...`` if it is cut."""
    line = line_of(text)
    if width_of(line, size) <= width:
        return line
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width_of(line_of(text[:middle] + _ELLIPSIS), size) <= width:
            low = middle
        else:
            high = middle - 1
    return line_of(text[:low] + _ELLIPSIS)


def draw_line(page: Image.Image, place: tuple[int, int], line: TextLine, size: int, colour: str) -> None:
    """Draw a line with its top left corner at ``place``."""
    left, baseline = float(place[0]), place[1] + size
    for run in reversed(line.runs) if line.right_to_left else line.runs:
        _draw(page, (left, baseline), run, size, colour)
        left += _width(run, size)


def _draw(page: Image.Image, place: tuple[float, int], run: Run, size: int, colour: str) -> None:
    font = load(run.font, size * _FINE)
    if font.size == size * _FINE:
        _draw_fine(page, place, run, size, colour)
        return
    # A font of coloured bitmaps has one size: draw it there, and scale the picture.
    scale = size / font.size
    glyphs = Image.new(
        "RGBA", (max(1, round(font.getlength(run.text))), round(1.3 * font.size)), (0, 0, 0, 0)
    )
    ImageDraw.Draw(glyphs).text((0, font.size), run.text, colour, font, anchor="ls", embedded_color=True)
    scaled = glyphs.resize((max(1, round(glyphs.width * scale)), max(1, round(glyphs.height * scale))))
    page.paste(scaled, (round(place[0]), place[1] - size), scaled)


def _draw_fine(page: Image.Image, place: tuple[float, int], run: Run, size: int, colour: str) -> None:
    font = load(run.font, size * _FINE)
    # Letters may reach over the ends of the run: the mask is larger by ``size`` on each side.
    left, top = int(place[0]) - size, place[1] - 2 * size
    mask = Image.new("L", ((int(_width(run, size)) + 3 * size) * _FINE, 3 * size * _FINE))
    at = ((place[0] - left) * _FINE, (place[1] - top) * _FINE)
    ImageDraw.Draw(mask).text(at, run.text, 255, font, anchor="ls")
    page.paste(colour, (left, top), mask.reduce(_FINE))


def _width(run: Run, size: int) -> float:
    font = load(run.font, size * _FINE)
    return font.getlength(run.text) * size / font.size


def _with_known_characters(text: str) -> tuple[str, int]:
    """The text with characters that no font has replaced by their number."""
    parts: list[str] = []
    missing = gap = 0
    for char in text:
        if is_invisible(char) and char != " ":
            parts += [char] if not gap else []
        elif font_for(char) is not None:
            parts += [_gap(gap), char]
            gap = 0
        elif char == " " and gap:
            gap += 1
        else:
            gap += 1
            missing += 1
    return "".join([*parts, _gap(gap)]), missing


def _gap(count: int) -> str:
    return f"[{counted(count, 'character')}]" if count else ""


def _runs(text: str) -> Iterator[Run]:
    current, font = "", None
    for char in text:
        wanted = font if is_invisible(char) and font is not None else font_for(char)
        if wanted is None:
            continue  # a joiner or a mark without a character before it
        if wanted != font and current and font is not None:
            yield from _with_own_spaces(current, font)
            current = ""
        current, font = current + char, wanted
    if current and font is not None:
        yield Run(current, font)


def _with_own_spaces(text: str, font: Path) -> Iterator[Run]:
    """The run with its last space apart: from right to left, the space belongs on the other side."""
    if text.strip() and text.endswith(" "):
        yield Run(text[:-1], font)
        yield Run(" ", font)
    else:
        yield Run(text, font)


def _is_right_to_left(text: str) -> bool:
    """Whether the first character with a direction is written from right to left."""
    directions = (unicodedata.bidirectional(char) for char in text)
    return next((kind in {"R", "AL"} for kind in directions if kind in {"L", "R", "AL"}), False)
