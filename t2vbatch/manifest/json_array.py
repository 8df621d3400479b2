"""The items of a JSON array, without the whole array in memory.  [pure]"""

import json
import re
from collections.abc import Iterator

from t2vbatch.manifest.text import LINE_CHARS, BadText

_PART_CHARS = 1 << 20
_BLANKS = re.compile(r"[ \t\r\n]*")
_EXPECTED = "a JSON array of objects"
_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str)
"""It only finds the end of an item: numbers of any length are left to the reader of the item."""


def array_items(parts: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Each item: the number of the line where it begins, from 1, and its text.

    Args:
        parts: the text of the file.

    Raises:
        BadText: the text is not one array, or an item has more than LINE_CHARS characters.
    """
    text = _Text(parts)
    text.take("[")
    if text.next_char() != "]":
        yield text.item()
        while text.next_char() != "]":
            text.take(",")
            yield text.item()
    text.take("]")
    if text.next_char():
        raise text.invalid("text after the array")


class _Text:
    """A position in a text, of which only the part around the position is in memory."""

    def __init__(self, parts: Iterator[str]) -> None:
        self._parts, self._text, self._at, self._line = parts, "", 0, 1

    def next_char(self) -> str:
        """Go to the next character that is not blank, and return it; empty at the end of the text."""
        while True:
            self._go(_BLANKS.match(self._text, self._at).end())  # type: ignore[union-attr]
            if self._at < len(self._text) or not self._read():
                return self._text[self._at : self._at + 1]

    def take(self, char: str) -> None:
        """Go past the next character, which must be ``char``."""
        if self.next_char() != char:
            raise self.invalid(f"no {char!r} where one is due")
        self._go(self._at + 1)

    def item(self) -> tuple[int, str]:
        """Go past the next item; its line and its text."""
        self.next_char()
        line, error = self._line, "an item without an end"
        while True:
            try:
                _, end = _SCANNER.raw_decode(self._text, self._at)
            except RecursionError:
                raise self.invalid("too much nesting") from None
            except json.JSONDecodeError as wrong:
                error = wrong.msg
            else:
                if end < len(self._text):  # A number at the end of the part may have more digits.
                    text = self._text[self._at : end]
                    self._go(end)
                    return line, text
            if len(self._text) - self._at > LINE_CHARS:
                raise self.invalid(f"{error}, in an item of more than {LINE_CHARS:,} characters")
            if not self._read():
                raise self.invalid(error)

    def invalid(self, reason: str) -> BadText:
        return BadText(f"invalid JSON ({reason}) on line {self._line}", _EXPECTED)

    def _go(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _read(self) -> bool:
        """Read as much again as is in memory, so that a long item is not scanned often; False at the end."""
        held = [self._text[self._at :]]
        wanted = max(_PART_CHARS, len(held[0]))
        while wanted > 0 and (part := next(self._parts, "")):
            held.append(part)
            wanted -= len(part)
        self._text, self._at = "".join(held), 0
        return len(held) > 1
