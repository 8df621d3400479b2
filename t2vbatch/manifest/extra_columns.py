"""The extra columns and the call arguments: one type each, as narrow as their cells allow.

A Parquet file brings types. JSON cells bring a kind each. Text cells show their type when all of them are
known (``typing_csv``). A column whose cells have different kinds is *mixed*: it is held as one JSON text per
cell, so that each cell keeps its value, and shown as text.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from t2vbatch.manifest.problems import Problems
from t2vbatch.manifest.raw import Cells
from t2vbatch.manifest.typing_csv import typed


class ExtraColumns:
    """Makes Arrow columns of cells, batch by batch; remembers the kind of each column.

    Attributes:
        mixed: names of the columns with cells of different kinds.
    """

    def __init__(self, textual: bool, problems: Problems) -> None:
        self._textual, self._problems = textual, problems
        self._kinds: dict[str, str] = {}
        self._parts: dict[str, int] = {}
        self.mixed: set[str] = set()

    def array(self, name: str, cells: Cells, first: int) -> pa.Array:
        """The cells of one batch; ``first`` is the number of its first row. An unusable cell is null."""
        self._parts[name] = self._parts.get(name, 0) + (name not in self.mixed)
        if isinstance(cells, pa.Array):
            return usable(name, cells, first, self._problems)
        if self._textual:
            return pa.array(cells, pa.large_string())
        if name not in self.mixed and self._one_kind(name, cells):
            try:
                return pa.array(cells)
            except (pa.ArrowException, ValueError, TypeError, OverflowError):
                pass  # an integer beyond 64 bits, or lists and objects with different kinds inside
        if name not in self.mixed:
            self.mixed.add(name)
            self._parts[name] -= 1
        return _as_json(cells)

    def joined(self, parts: Sequence[pa.Table], name: str) -> pa.ChunkedArray:
        """The whole column in one type."""
        own = [part.select([name]) for part in parts]
        if name not in self.mixed:
            try:
                column = pa.concat_tables(own, promote_options="permissive").column(name)
            except pa.ArrowException:
                self.mixed.add(name)  # Parquet files with different types
                column = None
            if column is not None and self._textual:
                return typed(column.cast(pa.large_string()))
            if column is not None:
                kind = _with_text(column.type)
                return column if kind == column.type else column.cast(kind)
        arrays = [part.column(name).combine_chunks() for part in own]
        plain = self._parts[name]  # parts from before the column was mixed
        json_texts = [_as_json(array.to_pylist()) for array in arrays[:plain]] + arrays[plain:]
        return pa.chunked_array(json_texts, _JSON)

    def notes(self) -> list[str]:
        """A sentence for each mixed column."""
        return [
            f"column {name!r} has cells of different kinds and is kept as text" for name in sorted(self.mixed)
        ]

    def _one_kind(self, name: str, cells: Sequence[Any]) -> bool:
        """Whether all cells have the kind of the column's first one."""
        kinds = {_kind(cell) for cell in cells if cell is not None}
        if not kinds:
            return True
        return kinds == {self._kinds.setdefault(name, next(iter(kinds)))}


def shown_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A mixed column as readable text: text as it is, every other value as JSON."""
    texts = [cell if not cell or cell[0] != '"' else json.loads(cell) for cell in column.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def usable(name: str, cells: pa.Array, first: int, problems: Problems) -> pa.Array:
    """The cells that have a Python value. Any other (the year 30,000, an unknown time zone) is a problem."""
    try:
        cells.to_pylist()
    except _NO_VALUE:
        bad = [_problem_of(cell) for cell in cells]
        for row, reason in enumerate(bad, first):
            if reason is not None:
                found = f"a {cells.type} without a Python value ({reason})"
                problems.add(row, name, found, "a value in Python's range")
        return _only(cells, bad)
    return cells


_NO_VALUE = (pa.ArrowException, ValueError, OverflowError, KeyError)
_JSON = pa.large_string()


def _only(cells: pa.Array, bad: Sequence[str | None]) -> pa.Array:
    """The cells, with null for the bad ones."""
    kept = pa.array([None if reason is not None else index for index, reason in enumerate(bad)], pa.int64())
    return cells.take(kept)


def _problem_of(cell: pa.Scalar) -> str | None:
    try:
        cell.as_py()
    except _NO_VALUE as error:
        if "zoneinfo" in str(error):  # Arrow asks for a package if a time zone has no data.
            return "an unknown time zone"
        return str(error).splitlines()[0][:200]
    return None


def _as_json(cells: Sequence[Any]) -> pa.Array:
    texts = [None if cell is None else json.dumps(cell, ensure_ascii=False, default=_text) for cell in cells]
    return pa.array(texts, _JSON)


def _text(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _kind(cell: Any) -> str:
    match cell:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case _:
            return "object"


def _with_text(kind: pa.DataType) -> pa.DataType:
    """The type with text in place of unknown types, because readers of Parquet disagree about those."""
    if pa.types.is_null(kind):
        return pa.large_string()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_with_text(field.type)) for field in kind])
    return pa.list_(_with_text(kind.value_type)) if pa.types.is_list(kind) else kind
