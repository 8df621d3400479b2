"""A plan as one Parquet file: what an output needs, when manifest, media, models and Hub are elsewhere.

The file has one line per sample: the columns of PLAN, then those of its row. ``columns`` holds the manifest's
other columns in one struct, so that their names cannot collide with the plan's. What all samples of a model
share is in the file's metadata.
"""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from t2vbatch.canonical import canonical
from t2vbatch.plan.media import Hints, find_hints
from t2vbatch.plan.parquet_file import DamagedFileError, read_checked_parquet
from t2vbatch.plan.plan import PLAN, ROWS, Plan, PlannedModel
from t2vbatch.plan.sample_ids import VERSION

_KEY = b"t2vbatch"
_EXTRA = "columns"
_AT_ONCE = 131_072  # Lines in memory at a time: samples of one row repeat its content.


class OtherPlanError(ValueError):
    """The file is a plan of another version, or is not a plan."""


def dump_plan(plan: Plan) -> bytes:
    """The plan as the bytes of a Parquet file."""
    fields = [*PLAN, *ROWS]
    if plan.extra.num_columns:
        fields.append(pa.field(_EXTRA, pa.struct(list(plan.extra.schema))))
    schema = pa.schema(fields, {_KEY: canonical(_about(plan))})
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for start in range(0, max(1, len(plan)), _AT_ONCE):
            writer.write_table(_lines(plan, start, schema))
    return sink.getvalue()


def load_plan(data: bytes) -> Plan:
    """Read back what ``dump_plan`` wrote.

    Raises:
        OtherPlanError: another version of this program wrote it.
        DamagedFileError: the file is damaged.
    """
    table = read_checked_parquet(data)
    about = _read_about(table.schema)
    try:
        return _restored(table, about)
    except (pa.ArrowException, ValueError, TypeError, LookupError, AttributeError) as error:
        raise DamagedFileError(f"its columns do not fit together: {error}") from error


def _restored(table: pa.Table, about: Mapping[str, Any]) -> Plan:
    numbers, firsts, rows = np.unique(table["row"].to_numpy(), return_index=True, return_inverse=True)
    content = table.drop_columns(PLAN.names).take(pa.array(firsts))
    extra = pa.table([], [])
    if _EXTRA in content.column_names:
        extra = pa.Table.from_struct_array(content[_EXTRA].combine_chunks())
    lines = table.select(PLAN.names).replace_schema_metadata().combine_chunks()
    if len(numbers) and numbers[-1] != len(numbers) - 1:
        lines = lines.set_column(PLAN.get_field_index("row"), "row", pa.array(rows))
    models = {
        name: PlannedModel(model["shared"], model["call"], frozenset(model["reads"]))
        for name, model in about["models"].items()
    }
    return Plan(lines.cast(PLAN), content.select(ROWS.names).cast(ROWS), extra, models, about["fan_out"])


def load_hints(data: bytes) -> Hints:
    """What the next plan may reuse from a stored one.

    Raises:
        OtherPlanError: another version of this program wrote it.
        DamagedFileError: the file is damaged.
    """
    media = read_checked_parquet(data, ["media"])
    about = _read_about(pq.ParquetFile(io.BytesIO(data)).schema_arrow)
    try:
        return find_hints(media, int(about["fan_out"]))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise DamagedFileError(str(error)) from error


def _about(plan: Plan) -> dict[str, Any]:
    models = {
        name: {"shared": model.shared, "call": model.call, "reads": sorted(model.reads)}
        for name, model in plan.models.items()
    }
    return {"version": VERSION, "fan_out": plan.fan_out, "models": models}


def _read_about(schema: pa.Schema) -> Mapping[str, Any]:
    about = (schema.metadata or {}).get(_KEY)
    if about is None or not {*PLAN.names, *ROWS.names} <= set(schema.names):
        raise OtherPlanError("an earlier version of t2vbatch wrote it")
    try:
        found: dict[str, Any] = dict(json.loads(about))
    except (ValueError, TypeError) as error:
        raise DamagedFileError(f"its metadata is not a JSON object ({error})") from error
    if found.get("version") != VERSION:
        raise OtherPlanError(f"its identities have version {found.get('version')}, not {VERSION}")
    return found


def _lines(plan: Plan, start: int, schema: pa.Schema) -> pa.Table:
    lines = plan.table.slice(start, _AT_ONCE)
    columns = [*lines.columns, *plan.rows.take(lines["row"]).columns]
    if plan.extra.num_columns:
        columns.append(plan.extra.take(lines["row"]).to_struct_array())
    return pa.table(columns, schema=schema)
