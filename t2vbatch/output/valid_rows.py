"""Which row counts if several files of the record log have one sample; see ``record_log``.  [pure]"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.output.records import RECORDS, WITHDRAWN, rows_where


def with_columns(records: pa.Table, names: Sequence[str] = tuple(RECORDS.names)) -> pa.Table:
    """These columns of the records; a column that an earlier version did not have is null."""
    for name in names:
        if name not in records.column_names:
            field = RECORDS.field(name)
            records = records.append_column(field, pa.nulls(records.num_rows, field.type))
    return records.select(names).cast(pa.schema([RECORDS.field(name) for name in names]))


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
    if len(ids.unique()) == len(ids):
        return table  # As nearly always, and then without a copy of every row.
    lasts = pa.table({"sample_id": ids, "position": np.arange(len(ids))})
    lasts = lasts.group_by("sample_id").aggregate([("position", "max")])
    return table.take(lasts["position_max"].sort())


def _withdrawn(table: pa.Table) -> pa.Table:
    return table.filter(pc.equal(table["status"], WITHDRAWN))


def only_records(table: pa.Table) -> pa.Table:
    """The rows without those that say that a sample has no record."""
    return rows_where(table, pc.not_equal(table["status"], WITHDRAWN))
