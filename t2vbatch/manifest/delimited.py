"""CSV and TSV as records of cells.  [pure]

CSV is quoted as RFC 4180 says, and a quote may also follow blanks after the delimiter. TSV has no quoting: a
quote is a character of the text, unless a cell is quoted as a whole, as pandas and spreadsheets write it.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain

from t2vbatch.manifest.text import LINE_CHARS, BadText

Record = list[str]

_JOINED_LINES = 1_000
_FIX = "put cells with commas, quotes or line breaks in double quotes, and double the quotes in them"

WORDS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
"""The delimiters that are read, in words."""

_QUOTED = re.compile(r'"[^"]*("|$)')
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*')


def header_delimiter(lines: Iterator[str], usual: str) -> tuple[str, Iterator[str]]:
    """The delimiter between the cells of the header, and the lines from the header on.

    The line ``sep=;`` that Excel writes before a header names it. Else it is the one in the text before the
    first ``usual`` one: a comma in a later cell of ``prompt;note, extra`` is text.

    Args:
        usual: the delimiter that the extension of the file names; a tab has no alternative.

    Raises:
        BadText: another delimiter than one of WORDS, or a comment in place of a header.
    """
    first = next((line for line in lines if line.strip()), "")
    if named := _SEPARATOR.fullmatch(first):
        return _allowed(named[1], usual), lines
    if first.startswith("#"):
        raise BadText("a comment in the first line", "a header", "remove the lines that begin with #")
    cell = _QUOTED.sub("", first).partition(usual)[0]
    found = next((one for one in ("\t", ";", "|", ",") if one in cell), usual)
    return _allowed(found, usual), chain([first], lines)


def _allowed(found: str, usual: str) -> str:
    if found == usual or (usual == "," and found in WORDS):
        return found
    expected = f"{WORDS[usual]} between the cells"
    fix = "name the file .csv" if found in WORDS else "export it with that delimiter, or as Parquet"
    raise BadText(f"a header with {WORDS.get(found, repr(found))}", expected, fix)


def csv_records(lines: Iterator[str], delimiter: str) -> Iterator[Record]:
    """The records of CSV; blank lines are left out. ``lines`` keep their ends.

    Raises:
        BadText: invalid quoting.
    """
    csv.field_size_limit(LINE_CHARS)  # a setting of the whole process; its default of 128 KiB is too small
    unblanked = _Unblanked(lines, delimiter)
    reader = csv.reader(unblanked, strict=True, delimiter=delimiter)
    try:
        for record in reader:
            unblanked.inside = False
            if record:
                yield record
    except csv.Error as error:
        raise BadText(f"broken CSV on line {reader.line_num} ({error})", "CSV", _FIX) from None


class _Unblanked:
    """The lines of CSV without the blanks between a delimiter and the quote that opens a cell.

    ``inside``: whether the next line begins inside a quoted cell. The reader of records resets it, because a
    quote in an unquoted cell (``5" tall``) would otherwise count for all lines after it.
    """

    def __init__(self, lines: Iterator[str], delimiter: str) -> None:
        self._lines = lines
        self._blanks = re.compile(rf'(^|{re.escape(delimiter)})[ \t]+(?=")')
        self.inside = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if '"' not in line:
            return line
        if self._blanks.search(line):
            inside = self.inside
            line = self._blanks.sub(lambda found: self._delimiter(found, inside), line)
        self.inside ^= line.count('"') % 2 == 1
        return line

    @staticmethod
    def _delimiter(found: re.Match[str], inside: bool) -> str:
        quotes = found.string.count('"', 0, found.start())
        return found[0] if (quotes % 2 == 1) != inside else found[1]


def tsv_records(lines: Iterator[str]) -> Iterator[Record]:
    """The records of TSV; blank lines are left out. ``lines`` keep their ends."""
    waiting: deque[str] = deque()

    def following() -> str | None:
        return waiting.popleft() if waiting else next(lines, None)

    width = 0
    while (line := following()) is not None:
        if not line.strip("\r\n"):
            continue
        record = [_unquoted(cell) for cell in line.rstrip("\r\n").split("\t")]
        if width and len(record) != width and '"' in line:
            joined, quoted = _quoted_record(line, width, following)
            if quoted is None:
                waiting.extendleft(reversed(joined[1:]))
            else:
                record = quoted
        width = width or len(record)
        yield record


def _quoted_record(
    line: str, width: int, following: Callable[[], str | None]
) -> tuple[list[str], Record | None]:
    """A record with a delimiter or a line break in a quoted cell: its lines, and the record if it is one."""
    used = [line]
    while len(used) < _JOINED_LINES:
        text = "".join(used)
        if text.count('"') % 2 == 0:
            record = _strict(used)
            return used, record if record is not None and len(record) == width else None
        more = following()
        if more is None:
            break
        used.append(more)
    return used, None


def _strict(lines: list[str]) -> Record | None:
    """The one record that the lines are as quoted TSV, or None."""
    csv.field_size_limit(LINE_CHARS)
    try:
        records = list(csv.reader(lines, strict=True, delimiter="\t"))
    except csv.Error:
        return None
    return records[0] if len(records) == 1 else None


def _unquoted(cell: str) -> str:
    """The text of a cell that is quoted as a whole; any other cell as it is."""
    if len(cell) < 2 or cell[0] != '"' or cell[-1] != '"':
        return cell
    inner = cell[1:-1]
    return inner.replace('""', '"') if '"' not in inner.replace('""', "") else cell
