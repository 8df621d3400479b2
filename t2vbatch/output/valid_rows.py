"""Which row counts where several files of the record log have one sample; see ``record_log``.  [pure]"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.output.records import RECORDS, WITHDRAWN, rows_where


def with_all_columns(records: pa.Table) -> pa.Table:
    """The records with every column of the schema; columns that an earlier version did not have are null."""
    for column in RECORDS:
        if column.name not in records.column_names:
            records = records.append_column(column, pa.nulls(records.num_rows, column.type))
    return records.select(RECORDS.names).cast(RECORDS)


def merge(segments: Sequence[pa.Table], small: pa.Table) -> pa.Table:
    """One row for each sample: of the last segment that has it, else its small record."""
    if not segments:
        return small
    stored = segments[0] if len(segments) == 1 else last_of_each(pa.concat_tables(segments))
    if not small.num_rows:
        return stored
    known = pc.is_in(small["sample_id"], only_records(stored)["sample_id"])
    added = small.filter(pc.invert(known)) if pc.any(known).as_py() else small
    # Only a withdrawn row has a small record that is valid over it.
    if _withdrawn(stored).num_rows:
        replaced = pc.is_in(stored["sample_id"], added["sample_id"])
        stored = stored.filter(pc.invert(replaced))
    return pa.concat_tables([stored, added])


def last_of_each(table: pa.Table) -> pa.Table:
    """The last row of each sample."""
    ids = table["sample_id"]
    if pc.count_distinct(ids).as_py() == len(ids):
        return table  # As nearly always, and then without a copy of every row.
    lasts = pa.table({"sample_id": ids, "position": np.arange(len(ids))})
    lasts = lasts.group_by("sample_id").aggregate([("position", "max")])
    return table.take(lasts["position_max"].sort())


def _withdrawn(table: pa.Table) -> pa.Table:
    return table.filter(pc.equal(table["status"], WITHDRAWN))


def only_records(table: pa.Table) -> pa.Table:
    """The rows without those that say that a sample has no record."""
    return rows_where(table, pc.not_equal(table["status"], WITHDRAWN))
