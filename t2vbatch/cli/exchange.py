"""``t2vbatch manifest import``, ``export``, ``import-scores`` and ``track``: exchange with other tools."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t2vbatch.cli.inspect import Output
from t2vbatch.errors import UsageError, counted

if TYPE_CHECKING:
    from t2vbatch.job import Tracker
    from t2vbatch.output.store import Store

Model = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The model whose videos to use; required if the run has several."),
]


_LISTED = 20


def import_manifest(
    form: Annotated[
        str, typer.Argument(metavar="FORMAT", help="vbench, json, lines, captions or webdataset.")
    ],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The prompt list: a file or a folder.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The manifest to write, .jsonl.")],
    images: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The folder of the images that the list names.")
    ] = None,
    rewritten: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="For vbench: the rewritten prompts to generate, one per entry and line."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace an existing target, and files with equal names in its folder."),
    ] = False,
) -> None:
    """Convert another tool's prompt list into a manifest.

    CSV, JSON, Parquet and Arrow files need no conversion: a job reads them.

    \b
    Example:
      t2vbatch manifest import vbench VBench_full_info.json manifests/vbench.jsonl
    """
    from t2vbatch.exchange import import_manifest as imported

    left_out: list[str] = []
    rows = imported(source, form, target, images, force, left_out.append, rewritten)
    for sentence in left_out[:_LISTED]:
        typer.echo(f"left out: {sentence}", err=True)
    if len(left_out) > _LISTED:
        typer.echo(f"left out: {len(left_out) - _LISTED:,} more", err=True)
    typer.echo(f"{target}: {counted(rows, 'row')}")


def export(
    output: Output,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new or empty folder.")],
    layout: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="vbench, vbench2, vbench-i2v, vbench-long, evalcrafter, hf, webdataset, lm-eval or inspect.",
        ),
    ],
    model: Model = None,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="Copy the videos that exist, even if some are missing or equal to each other."
        ),
    ] = False,
) -> None:
    """Write videos or scores in another tool's layout.

    Videos: vbench, vbench2 (VBench-2.0), vbench-i2v, vbench-long, evalcrafter, hf (a Hugging Face dataset),
    webdataset. The export first checks that the tool's expected videos exist; --partial copies those that do.
    Scores: lm-eval (results and samples of lm-evaluation-harness), inspect (a log of Inspect). These name the
    videos and copy none.

    \b
    Examples:
      t2vbatch export runs/vbench vbench_videos --layout vbench
      t2vbatch export runs/compare logs --layout inspect
    """
    from t2vbatch.commands.export import export_output

    found = export_output(output, target, layout, model, partial)
    of_all = f" of {found.total:,}" if found.count < found.total else ""
    typer.echo(f"{target}: {found.count:,}{of_all} {found.things} in the layout {layout}")
    if layout == "evalcrafter" and found.count < found.total:
        typer.echo("evalcrafter takes one video per prompt: the first sample of each row")


def import_scores(
    output: Output,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="VBench's eval_results JSON.")],
    model: Model = None,
) -> None:
    """Import the scores that VBench gave these videos.

    They become columns of the results, beside the run's own scores.

    \b
    Example:
      t2vbatch import-scores runs/vbench results/vbench_eval_results.json
    """
    from t2vbatch.commands.import_scores import import_output_scores

    found = import_output_scores(output, source, model)
    replaced = f", of which {found.replaced:,} replaced another value" if found.replaced else ""
    typer.echo(f"{output}: {counted(found.taken, 'score')} imported{replaced}")


def track(
    output: Output,
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACKER", help="wandb or mlflow; default: those of the run's job. Repeatable."),
    ] = None,
    project: Annotated[
        str | None, typer.Option(metavar="NAME", help="W&B project or MLflow experiment.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the run there; default: the output's name.")
    ] = None,
    videos: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Number of videos per model to send.")
    ] = None,
) -> None:
    """Send a finished run to W&B or MLflow.

    Sends the scores of all samples, the summary and some videos.

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
    """The named trackers with the settings of the run's job; without names, all trackers of the job."""
    from t2vbatch.job import Tracker

    known = {str(name): tracker for name, tracker in store.read_known_job().trackers.items()}
    if not names and not known:
        raise UsageError("--to", "no tracker, neither in the command nor in the run's job", "wandb or mlflow")
    return {name: known.get(name, Tracker()) for name in names} if names else known
