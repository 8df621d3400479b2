"""``t2vbatch score``, ``compare``, ``vbench`` and ``sheet``: scores, comparisons, totals, contact sheets."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2vbatch.analysis.text_table import Format
from t2vbatch.cli.consent import confirm_code
from t2vbatch.cli.display import Display, print_notes
from t2vbatch.cli.inspect import Output
from t2vbatch.cli.run import Json, terminal_width
from t2vbatch.cli.words import fitted, printable
from t2vbatch.errors import UsageError, counted

if TYPE_CHECKING:
    from t2vbatch.analysis.planning import Goal
    from t2vbatch.analysis.votes import VoteSummary
    from t2vbatch.commands.compare import Compared
    from t2vbatch.commands.score import ScoreResult

Outputs = Annotated[
    list[str], typer.Argument(metavar="OUTPUT", help="Output folders of runs.", show_default=False)
]


By = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Compare once for each value of this manifest column.")
]
MissingPolicy = Annotated[
    str,
    typer.Option(
        metavar="POLICY",
        help="How missing scores count: bounds (a winner must win whatever they are), worst, drop or"
        " impute:VALUE.",
    ),
]
Votes = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE", help="Votes from the report's blind vote or from judge; repeat for several voters."
    ),
]
PlanGoal = Annotated[
    str | None,
    typer.Option(
        metavar="GOAL", help="Also show how many prompts reach a goal: width=W of the interval, or detect=D."
    ),
]


def score(
    output: Output,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Metrics, separated by commas; default: those of the run's job."),
    ] = None,
    clip: Annotated[
        str | None, typer.Option(metavar="PATH", help="The CLIP model; default: the job's.")
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Compute existing scores again too.")] = False,
    job: Annotated[
        str | None, typer.Option(metavar="JOB", help="Take the metrics from this job file.")
    ] = None,
    allow_code: Annotated[
        bool,
        typer.Option(
            "--allow-code", "--allow-commands", help="Run the programs that the output's own job names."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Add scores to a finished run.

    They are computed from the video files; no video is generated. The exit code is 3 if a video could not be
    scored. The job of another person's output may name a program as a metric, or a cluster: both are used
    only after you confirm it, or with --allow-code.

    \b
    Example:
      t2vbatch score runs/quickstart --metrics flicker,motion
    """
    from t2vbatch.commands.score import score_output
    from t2vbatch.engines import engine_for
    from t2vbatch.job import Clip, load_job
    from t2vbatch.job.code_uses import metric_code, surroundings
    from t2vbatch.output.store import open_store

    if metrics is not None and job is not None:
        raise UsageError("--metrics", "--job too", "one of them", "write the metrics into the job")
    names = None if metrics is None else [name.strip() for name in metrics.split(",")]
    asked: dict[str, dict[str, object]] | None = None if names is None else {name: {} for name in names}
    if job is not None:
        asked = load_job(job).metrics
    found = open_store(output).read_job()
    uses = [*surroundings(found), *(metric_code(found) if asked is None else ())]
    confirm_code(output, uses, allow_code, "; --job JOB takes the metrics from your own job")
    scorer = None if clip is None else Clip(path=clip, revision=None)
    with Display(quiet=as_json) as display:
        display.wait("reading the output")
        with _blaming_option(names or (), clip):
            result = score_output(output, asked, engine_for, scorer, renew, display.show)
    _print_scored(result, as_json)
    raise typer.Exit(_score_code(result))


def _print_scored(result: "ScoreResult", as_json: bool) -> None:
    from t2vbatch.analysis.summary_text import render_text

    if as_json:
        counts = {"scored": result.scored, "unscored": result.unscored, "ending": result.ending}
        typer.echo(json.dumps({**counts, "summary": result.summary.to_json()}, ensure_ascii=False))
        return
    width = terminal_width()
    typer.echo(fitted(render_text(result.summary, width, timing=False), width))
    typer.echo(f"{counted(result.scored, 'video')} scored")
    if result.unscored:
        lost = counted(result.unscored, "video")
        typer.echo(f"{lost} could not be scored; the column score_errors of results.parquet says why")


def _score_code(result: "ScoreResult") -> int:
    if result.ending != "finished":
        return 130
    return 3 if result.unscored else 0


@contextmanager
def _blaming_option(names: Sequence[str], clip: str | None) -> Iterator[None]:
    """Name --metrics or --clip, and no line of the output's job.yaml, in an error of what the user typed."""
    try:
        yield
    except UsageError as error:
        if clip is not None and error.where.endswith("clip.path"):
            raise UsageError(f"--clip {clip}", error.found, error.expected, error.fix) from None
        name = next((name for name in names if error.where.endswith(f"metrics.{name}")), None)
        if name is None:
            raise
        raise UsageError(f"--metrics {name}", error.found, error.expected, error.fix) from None


