"""Records and plan -> the tables that people read.  [pure]

``results`` follows the plan's order and holds the finished samples; ``metadata`` is what
``datasets.load_dataset(folder)`` looks for.
"""

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.output.records import RESULTS, results_schema
from t2vbatch.plan import Plan
from t2vbatch.storage.names import folded

LARGEST_EXACT = 2**53
"""The largest magnitude up to which a float64 holds every integer, as JavaScript and trackers need."""

_PLANNED = {"sample_id", "row_id", "model", "sample_index", "seed"}
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
    planned = plan.table.filter(pc.is_valid(found))
    finished = records.take(found.drop_null())
    scores = [json.loads(text) for text in finished["scores"].to_pylist()]
    names = list(dict.fromkeys([*metrics, *(name for row in scores for name in row)]))
    sources = {name: planned if name in _PLANNED else finished for name in RESULTS.names}
    columns = [sources[name][name].cast(RESULTS.field(name).type) for name in RESULTS.names]
    columns += [pa.array([row.get(name) for row in scores], pa.float64()) for name in names]
    extra = plan.extra.take(planned["row"])
    extra = extra.rename_columns(_renamed(extra.column_names, {*RESULTS.names, *names}))
    return pa.Table.from_arrays([*columns, *extra.columns], schema=results_schema(names, extra.schema))


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
    ok = results.filter(pc.equal(results["status"], "ok"))
    others = [name for name in results.column_names if name not in RESULTS.names]
    table = ok.select(["video", *_METADATA, *others])
    # The manifest may have a column "file_name" of its own, as Hugging Face's metadata.csv has.
    names = _renamed(others, {"file_name", *_METADATA})
    return table.rename_columns(["file_name", *_METADATA, *names])
