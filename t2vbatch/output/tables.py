"""Records and plan -> the tables that people read.  [pure]

``results`` follows the plan's order and holds the finished samples; ``metadata`` is what
``datasets.load_dataset(folder)`` looks for.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import from_json

from t2vbatch.output.records import RESULTS, results_schema, rows_where
from t2vbatch.plan import Plan
from t2vbatch.storage.names import folded

LARGEST_EXACT = 2**53
"""The largest magnitude up to which a float64 holds every integer, as JavaScript and trackers need."""

_AT_ONCE = 65_536
_PLANNED = ("sample_id", "row_id", "model", "sample_index", "seed")
_METADATA = ["sample_id", "row_id", "model", "sample_index", "seed", "prompt", "negative_prompt"]
_METADATA += ["num_frames", "width", "height", "fps", "duration_s"]


def make_results(plan: Plan, records: pa.Table, metrics: Sequence[str]) -> pa.Table:
    """One row per finished sample of the plan, in the plan's order.

    The plan says which sample a row is, and the record what it became: equal samples share a record, and a
    model that was renamed keeps its videos. A column of the manifest whose name the results use themselves,
    in upper or lower case, becomes ``manifest_NAME``: SQL and Spark ignore case.

    Args:
        records: any records, with the schema RECORDS; those of samples that are not in the plan are left out.
        metrics: score columns of the job; the table has them even if no video was scored.
    """
    found = pc.index_in(plan.table["sample_id"], records["sample_id"])
    planned = rows_where(plan.table.select([*_PLANNED, "row"]), pc.is_valid(found))
    finished = found.drop_null()
    columns = [
        (planned[name] if name in _PLANNED else records[name].take(finished)).cast(RESULTS.field(name).type)
        for name in RESULTS.names
    ]
    scores = _scores(records["scores"].take(finished), metrics)
    extra = plan.extra.take(planned["row"])
    extra = extra.rename_columns(_renamed(extra.column_names, {*RESULTS.names, *scores}))
    schema = results_schema(list(scores), extra.schema)
    return pa.Table.from_arrays([*columns, *scores.values(), *extra.columns], schema=schema)


def _scores(texts: pa.ChunkedArray, metrics: Sequence[str]) -> dict[str, pa.Array]:
    """The values of each score column, from JSON; few records are Python objects at a time."""
    columns = {name: np.full(len(texts), np.nan) for name in metrics}
    for start in range(0, len(texts), _AT_ONCE):
        for row, text in enumerate(texts.slice(start, _AT_ONCE).to_pylist(), start):
            for name, value in from_json(text, cache_strings="keys").items():
                if name not in columns:
                    columns[name] = np.full(len(texts), np.nan)
                if value is not None:
                    columns[name][row] = value
    return {name: pa.array(values, pa.float64(), from_pandas=True) for name, values in columns.items()}


def _renamed(extra: Sequence[str], taken: set[str]) -> list[str]:
    """Names for the manifest's columns beside the results' own; no two are equal when case is ignored."""
    names: list[str] = []
    used = set(map(folded, taken))
    for name in extra:
        while folded(name) in used:
            name = f"manifest_{name}"
        used.add(folded(name))
        names.append(name)
    return names


def make_metadata(results: pa.Table) -> pa.Table:
    """One row per ok video: ``file_name``, what generated it, its scores and the manifest's columns."""
    others = [name for name in results.column_names if name not in RESULTS.names]
    shown = results.select(["video", *_METADATA, *others])
    table = rows_where(shown, pc.equal(results["status"], "ok"))
    # The manifest may have a column "file_name" of its own, as Hugging Face's metadata.csv has.
    names = _renamed(others, {"file_name", *_METADATA})
    return table.rename_columns(["file_name", *_METADATA, *names])
