"""Records and plan -> the tables that people read.  [pure]

``results`` follows the plan's order and holds the finished samples; ``metadata`` is what
``datasets.load_dataset(folder)`` looks for.
"""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.json import ParseOptions, ReadOptions, read_json

from t2vbatch.output.records import RESULTS, results_schema, rows_where
from t2vbatch.plan import Plan
from t2vbatch.storage.names import folded

LARGEST_EXACT = 2**53
"""The largest magnitude up to which a float64 holds every integer, as JavaScript and trackers need."""

_BLOCK_BYTES = 2**24
"""Text that Arrow parses at a time. The scores of one record are much shorter."""

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


def _scores(texts: pa.ChunkedArray, metrics: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """The values of each score column, from one JSON object for each record."""
    if not len(texts):
        return {name: pa.chunked_array([], pa.float64()) for name in metrics}
    lines = io.BytesIO("\n".join(texts.to_pylist()).encode())
    expected = pa.schema([(name, pa.float64()) for name in metrics])
    # Without threads: they would add the other columns in an order that changes from run to run.
    options = ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)
    table = read_json(lines, options, ParseOptions(explicit_schema=expected))
    return {name: table[name].cast(pa.float64(), safe=False) for name in table.column_names}


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
