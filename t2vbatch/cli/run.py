"""``t2vbatch run`` and ``t2vbatch plan``."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import typer

from t2vbatch.cli.display import Display, print_notes
from t2vbatch.cli.words import beside, fitted, report_place
from t2vbatch.errors import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from t2vbatch.analysis.estimate import Estimate
    from t2vbatch.commands.prepare import Prepared
    from t2vbatch.commands.repeats import Repeats
    from t2vbatch.commands.run import Result
    from t2vbatch.engines import Engine
    from t2vbatch.job import Job
    from t2vbatch.plan.units import Selection, Units

JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The job file.", show_default=False)]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the job. Repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]
LogFile = Annotated[
    Path | None,
    typer.Option("--log-file", metavar="FILE", help="Also append progress and warnings to this file."),
]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Generate at most N of the pending samples.")
]
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="ROW_ID", help="Generate only this row. Repeatable.")
]

UpdateModels = Annotated[
    bool,
    typer.Option("--update-models", help="Use the newest commit of each Hub revision, not the pinned one."),
]

_UNLIMITED = 100_000
_SHOWN_SAMPLES = 5


def run(
    job: JobFile,
    sets: Sets = None,
    as_json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and plan; generate nothing.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Retry the samples that an earlier run gave up on.")
    ] = False,
    limit: Limit = None,
    only: Only = None,
    remake: Annotated[
        bool,
        typer.Option(
            "--remake", help="Generate finished samples again if a model, a library or a file changed."
        ),
    ] = False,
    update_models: UpdateModels = False,
    log_file: LogFile = None,
) -> None:
    """Bring the output of a job up to date.

    Generates the missing videos and keeps the others. You may end it at any time: the same command continues.
    Videos that an edit replaces are kept too, until t2vbatch prune deletes them.

    Exit codes: 0 all samples are ok (with --limit or --only: no sample failed); 1 the run failed; 2 the job
    or manifest is wrong, and nothing was started; 3 finished, or the budget is spent, and some samples are
    not ok; 130 interrupted.

    \b
    Examples:
      t2vbatch run jobs/quickstart.yaml
      t2vbatch run jobs/quickstart.yaml --set samples=1 --set workers.count=2
      t2vbatch run jobs/quickstart.yaml --limit 4
    """
    if dry_run:
        plan(job, sets, limit, only, as_json, update_models)
        return
    with Display(quiet=as_json, log_file=log_file) as display:
        with display.checking():
            prepared = _prepared(job, sets, update_models)
            selection = _selection(prepared, limit, only)
            from t2vbatch.commands.run import run_job
        print_notes(prepared.plan.notes)
        display.begin(job.stem, prepared)
        answer = (lambda repeats: True) if remake else _ask
        result = run_job(prepared, _engine_for, display.show, retry_failed, selection, answer)
    if as_json:
        typer.echo(json.dumps(_as_json(result), ensure_ascii=False))
    else:
        _print_result(result)
    raise typer.Exit(exit_code(result))


def plan(
    job: JobFile,
    sets: Sets = None,
    limit: Limit = None,
    only: Only = None,
    as_json: Json = False,
    update_models: UpdateModels = False,
    estimated: Annotated[
        bool,
        typer.Option("--estimate", help="Estimate hours, cost and disk from the samples finished so far."),
    ] = False,
) -> None:
    """Check a job and show what a run would generate.

    Loads no model and writes nothing. --estimate needs some finished samples: t2vbatch run JOB --limit 4

    \b
    Examples:
      t2vbatch plan jobs/quickstart.yaml
      t2vbatch plan jobs/quickstart.yaml --estimate
    """
    with Display(quiet=as_json) as display, display.checking():
        from t2vbatch.analysis.estimate import READ, estimate_text
        from t2vbatch.job.secrets import redacted
        from t2vbatch.output.store import open_store
        from t2vbatch.plan.units import pending

        prepared = _prepared(job, sets, update_models)
        records = open_store(prepared.job.output).records([*READ] if estimated else ["sample_id"])
        units = pending(prepared.plan, records, prepared.job, _selection(prepared, limit, only))
    models = {
        name: {"planned": planned, "pending": len(units[name].positions) if name in units else 0}
        for name, planned in prepared.plan.counts().items()
    }
    if as_json:
        notes = [redacted(note) for note in prepared.plan.notes]
        found: dict[str, object] = {"output": prepared.job.output, "models": models, "notes": notes}
        if estimated:
            found["estimates"] = [asdict(one) for one in _estimates(prepared, records, units)]
        typer.echo(json.dumps(found))
        return
    print_notes(prepared.plan.notes)
    positions = sorted(position for of_model in units.values() for position in of_model.positions.tolist())
    for name, counts in models.items():
        typer.echo(f"{name}: {counted(counts['planned'], 'sample')}, {counts['pending']:,} to generate")
    for position in positions[:_SHOWN_SAMPLES]:
        sample = prepared.plan.planned(position)
        facts = [f"seed {sample.seed}", sample.video, sample.prompt or ""]
        typer.echo(beside(f"  {sample.sample_id[:12]}  ", facts, line_width()))
    if len(positions) > _SHOWN_SAMPLES:
        typer.echo(f"  and {len(positions) - _SHOWN_SAMPLES:,} more")
    if estimated:
        for one in _estimates(prepared, records, units):
            typer.echo(estimate_text(one))
    typer.echo(f"output: {prepared.job.output}")


def _estimates(prepared: "Prepared", records: "pa.Table", units: "Mapping[str, Units]") -> "list[Estimate]":
    from t2vbatch.analysis.estimate import estimate

    job = prepared.job
    pending = {name: units[name].positions.tolist() if name in units else [] for name in job.models}
    price = job.budget.cost_per_gpu_hour
    return estimate(prepared.plan.table, records, pending, job.workers.gpus_each, price)


def _ask(repeats: "Repeats") -> bool:
    """Ask whether to generate finished samples again; without a terminal that can answer, no."""
    if not sys.stdin.isatty():
        return False
    typer.echo(str(repeats), err=True)
    return typer.confirm("generate them again?", err=True)


def _prepared(job: Path, sets: list[str] | None, update_models: bool) -> "Prepared":
    from t2vbatch.commands.prepare import prepare_file

    return prepare_file(job, sets or (), update_models)


def _engine_for(job: "Job") -> "Engine":
    """As ``engines.engine_for``, which is imported when a run needs it: a refused job answers sooner."""
    from t2vbatch.engines import engine_for

    return engine_for(job)


def _selection(prepared: "Prepared", limit: int | None, only: list[str] | None) -> "Selection":
    from t2vbatch.plan.units import Selection, require_rows

    require_rows(prepared.plan, only or ())
    return Selection(limit, frozenset(only or ()))


def _print_result(result: "Result") -> None:
    from t2vbatch.analysis.summary_text import render_text

    width = terminal_width()
    typer.echo(fitted(render_text(result.summary, width, timing=result.made > 0), width))
    typer.echo(fitted(_outcome(result), width))
    files = {"videos": f"{result.output}/videos", "table": f"{result.output}/results.parquet"}
    for name, place in {**files, "report": report_place(result.output), **result.tracked}.items():
        typer.echo(indent(f"{name:7} {place}".replace("\n", f"\n{'':8}"), "  "))


def _outcome(result: "Result") -> str:
    """What this run did, and what the user can do about the rest."""
    counts, made = result.summary.counts, f"{counted(result.made, 'video')} generated"
    if result.ending == "spent":
        return f"the budget is spent: {made}, {counts.pending:,} pending; the same command continues"
    if result.ending != "finished":
        return f"interrupted: {made}, {counts.pending:,} pending; the same command continues"
    lines = [made]
    if counts.failed or counts.degenerate:
        lines.append(f"t2vbatch failures {result.output} shows what failed")
        if counts.failed:
            lines.append("t2vbatch run JOB --retry-failed retries failed samples")
    elif not result.made and not counts.pending:
        lines = [f"{made}: every sample was finished before"]
    if counts.pending:
        lines.append(f"{counts.pending:,} pending; a run without --limit and --only generates them")
    elif result.made and len(result.summary.models) > 1:
        lines.append(f"t2vbatch compare {result.output} shows which model is better")
    return "\n".join(lines)


def line_width() -> int:
    """Columns of the terminal. A line in a file or a pipe stays one line, for programs that read lines."""
    return get_terminal_size(fallback=(_UNLIMITED, 24)).columns


def terminal_width() -> int:
    """Columns of the terminal; 100 in a file or a pipe."""
    return get_terminal_size(fallback=(100, 24)).columns


def _as_json(result: "Result") -> dict[str, object]:
    fields = asdict(result) | {"summary": result.summary.to_json(), "exit_code": exit_code(result)}
    return dict(fields)


def exit_code(result: "Result") -> int:
    """0, 3 or 130, as ``run`` documents it."""
    if result.ending == "interrupted":
        return 130
    counts = result.summary.counts
    pending = 0 if result.selected else counts.pending
    return 3 if counts.failed or counts.degenerate or pending else 0
