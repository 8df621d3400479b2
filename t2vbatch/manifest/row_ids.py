"""Ids from the content of rows, and removal of repeated rows.  [pure]"""

import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.canonical import digest
from t2vbatch.manifest.problems import Problems, shown

ID_DIGITS = 16
"""Hexadecimal digits of a derived id: a collision among a million rows happens in 1 of 10^7 manifests."""

_LISTED = 10


def derived_id(cells: Mapping[str, Any]) -> str:
    """The first 16 hexadecimal digits of the digest of a row's cells that are not null.

    The digest uses each cell as the manifest has it: a path as text, bytes as their digest. ``3.0`` is ``3``,
    because the type of a column depends on other rows. Values without a canonical form (dates, decimals,
    infinities) are digested as text.
    """
    return digest({_key(name): _own(cell) for name, cell in cells.items() if cell is not None})[:ID_DIGITS]


def pruned(value: Any) -> Any:
    """``value`` without the null fields that an object gets from the fields of other rows' objects."""
    if isinstance(value, dict):
        return {name: pruned(item) for name, item in value.items() if item is not None}
    return [pruned(item) for item in value] if isinstance(value, list) else value


def firsts(table: pa.Table) -> pa.Array | None:
    """The indices of the first row of each id, in order; None if no id occurs twice."""
    ids = table.column("id")
    if len(ids.unique()) == len(ids):
        return None
    return _grouped(ids, "min").column("rows").combine_chunks().sort()


def note_duplicates(table: pa.Table, column: str, problems: Problems, each: bool = False) -> None:
    """Add a problem for each id that occurs in several rows, with the rows.

    Args:
        each: add the problem to every row after the first, instead of once per id.
    """
    ids = table.column("id").drop_null()
    if len(ids.unique()) == len(ids):
        return
    groups = _grouped(table.column("id"), "list")
    twice = groups.filter(
        pc.and_(pc.greater(pc.list_value_length(groups["rows"]), 1), groups["id"].is_valid())
    )
    for batch in twice.to_batches(max_chunksize=1024):
        for group in batch.to_pylist():
            rows = sorted(group["rows"])
            listed = ", ".join(str(row + 1) for row in rows[:_LISTED])
            more = f" and {len(rows) - _LISTED:,} more" if len(rows) > _LISTED else ""
            found = f"the id {shown(group['id'])} in rows {listed}{more}"
            for row in rows[1:] if each else rows[1:2]:
                problems.add(row + 1, column, found, "each id once")


def _grouped(ids: pa.ChunkedArray, how: str) -> pa.Table:
    """One row per id: ``rows`` is the index of its first row (``min``) or of all its rows (``list``)."""
    numbered = pa.table({"id": ids, "rows": pa.array(range(len(ids)), pa.int64())})
    return numbered.group_by("id").aggregate([("rows", how)]).rename_columns(["id", "rows"])


def _key(name: str) -> str:
    # '$' is reserved in canonical form, and a column may well be called '$id'.
    return f"\\{name}" if name[:1] in ("$", "\\") else name


def _own(value: Any) -> Any:
    match value:
        case None | bool() | int() | str() | bytes():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case list() | tuple():
            return [_own(item) for item in value]
        case Mapping():
            return {_key(str(key)): _own(item) for key, item in value.items() if item is not None}
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return str(value)
