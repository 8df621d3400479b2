"""Bad rows that are recorded as failed and not refused: their ids, and their problems by index.  [pure]"""

from collections.abc import Mapping

import pyarrow as pa

from t2vbatch.errors import Problem
from t2vbatch.manifest.row_ids import derived_id


def with_ids(table: pa.Table, bad: Mapping[int, Problem], id_column: str | None) -> pa.Table:
    """The table with an id of its own for every bad row whose id cannot be used.

    A derived id would be wrong, because the problem took content out of the row: a bad row could get the id
    of a good one, and be left out as its repetition.

    Args:
        bad: row, from 1: its first problem.
        id_column: the name of the manifest's id column; None if ids are derived.
    """
    if not bad:
        return table
    ids = table.column("id").to_pylist()
    for row, problem in bad.items():
        if id_column is None or problem.column == id_column or ids[row - 1] is None:
            place = row if problem.column in (None, id_column) else None
            ids[row - 1] = derived_id({"id": ids[row - 1], "problem": problem.found, "row": place})
    index = table.column_names.index("id")
    return table.set_column(index, "id", pa.array(ids, pa.large_string()))


def by_index(bad: Mapping[int, Problem], kept: pa.Array | None) -> dict[int, Problem]:
    """The problems by the index, from 0, in a table that has only the ``kept`` rows; None: all rows."""
    if kept is None:
        return {row - 1: problem for row, problem in bad.items()}
    return {index: bad[row + 1] for index, row in enumerate(kept.to_pylist()) if row + 1 in bad}
