"""Export of an output in another tool's layout: its videos, or its scores."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from t2vbatch.commands.pins import pin
from t2vbatch.errors import UsageError, nearest
from t2vbatch.exchange import EVALUATIONS, LAYOUTS, EvaluatedRun, export, export_evaluations
from t2vbatch.metrics.registry import known_columns
from t2vbatch.output.store import Store, no_run_here, open_store


@dataclass(frozen=True)
class Exported:
    """What was exported: ``count`` of ``total`` ``things`` (videos or samples)."""

    count: int
    total: int
    things: str


def export_output(
    output: str, target: Path, layout: str, model: str | None = None, partial: bool = False
) -> Exported:
    """Write an output in a layout of LAYOUTS (videos) or EVALUATIONS (scores) into a new folder.

    Args:
        model: the model whose videos to export; the layouts of scores take all models.

    Raises:
        UsageError: the output has no run, the layout is unknown, or a check of the layout fails.
    """
    store = open_store(output)
    try:
        plan, results = store.read_table("plan.parquet"), store.read_table("results.parquet")
    except FileNotFoundError:
        raise no_run_here(store, "results.parquet") from None
    if layout not in {*LAYOUTS, *EVALUATIONS}:
        known = nearest(layout, [*LAYOUTS, *EVALUATIONS])
        raise UsageError(f"--layout {layout}", "an unknown layout", known)
    if layout in EVALUATIONS:
        if model is not None:
            plan, results = (table.filter(pc.equal(table["model"], model)) for table in (plan, results))
            if not plan.num_rows:
                raise UsageError(f"--model {model}", f"no such model in {output}", "a model of the run's job")
        count = export_evaluations(_evaluated(store), plan, results, layout, target, partial)
        return Exported(count, plan.num_rows, "samples")
    count = export(store.folder, plan, results, layout, target, model, partial)
    total = pc.sum(pc.is_valid(results["video"])).as_py() or 0
    return Exported(count, total, "videos")


def _evaluated(store: Store) -> EvaluatedRun:
    """What the layouts of scores say about the run."""
    job = store.read_known_job()
    settings = {}
    for name, model in job.models.items():
        pinned = pin(model, job.pins)
        kept = {"path": model.path, "revision": pinned.revision, "dtype": model.dtype}
        settings[name] = kept | {"call": dict(model.call)}
    better = {name: column.better for name, column in known_columns([job]).items()}
    return EvaluatedRun(store.name, str(job.manifest), settings, better, store.uri)
