"""``t2vbatch score``, ``compare`` and ``sheet``: what videos are worth, which model is better, and a look."""

import json
from pathlib import PurePosixPath
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from t2vbatch.analysis.text_table import Format
from t2vbatch.cli.display import Display, print_notes
from t2vbatch.cli.inspect import Output
from t2vbatch.cli.run import Json
from t2vbatch.errors import UsageError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

Outputs = Annotated[
    list[str], typer.Argument(metavar="OUTPUT", help="Output folders of runs.", show_default=False)
]


def score(
    output: Output,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Metrics, with commas; default: those of the run's job."),
    ] = None,
    clip: Annotated[
        str | None, typer.Option(metavar="PATH", help="The CLIP to score with; default: the job's.")
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Score again what has its scores already.")] = False,
    as_json: Json = False,
) -> None:
    """Add scores to a finished run.

    They are computed from its files: nothing is generated.

    \b
    Example:
      t2vbatch score runs/quickstart --metrics flicker,motion
    """
    from t2vbatch.analysis.summary_text import render_text
    from t2vbatch.commands.score import score_output
    from t2vbatch.engines import engine_for
    from t2vbatch.job import Clip

    names = None if metrics is None else [name.strip() for name in metrics.split(",")]
    asked: dict[str, dict[str, object]] | None = None if names is None else {name: {} for name in names}
    scorer = None if clip is None else Clip(path=clip, revision=None)
    with Display(quiet=as_json) as display:
        display.wait("looking at the output")
        result = score_output(output, asked, engine_for, scorer, renew, display.show)
    if as_json:
        found = {"scored": result.made, "ending": result.ending, "summary": result.summary.to_json()}
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        typer.echo(render_text(result.summary))
        typer.echo(f"{result.made} videos scored")
    raise typer.Exit(0 if result.ending == "finished" else 130)


def compare(
    outputs: Outputs,
    by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Compare once for each value of this manifest column."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How the table is written.")] = "text",
    as_json: Json = False,
) -> None:
    """Compare models on the prompts and seeds that they share.

    Of one run, or of several.

    \b
    Examples:
      t2vbatch compare runs/compare
      t2vbatch compare runs/a runs/b --by category --format latex
    """
    from t2vbatch.analysis.compare import compare as compared
    from t2vbatch.analysis.compare import models_by_name
    from t2vbatch.analysis.compare_text import render_comparison
    from t2vbatch.metrics.registry import known_columns

    better = {name: column.better for name, column in known_columns().items()}
    models = models_by_name(_results(outputs))
    if len(models) < 2:
        raise UsageError(
            " ".join(outputs), f"one model, {', '.join(models)}", "two models or more", "name another output"
        )
    parts = {label: compared(part, better) for label, part in _parts(models, by).items()}
    if as_json:
        found = {label: part.to_json() for label, part in parts.items()}
        typer.echo(json.dumps(found if by else found[""], ensure_ascii=False))
        return
    for label, part in parts.items():
        if by:
            typer.echo(f"{'% ' if form == 'latex' else ''}{by}: {label}")
        # In a file nothing needs to be folded.
        typer.echo(render_comparison(part, form, get_terminal_size(fallback=(200, 24)).columns))


def sheet(
    output: Output,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only this model's videos.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Videos a page.")] = 8,
    frames: Annotated[int, typer.Option(min=1, help="Frames a video.")] = 8,
) -> None:
    """Write contact sheets as PNG: each video a row of frames.

    \b
    Example:
      t2vbatch sheet runs/quickstart --frames 6
    """
    from t2vbatch.output.store import open_store
    from t2vbatch.report.sheet import write_sheets

    (results,) = _results([output]).values()
    if model is not None and model not in results["model"].to_pylist():
        raise UsageError(f"--model {model}", f"no such model in {output}", "a model of the run's job")
    store = open_store(output)
    for name in write_sheets(store.folder, results, model, rows, frames):
        typer.echo(f"{store.uri}/{name}")


def _results(outputs: list[str]) -> dict[str, "pa.Table"]:
    """Results by the name of their output; the whole path where two folders have one name."""
    from t2vbatch.output.store import open_store

    names = [PurePosixPath(output.rstrip("/")).name for output in outputs]
    tables = {}
    for output, name in zip(outputs, names, strict=True):
        label = name if names.count(name) == 1 else output
        try:
            tables[label] = open_store(output).read_table("results.parquet")
        except FileNotFoundError:
            raise UsageError(output, "no results.parquet", "the output folder of a run") from None
    return tables


def _parts(models: dict[str, "pa.Table"], by: str | None) -> dict[str, dict[str, "pa.Table"]]:
    """The results of the models that have it, for each value of the column; of all under "" without one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if by is None:
        return {"": models}
    parts: dict[str, dict[str, pa.Table]] = {}
    for name, table in models.items():
        labels = table[_column(table, name, by)].cast(pa.string()).fill_null("(none)")
        for value in labels.unique().to_pylist():
            parts.setdefault(value, {})[name] = table.filter(pc.equal(labels, value))
    alone = sorted(value for value, part in parts.items() if len(part) < 2)
    if alone:
        print_notes([f"only one model has rows where {by} is {', '.join(alone)}: nothing to compare there"])
    return {value: parts[value] for value in sorted(parts) if value not in alone}


def _column(table: "pa.Table", name: str, by: str) -> str:
    """The manifest's column of that name, which the results may hold under another: see make_results."""
    from t2vbatch.output.records import extra_columns

    columns = extra_columns(table.schema)
    found = next((column for column in columns if column in (by, f"manifest_{by}")), None)
    if found is None:
        expected = nearest(by, columns) or "a manifest with columns of its own beside the prompt"
        raise UsageError(f"--by {by}", f"no such column in the manifest of {name}", expected)
    return found
