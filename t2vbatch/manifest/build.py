"""Raw cells -> the table of a manifest: normal forms, types, ids.

The table has the canonical columns of the manifest (``id`` always), in the types of ``TYPES``, and then its
other columns in types of their own.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from t2vbatch.job import Limits
from t2vbatch.manifest.cells import Reader, file_name_reader, read_plain, readers
from t2vbatch.manifest.columns import CANONICAL, CONTENT, FILE_NAME, MEDIA, Naming
from t2vbatch.manifest.extra_columns import ExtraColumns, usable
from t2vbatch.manifest.problems import BadCell, Problems
from t2vbatch.manifest.raw import Batch, Cells, Raw
from t2vbatch.manifest.row_ids import derived_id
from t2vbatch.manifest.typing_csv import recognised

_MEDIA_CELL = pa.struct([("path", pa.large_string()), ("bytes", pa.large_binary())])

TYPES = {
    "id": pa.large_string(),
    "prompt": pa.large_string(),
    "negative_prompt": pa.large_string(),
    **dict.fromkeys(MEDIA, _MEDIA_CELL),
    "seed": pa.int64(),
    "samples": pa.int64(),
    "model": pa.list_(pa.large_string()),
}
"""Types of the canonical columns. A media cell is the path or URI of the manifest, or bytes."""


@dataclass(frozen=True)
class Built:
    """The table, the names of its mixed columns, and notes about it."""

    table: pa.Table
    mixed: frozenset[str]
    notes: tuple[str, ...]


def build_table(raw: Raw, naming: Naming, problems: Problems, limits: Limits) -> Built:
    """The table, one row per row of ``raw``. A bad cell is a problem, and null in the table."""
    builder = _Builder(raw.textual, naming, problems, limits)
    parts: list[pa.Table] = []
    rows = size = 0
    for batch in raw.batches:
        parts.append(builder.part(batch, rows + 1))
        rows += batch.length
        size += parts[-1].nbytes
        if rows > limits.rows:
            raise problems.stop(f"more than {limits.rows:,} rows", limits.bound("rows"), "split the manifest")
        if size > limits.decoded_bytes:
            found = f"more than {limits.decoded_bytes:,} bytes of cells in {rows:,} rows"
            raise problems.stop(found, limits.bound("decoded_bytes"), "split the manifest")
    if not rows:
        raise problems.stop("no rows", "at least one row")
    return builder.joined(parts)


class _Builder:
    """Turns batches into parts of the table, and the parts into the table."""

    def __init__(self, textual: bool, naming: Naming, problems: Problems, limits: Limits) -> None:
        self._textual, self._naming, self._problems = textual, naming, problems
        self._readers, self._limits = readers(limits, textual), limits
        self._extra = ExtraColumns(textual, problems)

    def part(self, batch: Batch, first: int) -> pa.Table:
        """The rows of one batch; ``first`` is the number of its first row."""
        bad = {first + offset for offset in batch.unreadable}
        known = {
            name: self._known(name, written, batch, first, bad)
            for name, written in self._naming.known.items()
        }
        self._require(known, range(first, first + batch.length), bad)
        extra = {
            name: self._extra.array(name, batch.cells.get(name, [None] * batch.length), first)
            for name in self._naming.extra
        }
        if "id" not in known:
            known["id"] = _derived(known, extra, self._textual, self._extra.mixed)
        columns = {name: pa.array(known[name], TYPES[name]) for name in CANONICAL if name in known}
        return pa.table({**columns, **extra})

    def joined(self, parts: Sequence[pa.Table]) -> Built:
        """The table of all parts."""
        names = parts[0].column_names
        canonical = pa.concat_tables(part.select([name for name in names if name in TYPES]) for part in parts)
        extra = {name: self._extra.joined(parts, name) for name in self._naming.extra}
        columns = dict(zip(canonical.column_names, canonical.columns, strict=True))
        notes = tuple(self._extra.notes())
        return Built(pa.table({**columns, **extra}), frozenset(self._extra.mixed), notes)

    def _known(self, name: str, written: str, batch: Batch, first: int, bad: set[int]) -> Cells:
        """The cells of a canonical column in their normal form; rows with a bad cell are added to ``bad``."""
        if written == FILE_NAME:
            read = file_name_reader(name)
        else:
            plain = read_plain(name, batch.cells.get(written, [None] * batch.length), self._limits)
            if plain is not None:
                return plain
            read = self._readers[name]
        return self._read(self._values(batch, written, first), read, written, first, bad)

    def _values(self, batch: Batch, name: str, first: int) -> Sequence[Any]:
        cells = batch.cells.get(name)
        if isinstance(cells, pa.Array):
            return list(usable(name, cells, first, self._problems).to_pylist())
        return [None] * batch.length if cells is None else cells

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

    def _require(self, known: Mapping[str, Cells], rows: range, bad: set[int]) -> None:
        """Add a problem for each row without content, and for each row without an id if others have one."""
        empty = np.logical_and.reduce([_is_null(known[name]) for name in CONTENT if name in known])
        nameless = _is_null(known.get("id", rows))
        for offset in np.flatnonzero(empty | nameless).tolist():
            row = rows[offset]
            if row in bad:
                continue
            if empty[offset]:
                self._problems.add(row, None, "no content", "a prompt, an image or a video")
            if nameless[offset]:
                column = self._naming.known["id"]
                self._problems.add(row, column, "no id", "an id in every row, or no such column")


def _is_null(cells: Cells) -> npt.NDArray[np.bool_]:
    if isinstance(cells, pa.Array):
        return np.asarray(cells.is_null().to_numpy(zero_copy_only=False))
    return np.fromiter((cell is None for cell in cells), bool, len(cells))


def _derived(
    known: Mapping[str, Cells], extra: Mapping[str, pa.Array], textual: bool, mixed: Collection[str]
) -> list[str]:
    # More samples of a row are more videos of the same row, so they do not change its id.
    content = {
        name: cells.to_pylist() if isinstance(cells, pa.Array) else cells
        for name, cells in known.items()
        if name != "samples"
    }
    columns = {name: _as_written(cells) if name in MEDIA else cells for name, cells in content.items()}
    for name, array in extra.items():
        cells = array.to_pylist()
        if name in mixed:
            cells = [cell and json.loads(cell) for cell in cells]
        # A number is the same number in every format, so that a CSV turned into Parquet keeps its ids.
        columns[name] = [cell and recognised(cell) for cell in cells] if textual else cells
    rows = zip(*columns.values(), strict=True)
    return [derived_id(dict(zip(columns, row, strict=True))) for row in rows]


def _as_written(cells: Sequence[Any]) -> list[Any]:
    return [cell and (cell["bytes"] or cell["path"]) for cell in cells]
