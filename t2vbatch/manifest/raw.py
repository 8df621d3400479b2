"""A manifest as it is written: names of columns, and batches of cells that mean nothing yet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

BATCH_ROWS = 16_384
"""Rows that are looked at together; it bounds the Python objects alive at a time."""

BATCH_BYTES = 64 << 20
"""Bytes of rows that are looked at together, where rows hold images."""

Cells: TypeAlias = Sequence[Any] | pa.Array


@dataclass(frozen=True)
class Batch:
    """Some rows, one after another.

    Attributes:
        length: how many.
        cells: column: its cells; columns that no row of the batch has may be missing.
        unreadable: offsets of rows that are noted as problems already, and hold nothing.
    """

    length: int
    cells: Mapping[str, Cells]
    unreadable: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Raw:
    """All rows.

    Attributes:
        names: the columns, in their order.
        batches: to be gone through once.
        textual: whether every cell is text, so that numbers are to be recognised.
    """

    names: tuple[str, ...]
    batches: Iterable[Batch]
    textual: bool = False
