"""Formats of lines: plain text, CSV, TSV, JSON Lines -> raw cells."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from t2vbatch.job import Limits
from t2vbatch.manifest.cells import is_blank
from t2vbatch.manifest.columns import ALIASES, CONTENT
from t2vbatch.manifest.delimited import WORDS, Record, csv_records, header_delimiter, tsv_records
from t2vbatch.manifest.json_array import array_items
from t2vbatch.manifest.json_text import DECODER, SCANNER
from t2vbatch.manifest.problems import BadCell, Problems, shown
from t2vbatch.manifest.raw import BATCH_ROWS, Batch, Raw
from t2vbatch.manifest.sources import File
from t2vbatch.manifest.text import BadText, text_lines

_OBJECT = "one JSON object per line, or an array of objects"
_FIRST_CHARS = 100
_SURROGATE = re.compile("[\ud800-\udfff]")
_ARRAY = re.compile(r"\[\s*($|[{\]])")


def read_text(file: File, problems: Problems) -> Raw:
    """One prompt per line; blank lines are skipped."""
    _refuse_json_lines(file, problems)

    def batches() -> Iterator[Batch]:
        with _explained(problems):
            for cells in _chunks(line for line in text_lines(file.open()) if not is_blank(line)):
                yield Batch(len(cells), {"prompt": cells})

    return Raw(("prompt",), batches(), textual=True)


def _refuse_json_lines(file: File, problems: Problems) -> None:
    """Stop at JSON Lines with the extension of text: each object would be a prompt."""
    with _explained(problems):
        first = next((line for line in text_lines(file.open()) if not is_blank(line)), "")
    with contextlib.suppress(ValueError, RecursionError):
        fields = SCANNER.decode(first.strip())
        if isinstance(fields, dict) and any(ALIASES.get(name, name) in CONTENT for name in fields):
            raise problems.stop("JSON Lines", "text with one prompt per line", "name the file .jsonl")


def read_csv(file: File, usual: str, problems: Problems) -> Raw:
    """A header and rows. An empty cell is null; blank lines are skipped.

    Args:
        usual: the delimiter that the extension of the file names.
    """
    with _explained(problems):
        delimiter, lines = header_delimiter(text_lines(file.open(), keep_ends=True), usual)
        records = tsv_records(lines) if delimiter == "\t" else csv_records(lines, delimiter)
        header = next(records, [])
        names = tuple(name.strip() for name in header)
    notes = (
        () if delimiter == usual else (f"read with {WORDS[delimiter]} between the cells, as in the header",)
    )

    def batches() -> Iterator[Batch]:
        row = 0
        with _explained(problems):
            for chunk in _chunks(records):
                odd = dict(_bad_records(chunk, header))
                for offset, (found, expected) in odd.items():
                    problems.add(row + offset + 1, None, found, expected)
                    chunk[offset] = [""] * len(names)
                columns = [[cell or None for cell in column] for column in zip(*chunk, strict=True)]
                yield Batch(len(chunk), dict(zip(names, columns, strict=True)), frozenset(odd))
                row += len(chunk)

    return Raw(names, batches(), textual=True, notes=notes)


def _bad_records(records: list[Record], header: Record) -> Iterator[tuple[int, tuple[str, str]]]:
    """Each record that is not a row: its offset, what was found and what was expected."""
    for offset, record in enumerate(records):
        if len(record) != len(header):
            yield offset, (f"{len(record)} cells", f"{len(header)}, as in the header")
        elif record == header:
            yield (
                offset,
                ("the header again", "a row; the file consists of several files, so remove their headers"),
            )


def read_jsonl(file: File, problems: Problems, limits: Limits) -> Raw:
    """One JSON object per line, or an array of objects. Read twice, because any object may add a column."""
    objects = _objects(file, problems)
    names = _keys(objects, problems, limits)

    def parsed(note: Callable[[int, int, BadCell], None]) -> Iterator[dict[str, Any]]:
        for row, (number, text) in enumerate(objects(), 1):
            try:
                yield _parsed(text, limits)
            except BadCell as bad:
                note(row, number, bad)
                yield {}

    def batches() -> Iterator[Batch]:
        unreadable: set[int] = set()
        first = 1

        def note(row: int, number: int, bad: BadCell) -> None:
            unreadable.add(row - first)
            problems.add(row, None, f"{bad.found} on line {number}", bad.expected)

        with _explained(problems):
            for chunk in _chunks(parsed(note)):
                cells = {name: [fields.get(name) for fields in chunk] for name in names}
                yield Batch(len(chunk), cells, frozenset(unreadable))
                unreadable.clear()
                first += len(chunk)

    return Raw(names, batches())


def _objects(file: File, problems: Problems) -> Callable[[], Iterator[tuple[int, str]]]:
    """A function that reads the line number and the text of each object, once per call."""
    with _explained(problems):
        parts = text_lines(file.open(), whole=False)
        first = next((part[:_FIRST_CHARS].strip() for part in parts if not is_blank(part[:_FIRST_CHARS])), "")
    if first == "{":
        raise problems.stop(
            "a JSON object over several lines", _OBJECT, "jq -c . FILE > NEW.jsonl converts it"
        )
    if _ARRAY.match(first):
        return lambda: array_items(text_lines(file.open(), keep_ends=True, whole=False))
    return lambda: ((number, line) for number, line in enumerate(text_lines(file.open()), 1) if line.strip())


def _keys(
    objects: Callable[[], Iterator[tuple[int, str]]], problems: Problems, limits: Limits
) -> tuple[str, ...]:
    """All keys of all objects, in order of appearance. Invalid objects are left to the second reading."""
    names: dict[str, None] = {}
    with _explained(problems):
        for _, text in objects():
            with contextlib.suppress(ValueError, RecursionError):
                fields = SCANNER.decode(text)
                if isinstance(fields, dict) and not fields.keys() <= names.keys():
                    # The second reading refuses the objects with half of a surrogate pair.
                    names.update(dict.fromkeys(name for name in fields if not _SURROGATE.search(name)))
            if len(names) > limits.columns:
                raise problems.stop(f"more than {limits.columns:,} columns", limits.bound("columns"))
    return tuple(names)


@contextlib.contextmanager
def _explained(problems: Problems) -> Iterator[None]:
    try:
        yield
    except BadText as bad:
        raise problems.stop(bad.found, bad.expected, bad.fix) from None


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, BATCH_ROWS)):
        yield chunk


def _parsed(line: str, limits: Limits) -> dict[str, Any]:
    try:
        fields = DECODER.decode(line)
        if "\\u" in line:
            json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadCell("half of a surrogate pair", "whole characters") from None
    except RecursionError:
        raise BadCell("too much nesting", limits.bound("nesting", "levels")) from None
    except json.JSONDecodeError as error:
        raise BadCell(f"invalid JSON ({error.msg} at character {error.colno})", _OBJECT) from None
    except ValueError as error:
        raise BadCell(str(error)[:200], _OBJECT) from None
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise BadCell(shown(fields), _OBJECT)
    if any(_depth(value) > limits.nesting for value in fields.values() if isinstance(value, (dict, list))):
        raise BadCell("too much nesting", limits.bound("nesting", "levels"))
    return fields


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
