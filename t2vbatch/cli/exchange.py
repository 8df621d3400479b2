"""``t2vbatch manifest import``, ``export`` and ``import-scores``: to and from other tools."""

from pathlib import Path
from typing import Annotated

import typer

from t2vbatch.cli.look import Output
from t2vbatch.errors import UsageError

Model = Annotated[str | None, typer.Option(help="Whose videos; needed where the run has several models.")]


def import_manifest(
    form: Annotated[
        str, typer.Argument(metavar="FORMAT", help="vbench, json, lines, captions or webdataset.")
    ],
    source: Annotated[Path, typer.Argument(help="The list: a file or a folder.")],
    target: Annotated[Path, typer.Argument(help="The manifest to write, .jsonl.")],
    images: Annotated[Path | None, typer.Option(help="Folder of the images that the list names.")] = None,
) -> None:
    """Turn another tool's list of prompts into a manifest.

    CSV, JSON Lines and Parquet lists need none of this: a job reads them as they are.

    Example: `t2vbatch manifest import vbench VBench_full_info.json manifests/vbench.jsonl`
    """
    from t2vbatch.interchange import import_manifest as imported

    typer.echo(f"{target}: {imported(source, form, target, images)} rows")


def export(
    output: Output,
    target: Annotated[Path, typer.Argument(help="A new folder.")],
    layout: Annotated[str, typer.Option(help="vbench, evalcrafter, hf or webdataset.")],
    model: Model = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Also where videos are missing, or are there twice.")
    ] = False,
) -> None:
    """Copy the videos of a run into the layout of another tool, checked to be complete.

    Example: `t2vbatch export runs/vbench vbench_videos --layout vbench`
    """
    from t2vbatch.interchange import export as exported
    from t2vbatch.store import open_store

    store = open_store(output)
    try:
        plan, results = store.read_table("plan.parquet"), store.read_table("results.parquet")
    except FileNotFoundError:
        raise UsageError(output, "no plan and no results", "the output folder of a run") from None
    count = exported(store.folder, plan, results, layout, target, model, partial)
    typer.echo(f"{target}: {count} videos in the layout {layout}")


def import_scores(
    output: Output,
    source: Annotated[Path, typer.Argument(help="VBench's eval_results JSON.")],
    model: Model = None,
) -> None:
    """Take over the scores that another tool gave these videos, as columns of the results.

    Example: `t2vbatch import-scores runs/vbench evaluation_results/vbench_eval_results.json`
    """
    from t2vbatch.interchange import import_scores as imported
    from t2vbatch.job import parse_job
    from t2vbatch.prepare import prepare
    from t2vbatch.run import publish
    from t2vbatch.store import open_store

    store = open_store(output)
    try:
        job = parse_job(store.folder.read("job.yaml").decode(), f"{store.uri}/job.yaml")
    except FileNotFoundError:
        raise UsageError(output, "no job.yaml", "the output folder of a run") from None
    with store.lease() as store:
        records, taken = imported(store.compact(), source, model)
        store.rewrite(records)
        publish(store, prepare(job).plan, job)
    typer.echo(f"{output}: {taken} scores taken over")
