"""``t2vbatch manifest import``, ``export``, ``import-scores`` and ``track``: to and from other tools."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t2vbatch.cli.inspect import Output
from t2vbatch.errors import UsageError

if TYPE_CHECKING:
    from t2vbatch.job import Tracker
    from t2vbatch.output.store import Store

Model = Annotated[
    str | None, typer.Option(metavar="NAME", help="Whose videos; needed where the run has several models.")
]


def import_manifest(
    form: Annotated[
        str, typer.Argument(metavar="FORMAT", help="vbench, json, lines, captions or webdataset.")
    ],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The list: a file or a folder.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The manifest to write, .jsonl.")],
    images: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the images are that the list names.")
    ] = None,
) -> None:
    """Turn another tool's list of prompts into a manifest.

    CSV, JSON Lines and Parquet lists need none of this: a job reads them as they are.

    \b
    Example:
      t2vbatch manifest import vbench VBench_full_info.json manifests/vbench.jsonl
    """
    from t2vbatch.exchange import import_manifest as imported

    typer.echo(f"{target}: {imported(source, form, target, images)} rows")


def export(
    output: Output,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The folder to write; it must be new.")],
    layout: Annotated[str, typer.Option(metavar="NAME", help="vbench, evalcrafter, hf or webdataset.")],
    model: Model = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Copy also where videos are missing, or are there twice.")
    ] = False,
) -> None:
    """Copy a run's videos into another tool's layout.

    Layouts: vbench, evalcrafter, hf (a Hugging Face data set), webdataset. What the tool would count on is
    checked first; --partial copies what there is.

    \b
    Example:
      t2vbatch export runs/vbench vbench_videos --layout vbench
    """
    from t2vbatch.exchange import export as exported
    from t2vbatch.output.store import open_store

    store = open_store(output)
    try:
        plan, results = store.read_table("plan.parquet"), store.read_table("results.parquet")
    except FileNotFoundError:
        raise UsageError(output, "no plan and no results", "the output folder of a run") from None
    count = exported(store.folder, plan, results, layout, target, model, partial)
    typer.echo(f"{target}: {count} videos in the layout {layout}")


def import_scores(
    output: Output,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="VBench's eval_results JSON.")],
    model: Model = None,
) -> None:
    """Take over the scores that VBench gave these videos.

    They become columns of the results, beside the run's own.

    \b
    Example:
      t2vbatch import-scores runs/vbench evaluation_results/vbench_eval_results.json
    """
    from t2vbatch.commands.prepare import prepare
    from t2vbatch.commands.rebuild import rebuild
    from t2vbatch.exchange import import_scores as imported
    from t2vbatch.output.store import open_store

    store = open_store(output)
    job = store.read_job()
    with store.lease() as store:
        records, taken = imported(store.compact(), source, model)
        store.rewrite(records)
        rebuild(store, prepare(job).plan, job)
    typer.echo(f"{output}: {taken} scores taken over")


def track(
    output: Output,
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACKER", help="wandb or mlflow; default: those of the run's job. Repeatable."),
    ] = None,
    project: Annotated[str | None, typer.Option(help="W&B's project, MLflow's experiment.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the run there; default: the output's name.")] = None,
    videos: Annotated[int | None, typer.Option(min=0, help="Videos of each model to show there.")] = None,
) -> None:
    """Show a finished run in W&B or MLflow.

    Scores of all samples, the summary, some videos.

    \b
    Examples:
      t2vbatch track runs/quickstart --to wandb
      WANDB_MODE=offline t2vbatch track runs/quickstart
    """
    from t2vbatch.exchange.trackers import track as tracked
    from t2vbatch.output.store import open_store

    store = open_store(output)
    changes = {"project": project, "name": name, "videos": videos}
    given = {key: value for key, value in changes.items() if value is not None}
    for tracker, settings in _trackers(store, to).items():
        typer.echo(f"{tracker}: {tracked(store, tracker, settings.model_copy(update=given))}")


def _trackers(store: "Store", names: list[str] | None) -> "dict[str, Tracker]":
    """Those that are asked for, as the run's job has them; all of the job's where none is."""
    from t2vbatch.job import Tracker

    known = {str(name): tracker for name, tracker in store.read_job().trackers.items()}
    if not names and not known:
        raise UsageError("--to", "nothing, and the run's job names no tracker", "wandb or mlflow")
    return {name: known.get(name, Tracker()) for name in names} if names else known