def compare(
    outputs: Outputs,
    by: By = None,
    missing: MissingPolicy = "bounds",
    votes: Votes = None,
    plan: PlanGoal = None,
    sequential: Annotated[
        bool,
        typer.Option(
            "--sequential", help="Use a test that stays valid if you compare again as the run grows."
        ),
    ] = False,
    correlations: Annotated[
        bool, typer.Option("--correlations", help="Also show how the scores of each model correlate.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="Format of the table.")] = "text",
    as_json: Json = False,
) -> None:
    """Compare models on the prompts and seeds that they share.

    Compares the models of one run, or of several runs. Failed and degenerate videos have missing scores. With
    --votes, it also shows win rates and strengths of the models by the votes of people or of a judge, and how
    often each score agrees with them. Without --sequential, decide the number of prompts beforehand and
    compare once; with it, compare at any time.

    \b
    Examples:
      t2vbatch compare runs/compare
      t2vbatch compare runs/a runs/b --by category --format latex
      t2vbatch compare runs/compare --votes votes.jsonl
      t2vbatch compare runs/compare --plan width=1
      t2vbatch compare runs/compare --sequential --correlations
    """
    from t2vbatch.analysis.compare import Missing
    from t2vbatch.analysis.planning import Goal
    from t2vbatch.commands.compare import compare_outputs, read_votes

    goal = None if plan is None else Goal.parse(plan)
    compared = compare_outputs(outputs, by, Missing.parse(missing), sequential)
    voted = read_votes(votes, outputs) if votes else None
    print_notes(compared.notes)
    if as_json:
        found = {label: part.to_json(goal) for label, part in compared.groups.items()}
        shown: dict[str, Any] = (found if by else found[""]) | ({"votes": voted.to_json()} if voted else {})
        if correlations:
            shown["correlations"] = [asdict(one) for one in compared.correlations]
        typer.echo(json.dumps(shown, ensure_ascii=False))
    else:
        _print_compared(compared, by, goal, correlations, voted, form)


def _print_compared(
    compared: "Compared",
    by: str | None,
    goal: "Goal | None",
    correlations: bool,
    voted: "VoteSummary | None",
    form: Format,
) -> None:
    """Print the tables: each group, its plan, the correlations, the votes."""
    from t2vbatch.analysis.compare_text import render_comparison, render_plan
    from t2vbatch.analysis.correlation import correlation_table
    from t2vbatch.analysis.votes_text import render_votes

    # A file has no width to fit.
    width = get_terminal_size(fallback=(200, 24)).columns

    def show(text: str, before: str = "") -> None:
        typer.echo(before + (fitted(text, width) if form == "text" else text))

    for label, part in compared.groups.items():
        if by:
            typer.echo(f"{'% ' if form == 'latex' else ''}{by}: {printable(label)}")
        show(render_comparison(part, form, width))
        if goal is not None:
            show(render_plan(part, goal, form, width), "\n")
    if correlations:
        show(correlation_table(compared.correlations, form, width), "\n")
    if voted:
        typer.echo(f"\n{render_votes(voted, form, width)}")


def vbench(
    output: Output,
    published: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Published rows to show beside: JSON, {name: {total: 0.8026}}."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show VBench's scores of a run, with intervals.

    Shows dimensions, groups and total, with intervals by prompt. Uses the scores that import-scores imported,
    and the constants of VBench, VBench-I2V and VBench-2.0.

    \b
    Example:
      t2vbatch vbench runs/vbench --published leaderboard.json
    """
    from t2vbatch.analysis.vbench_totals import totals_notes, totals_table
    from t2vbatch.commands.vbench import vbench_scores

    found = vbench_scores(output, published)
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False))
        return
    for name, models in found.benchmarks.items():
        typer.echo(f"{name}, percent [95% interval]")
        typer.echo(totals_table(models, found.published).render("text", terminal_width()))
        for note in totals_notes(models):
            typer.echo(note)
    for model, count in found.left_out.items():
        typer.echo(f"{model}: left out {counted(count, 'sample')} whose video failed or is degenerate")


def sheet(
    output: Output,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only the videos of this model.")] = None,
    rows: Annotated[int, typer.Option(min=1, metavar="N", help="Videos per page.")] = 8,
    frames: Annotated[int, typer.Option(min=1, metavar="N", help="Frames per video.")] = 8,
) -> None:
    """Write contact sheets as PNG: one row of frames per video.

    \b
    Example:
      t2vbatch sheet runs/quickstart --frames 6
    """
    from t2vbatch.commands.compare import read_results
    from t2vbatch.output.store import open_store
    from t2vbatch.report.sheet import write_sheets

    (results,) = read_results([output]).values()
    known = dict.fromkeys(results["model"].to_pylist())
    if model is not None and model not in known:
        raise UsageError(f"--model {model}", f"no such model in {output}", f"one of {', '.join(known)}")
    store = open_store(output)
    for name in write_sheets(store.folder, results, model, rows, frames):
        typer.echo(f"{store.uri}/{name}")
