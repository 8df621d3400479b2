"""Groups of videos by the values of a manifest column.  [pure]"""

import math
from collections.abc import Iterator, Mapping

import pyarrow as pa

NONE = "(none)"
"""The group of rows without a value."""

_SEPARATOR = ", "


def labels_of(column: pa.ChunkedArray, alone: frozenset[str] | None = None) -> list[tuple[str, ...]]:
    """The groups of each row.

    A list has one group for each of its values. A text ``a, b`` has the groups a and b if both are in
    ``alone``; other text is one group. ``2.0`` is ``2``, and NaN is a missing value.

    Args:
        alone: the values that some row has alone; None means those of this column.
    """
    single = values_alone(column) if alone is None else alone
    return [tuple(dict.fromkeys(_labels(cell, single))) for cell in column.to_pylist()]


def values_alone(column: pa.ChunkedArray) -> frozenset[str]:
    """The text values without a separator: with them, ``a, b`` is recognised as a list of values."""
    return frozenset(cell for cell in column.to_pylist() if isinstance(cell, str) and _SEPARATOR not in cell)


def grouped(models: Mapping[str, pa.Table], columns: Mapping[str, str]) -> dict[str, dict[str, pa.Table]]:
    """Label: model: its rows with that label, sorted by label, numbers by their size.

    Args:
        models: name: its rows of a results table.
        columns: model: the column of its table.
    """
    alone = frozenset().union(*(values_alone(table[columns[name]]) for name, table in models.items()))
    found: dict[str, dict[str, pa.Table]] = {}
    for name, table in models.items():
        labels = labels_of(table[columns[name]], alone)
        for label in dict.fromkeys(label for row in labels for label in row):
            found.setdefault(label, {})[name] = table.filter(pa.array([label in row for row in labels]))
    return dict(sorted(found.items(), key=lambda group: _order(group[0])))


def _labels(cell: object, alone: frozenset[str]) -> Iterator[str]:
    if isinstance(cell, list):
        yield from ([label_of(value) for value in cell if value is not None] or [NONE])
    elif isinstance(cell, str) and alone.issuperset(cell.split(_SEPARATOR)):
        yield from cell.split(_SEPARATOR)
    else:
        yield label_of(cell)


def label_of(value: object) -> str:
    """The label of one value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NONE
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _order(label: str) -> tuple[bool, float, str]:
    """Numbers by their size, then texts."""
    try:
        return False, float(label), label
    except ValueError:
        return True, 0.0, label
