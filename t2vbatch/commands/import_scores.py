"""Imports the scores that VBench gave the videos of an output."""

from pathlib import Path

from t2vbatch.commands.rebuild import rebuild
from t2vbatch.exchange import import_scores
from t2vbatch.exchange.scores import Imported
from t2vbatch.output.store import open_store
from t2vbatch.plan import Plan


def import_output_scores(output: str, source: Path, model: str | None = None) -> Imported:
    """Add the scores in a file to the records, the tables and the report of an output.

    Args:
        source: VBench's result JSON.
        model: the model whose videos were scored; None if the run has only one model.

    Raises:
        UsageError: the folder has no run, or the file is not VBench's result for these videos.
    """
    store = open_store(output)
    job = store.read_known_job()
    with store.lease() as store:
        plan = store.read_plan()
        found = import_scores(store.compact(), plan.table, source, model, _benchmark_prompts(plan))
        store.rewrite(found.records)
        rebuild(store, plan, job)
    return found


def _benchmark_prompts(plan: Plan) -> dict[str, str]:
    """row_id: the manifest's column ``prompt_en``, which has the benchmark's prompt of a rewritten one."""
    if "prompt_en" not in plan.extra.column_names:
        return {}
    own = plan.extra["prompt_en"].to_pylist()
    rows = zip(plan.table["row_id"].to_pylist(), plan.table["row"].to_pylist(), strict=True)
    return {row_id: str(own[row]) for row_id, row in rows if own[row] is not None}
