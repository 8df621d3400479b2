"""The columns without a meaning here: one type each, as narrow as what they hold allows.

A Parquet file brings types. JSON cells bring a kind each, which has to be one in all of a column; text cells
show theirs when all of them are there (``typing_csv``).
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from t2vbatch.manifest.problems import Problems, shown
from t2vbatch.manifest.raw import Cells
from t2vbatch.manifest.typing_csv import typed


class ExtraColumns:
    """Makes Arrow columns of cells, batch by batch; remembers the kind of each column."""

    def __init__(self, textual: bool, problems: Problems) -> None:
        self._textual, self._problems = textual, problems
        self._kinds: dict[str, str] = {}

    def array(self, name: str, cells: Cells, first: int) -> pa.Array:
        """The cells of one batch; ``first`` is the number of its first row. What does not fit is null."""
        if isinstance(cells, pa.Array):
            return cells if plain_values(name, cells, self._problems) is not None else pa.nulls(len(cells))
        if self._textual:
            return pa.array(cells, pa.large_string())
        try:
            return pa.array(self._one_kind(name, cells, first))
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            reason = str(error).splitlines()[0][:200]
            self._problems.add(None, name, f"cells of different kinds ({reason})", "one kind a column")
            return pa.nulls(len(cells))

    def joined(self, parts: Sequence[pa.Table], name: str) -> pa.ChunkedArray:
        """The whole column in one type."""
        own = [part.select([name]) for part in parts]
        try:
            column = pa.concat_tables(own, promote_options="permissive").column(name)
        except pa.ArrowException:
            kinds = sorted({str(part.schema.field(name).type) for part in own} - {"null"})
            self._problems.add(None, name, " and ".join(kinds), "one type in all rows")
            return pa.chunked_array([pa.nulls(sum(map(len, own)))])
        if self._textual:
            return typed(column.cast(pa.large_string()))
        kind = _with_text(column.type)
        return column if kind == column.type else column.cast(kind)

    def _one_kind(self, name: str, cells: Sequence[Any], first: int) -> list[Any]:
        """The cells of the kind that the column's first one has; the others are noted."""
        same: list[Any] = []
        for row, cell in enumerate(cells, first):
            kind = None if cell is None else _kind(cell)
            expected = self._kinds.setdefault(name, kind) if kind else None
            if kind != expected:
                self._problems.add(row, name, shown(cell), f"{expected}, as in the rows before")
            same.append(cell if kind == expected else None)
        return same


def plain_values(name: str, cells: pa.Array, problems: Problems) -> list[Any] | None:
    """The cells as Python values, or None, noted, where Python has none: the year 30,000, no such zone."""
    try:
        return list(cells.to_pylist())
    except (pa.ArrowException, ValueError, OverflowError, KeyError) as error:
        reason = str(error).splitlines()[0][:200]
        problems.add(None, name, f"{cells.type} beyond Python's ({reason})", "values that Python has")
        return None


def _kind(cell: Any) -> str:
    match cell:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _with_text(kind: pa.DataType) -> pa.DataType:
    """The type with text where nothing is known, because readers of Parquet disagree about such columns."""
    if pa.types.is_null(kind):
        return pa.large_string()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_with_text(field.type)) for field in kind])
    return pa.list_(_with_text(kind.value_type)) if pa.types.is_list(kind) else kind
