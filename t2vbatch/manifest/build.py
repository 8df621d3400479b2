"""From cells as they are written to the table of a manifest: normal forms, types, ids.

The table has the canonical columns that the manifest has (``id`` always), in the types of ``TYPES``, and then
its other columns in types of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from t2vbatch.manifest.cells import Reader, number, readers
from t2vbatch.manifest.columns import CANONICAL, CONTENT, MEDIA, Naming
from t2vbatch.manifest.identity import derived_id
from t2vbatch.manifest.limits import Limits
from t2vbatch.manifest.problems import BadCell, Problems, shown
from t2vbatch.manifest.raw import Batch, Cells, Raw
from t2vbatch.manifest.typing_csv import text_to_truth, typed

_MEDIA_CELL = pa.struct([("path", pa.large_string()), ("bytes", pa.large_binary())])

TYPES = {
    "id": pa.large_string(),
    "prompt": pa.large_string(),
    "negative_prompt": pa.large_string(),
    **dict.fromkeys(MEDIA, _MEDIA_CELL),
    "seed": pa.int64(),
    "model": pa.list_(pa.large_string()),
}
"""Types of the canonical columns. Media cells are as they were written: a path or URI, or bytes."""


def build_table(raw: Raw, naming: Naming, problems: Problems, limits: Limits) -> pa.Table:
    """The table, one row a row of ``raw``. What is wrong is noted, and null where it stands."""
    builder = _Builder(raw.textual, naming, problems, limits)
    parts: list[pa.Table] = []
    rows = 0
    for batch in raw.batches:
        parts.append(builder.part(batch, rows + 1))
        rows += batch.length
        if rows > limits.rows:
            raise problems.stop(f"more than {limits.rows:,} rows", f"at most {limits.rows:,}", "split it")
    if not rows:
        raise problems.stop("no rows", "at least one")
    return _joined(parts, raw.textual, problems)


class _Builder:
    """Turns batches into parts of the table; remembers of which kind each other column is."""

    def __init__(self, textual: bool, naming: Naming, problems: Problems, limits: Limits) -> None:
        self._textual, self._naming, self._problems = textual, naming, problems
        self._readers = readers(limits, textual)
        self._kinds: dict[str, str] = {}

    def part(self, batch: Batch, first: int) -> pa.Table:
        """The rows of one batch; ``first`` is the number of its first row."""
        bad = {first + offset for offset in batch.unreadable}
        known: dict[str, list[Any]] = {}
        for name, written in self._naming.known.items():
            cells = _values(batch.cells.get(written), batch.length)
            known[name] = self._read(cells, self._readers[name], written, first, bad)
        self._require(known, batch.length, first, bad)
        riders = {name: self._rider(name, batch, first) for name in self._naming.riders}
        if "id" not in known:
            known["id"] = self._derived(known, batch)
        columns = {name: pa.array(known[name], TYPES[name]) for name in CANONICAL if name in known}
        return pa.table({**columns, **riders})

    def _read(self, cells: Sequence[Any], read: Reader, column: str, first: int, bad: set[int]) -> list[Any]:
        normal: list[Any] = []
        for row, cell in enumerate(cells, first):
            try:
                normal.append(None if cell is None else read(cell))
            except BadCell as wrong:
                self._problems.add(row, column, wrong.found, wrong.expected)
                bad.add(row)
                normal.append(None)
        return normal

    def _require(self, known: Mapping[str, list[Any]], length: int, first: int, bad: set[int]) -> None:
        content = [known[name] for name in CONTENT if name in known]
        ids = known.get("id")
        for offset in range(length):
            if first + offset in bad:
                continue
            if all(cells[offset] is None for cells in content):
                self._problems.add(first + offset, None, "nothing to make", "a prompt, an image or a video")
            if ids is not None and ids[offset] is None:
                column = self._naming.known["id"]
                self._problems.add(first + offset, column, "no id", "an id in every row, or no such column")

    def _rider(self, name: str, batch: Batch, first: int) -> pa.Array:
        cells = batch.cells.get(name)
        if cells is None:
            return pa.nulls(batch.length)
        if isinstance(cells, pa.Array):
            return cells
        if self._textual:
            return pa.array(cells, pa.large_string())
        try:
            return pa.array(self._one_kind(name, cells, first))
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            reason = str(error).splitlines()[0][:200]
            self._problems.add(None, name, f"cells of different kinds ({reason})", "one kind a column")
            return pa.nulls(batch.length)

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

    def _derived(self, known: Mapping[str, list[Any]], batch: Batch) -> list[str]:
        columns = {name: _as_written(cells) if name in MEDIA else cells for name, cells in known.items()}
        for name in self._naming.riders:
            cells = _values(batch.cells.get(name), batch.length)
            columns[name] = [_recognised(cell) for cell in cells] if self._textual else cells
        rows = zip(*columns.values(), strict=True)
        return [derived_id(dict(zip(columns, row, strict=True))) for row in rows]


def _values(cells: Cells | None, length: int) -> list[Any]:
    if cells is None:
        return [None] * length
    return list(cells.to_pylist() if isinstance(cells, pa.Array) else cells)


def _as_written(cells: Sequence[Any]) -> list[Any]:
    return [cell and (cell["bytes"] or cell["path"]) for cell in cells]


def _recognised(text: str | None) -> Any:
    return None if text is None else text_to_truth(text, number(text))


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


def _joined(parts: Iterable[pa.Table], textual: bool, problems: Problems) -> pa.Table:
    parts = list(parts)
    names = parts[0].column_names
    columns = {}
    for name in names:
        chunks = [part.column(name) for part in parts]
        try:
            column = pa.concat_tables(
                [pa.table({name: chunk}) for chunk in chunks], promote_options="permissive"
            ).column(name)
        except pa.ArrowException:
            kinds = " and ".join(sorted({str(chunk.type) for chunk in chunks} - {"null"}))
            problems.add(None, name, kinds, "one type in all files and rows")
            continue
        columns[name] = _settled(name, column, textual)
    return pa.table(columns)


def _settled(name: str, column: pa.ChunkedArray, textual: bool) -> pa.ChunkedArray:
    if name in TYPES:
        return column
    if pa.types.is_null(column.type):
        # Parquet's readers disagree about columns without a type.
        return column.cast(pa.large_string())
    return typed(column) if textual else column
