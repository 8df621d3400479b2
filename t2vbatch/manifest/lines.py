"""Formats of lines: plain text, CSV, JSON Lines. All are UTF-8, and every mistake is named by its line."""

import contextlib
import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

from t2vbatch.job import Limits
from t2vbatch.manifest.problems import BadCell, Problems, shown
from t2vbatch.manifest.raw import BATCH_ROWS, Batch, Raw
from t2vbatch.manifest.sources import File

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = "\ufeff"
_LINE_BYTES = 64 << 20  # a file that is one line would have to be held whole


def read_text(file: File, problems: Problems) -> Raw:
    """One prompt a line; blank lines are skipped."""

    def batches() -> Iterator[Batch]:
        prompts = (line.rstrip("\r\n") for line in _lines(file.open(), problems) if line.strip())
        for cells in _chunks(prompts):
            yield Batch(len(cells), {"prompt": cells})

    return Raw(("prompt",), batches(), textual=True)


def read_csv(file: File, delimiter: str, problems: Problems) -> Raw:
    """A header and rows, quoted as RFC 4180 says. An empty cell is null; blank lines are skipped."""
    reader = csv.reader(_lines(file.open(), problems), strict=True, delimiter=delimiter)
    records = (record for record in _csv_records(reader, problems) if record)
    names = tuple(next(records, []))
    if len(names) == 1 and ";" in names[0]:
        raise problems.stop("a header with semicolons", "commas between the cells")

    def batches() -> Iterator[Batch]:
        row = 0
        for chunk in _chunks(records):
            odd = [offset for offset, record in enumerate(chunk) if len(record) != len(names)]
            for offset in odd:
                found, expected = f"{len(chunk[offset])} cells", f"{len(names)}, as in the header"
                problems.add(row + offset + 1, None, found, expected)
                chunk[offset] = [""] * len(names)
            columns = [[cell or None for cell in column] for column in zip(*chunk, strict=True)]
            yield Batch(len(chunk), dict(zip(names, columns, strict=True)), frozenset(odd))
            row += len(chunk)

    return Raw(names, batches(), textual=True)


def read_jsonl(file: File, problems: Problems, limits: Limits) -> Raw:
    """One JSON object a line; blank lines are skipped. Read twice: the last line may bring a new column."""
    names = _keys(file, problems, limits)

    def parsed(note: Callable[[int, int, BadCell], None]) -> Iterator[dict[str, Any]]:
        row = 0
        for number, line in enumerate(_lines(file.open(), problems), 1):
            if not line.strip():
                continue
            row += 1
            try:
                yield _parsed(line, limits)
            except BadCell as bad:
                note(row, number, bad)
                yield {}

    def batches() -> Iterator[Batch]:
        unreadable: set[int] = set()
        first = 1

        def note(row: int, number: int, bad: BadCell) -> None:
            unreadable.add(row - first)
            problems.add(row, None, f"{bad.found} on line {number}", bad.expected)

        for chunk in _chunks(parsed(note)):
            cells = {name: [fields.get(name) for fields in chunk] for name in names}
            yield Batch(len(chunk), cells, frozenset(unreadable))
            unreadable.clear()
            first += len(chunk)

    return Raw(names, batches())


def _keys(file: File, problems: Problems, limits: Limits) -> tuple[str, ...]:
    """All keys of all objects, in the order in which they come. What is no object is for the next reading."""
    names: dict[str, None] = {}
    for line in _lines(file.open(), problems):
        with contextlib.suppress(ValueError, RecursionError):
            fields = _SCANNER.decode(line)
            if isinstance(fields, dict) and not fields.keys() <= names.keys():
                names.update(dict.fromkeys(fields))
        if len(names) > limits.columns:
            raise problems.stop(f"more than {limits.columns:,} columns", limits.bound("columns"))
    return tuple(names)


def _lines(file: BinaryIO, problems: Problems) -> Iterator[str]:
    with file:
        for number, line in enumerate(iter(lambda: file.readline(_LINE_BYTES), b""), 1):
            if number == 1 and line.startswith(_UTF16):
                raise problems.stop("UTF-16 text", "UTF-8", "save it as UTF-8")
            if len(line) == _LINE_BYTES:
                raise problems.stop(
                    f"a line of {_LINE_BYTES:,} bytes and more, line {number}", "shorter ones"
                )
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                found = f"the byte 0x{line[error.start]:02x} on line {number}, which is no UTF-8"
                raise problems.stop(found, "UTF-8 text", "save it as UTF-8") from None
            yield text.removeprefix(_BOM) if number == 1 else text


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, BATCH_ROWS)):
        yield chunk


def _csv_records(reader: Any, problems: Problems) -> Iterator[Sequence[str]]:
    try:
        yield from reader
    except csv.Error as error:
        fix = "put cells with commas, quotes or line breaks in double quotes, and double the quotes in them"
        raise problems.stop(f"broken CSV on line {reader.line_num} ({error})", "CSV", fix) from None


def _parsed(line: str, limits: Limits) -> dict[str, Any]:
    try:
        fields = _DECODER.decode(line)
        if "\\u" in line:
            json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadCell("half of a surrogate pair", "whole characters") from None
    except RecursionError:
        raise BadCell("too deep a nesting", limits.bound("nesting", "levels")) from None
    except json.JSONDecodeError as error:
        raise BadCell(f"no JSON ({error.msg} at character {error.colno})", "one JSON object a line") from None
    except ValueError as error:
        raise BadCell(str(error)[:200], "one JSON object a line") from None
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise BadCell(shown(fields), "one JSON object a line")
    if any(_depth(value) > limits.nesting for value in fields.values() if isinstance(value, (dict, list))):
        raise BadCell("too deep a nesting", limits.bound("nesting", "levels"))
    return fields


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    if not pairs:
        return None  # what holds nothing is nothing: Parquet has no type for an object without fields
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} twice in one object")
    return fields


def _no_number(text: str) -> None:
    raise ValueError(f"{text}, which is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]}, which is beyond a double")
    return value


# Made once: json.loads with options would make a decoder for each line.
_SCANNER = json.JSONDecoder()
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
