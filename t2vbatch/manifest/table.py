"""A manifest in memory: one Arrow table, from which rows are made on demand."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import Problem
from t2vbatch.manifest.columns import ARRAYS, CANONICAL, MEDIA
from t2vbatch.manifest.extra_columns import shown_text
from t2vbatch.manifest.media import Media, is_below, located, paths_of, refusal
from t2vbatch.manifest.raw import BATCH_BYTES
from t2vbatch.manifest.row_ids import pruned
from t2vbatch.storage.files import local_path

_ROWS_AT_ONCE = 4_096


@dataclass(frozen=True)
class Row:
    """One row. ``columns`` has the call arguments and the extra columns.

    Attributes:
        row_id: the id of the manifest, or an id derived from the row's content.
        media: column: the row's media. The columns are those of MEDIA, and the arguments whose cells name an
            array.
        seed: from 0 to 2**63 - 1; None if the manifest has no seed for the row.
        models: names of the models that generate this row; None: all.
        samples: videos of this row from each model; None: as many as the job says.
        columns: the manifest's other columns as plain Python values, without nulls.
    """

    row_id: str
    prompt: str | None
    negative_prompt: str | None = None
    media: Mapping[str, Media] = field(default_factory=dict)
    seed: int | None = None
    models: tuple[str, ...] | None = None
    samples: int | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """All rows as one Arrow table, so that a million rows need little memory.

    Attributes:
        source: the path or URI of the manifest.
        table: columns as ``manifest.build`` makes them, rows in the manifest's order.
        notes: sentences for the user: aliases, ignored columns, repeated rows.
        base: absolute path or URI of the folder that relative paths in cells start from.
        allow_paths: whether cells may name paths outside of that folder.
        mixed: extra columns with cells of different kinds, each cell held as a JSON text.
        allow: prefixes of URIs, besides ``base``, that the job allows.
        textual: whether all cells of the manifest's format are text.
        bad_rows: index of a row, from 0: its problem. Filled only if bad rows are recorded and not refused.
    """

    source: str
    table: pa.Table
    notes: tuple[str, ...] = ()
    base: str = ""
    allow_paths: bool = False
    bad_rows: Mapping[int, Problem] = field(default_factory=dict)
    mixed: frozenset[str] = frozenset()
    allow: tuple[str, ...] = ()
    textual: bool = False

    def __len__(self) -> int:
        """The number of rows; equal rows without ids count once."""
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Row]:
        """All rows in order; at most some thousands are in memory at a time."""
        bytes_per_row = max(1, self.table.nbytes // max(1, len(self)))
        size = max(1, min(_ROWS_AT_ONCE, BATCH_BYTES // bytes_per_row))
        for start in range(0, len(self), size):
            for cells in self.table.slice(start, size).to_pylist():
                yield self._row(cells)

    def row(self, index: int) -> Row:
        """Row ``index``, from 0. Raises IndexError beyond the last row."""
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return self._row(self.table.slice(index, 1).to_pylist()[0])

    @property
    def columns(self) -> pa.Schema:
        """Names and types of the other columns: call arguments and extra columns."""
        return self.extra_table().schema

    def extra_table(self) -> pa.Table:
        """The other columns as an Arrow table, row by row as in the manifest."""
        names = [name for name in self.table.column_names if name not in CANONICAL]
        columns = [self.table.column(name) for name in names]
        shown = [
            shown_text(one) if name in self.mixed else one for name, one in zip(names, columns, strict=True)
        ]
        return pa.table(shown, names)

    def row_ids(self) -> pa.ChunkedArray:
        """The ids of all rows, in order, for joining tables to ``extra_table``."""
        return self.table.column("id")

    def samples(self, default: int) -> npt.NDArray[np.int64]:
        """The samples of each row, in order: its own number, or ``default``. Shape (rows,)."""
        if "samples" not in self.table.column_names:
            return np.full(len(self), default, np.int64)
        return np.asarray(pc.fill_null(self.table["samples"], default).to_numpy(), np.int64)

    def sample_count(self, default: int) -> int:
        """The samples of all rows, as in ``samples``, without an array of them."""
        if "samples" not in self.table.column_names:
            return len(self) * default
        column = self.table["samples"]
        return int(pc.sum(column).as_py() or 0) + int(column.null_count) * default

    def _row(self, cells: Mapping[str, Any]) -> Row:
        models = cells.get("model")
        extra = {
            name: json.loads(cell) if name in self.mixed else cell
            for name, cell in cells.items()
            if name not in CANONICAL and cell is not None
        }
        arrays = {
            name: self._media(name, {"path": cell, "bytes": None})
            for name, cell in extra.items()
            if self._is_array(cell)
        }
        return Row(
            row_id=cells["id"],
            prompt=cells.get("prompt"),
            negative_prompt=cells.get("negative_prompt"),
            media={name: self._media(name, cells[name]) for name in MEDIA if cells.get(name)} | arrays,
            seed=cells.get("seed"),
            models=None if models is None else tuple(models),
            samples=cells.get("samples"),
            columns={
                name: cell if name in self.mixed else pruned(cell)
                for name, cell in extra.items()
                if name not in arrays
            },
        )

    def _is_array(self, cell: Any) -> bool:
        """Whether a cell of an extra column names an array's file, at a place that the manifest may read."""
        named = isinstance(cell, str) and cell.lower().endswith(ARRAYS)
        return named and refusal(cell, self.base, self.allow_paths, self.allow) is None

    def _media(self, name: str, cell: Mapping[str, Any]) -> Media:
        if cell["bytes"] is not None:
            return Media(name, data=cell["bytes"])
        if len(paths := paths_of(cell["path"])) > 1:
            return Media.several(name, [self._media(name, {"path": path, "bytes": None}) for path in paths])
        uri = located(cell["path"], self.base)
        if "://" in cell["path"]:
            allowed = (prefix.rstrip("/") for prefix in (self.base, *self.allow) if is_below(uri, [prefix]))
            return Media(name, uri, within=next(allowed, None))
        free = self.allow_paths and local_path(uri) is not None
        return Media(name, uri, within=None if free else self.base)
