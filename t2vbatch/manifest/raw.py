"""A manifest before interpretation: names of columns, and batches of cells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

BATCH_ROWS = 16_384
"""Rows per batch; it bounds how many Python objects are alive at a time."""

BATCH_BYTES = 64 << 20
"""Bytes per batch; it matters for rows that contain images."""

Cells: TypeAlias = Sequence[Any] | pa.Array


@dataclass(frozen=True)
class Batch:
    """Consecutive rows.

    Attributes:
        length: number of rows.
        cells: column: its cells; a column without any cell in the batch may be missing.
        unreadable: offsets of rows that have a problem already and contain nothing.
    """

    length: int
    cells: Mapping[str, Cells]
    unreadable: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Raw:
    """All rows.

    Attributes:
        names: the columns, in their order.
        batches: an iterable that is consumed once.
        textual: whether every cell is text, so that numbers must be recognised.
        notes: sentences about how the file was read.
    """

    names: tuple[str, ...]
    batches: Iterable[Batch]
    textual: bool = False
    notes: tuple[str, ...] = ()
