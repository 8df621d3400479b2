"""``t2vbatch run`` and ``t2vbatch plan``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t2vbatch.cli.display import Display, print_notes

if TYPE_CHECKING:
    from t2vbatch.commands.prepare import Prepared
    from t2vbatch.commands.run import Result

JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The job file.", show_default=False)]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the job. Repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]


def run(
    job: JobFile,
    sets: Sets = None,
    as_json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and plan, make nothing.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again the samples that an earlier run gave up.")
    ] = False,
) -> None:
    """Bring the job's output up to date.

    What is missing is made, what is there is kept. It may be ended at any time: the same command goes on.

    Exit codes: 0 all samples are ok; 1 the run failed; 2 the job or manifest is wrong, and nothing was
    started; 3 finished, and some samples are not ok; 130 interrupted.

    \b
    Examples:
      t2vbatch run jobs/quickstart.yaml
      t2vbatch run jobs/quickstart.yaml --set samples=1 --set workers.count=2
    """
    if dry_run:
        plan(job, sets, as_json)
        return
    with Display(quiet=as_json) as display:
        with display.checking():
            prepared = _prepared(job, sets)
            from t2vbatch.commands.run import run_job
            from t2vbatch.engines import engine_for
        print_notes(prepared.plan.notes)
        display.begin(job.stem, prepared)
        result = run_job(prepared, engine_for, display.show, retry_failed)
    if as_json:
        typer.echo(json.dumps(_as_json(result), ensure_ascii=False))
    else:
        _tell(result)
    raise typer.Exit(_exit_code(result))


def plan(job: JobFile, sets: Sets = None, as_json: Json = False) -> None:
    """Check a job and show what a run would make.

    No model is loaded, and nothing is written.

    \b
    Example:
      t2vbatch plan jobs/quickstart.yaml
    """
    with Display(quiet=as_json) as display, display.checking():
        from t2vbatch.output.store import open_store
        from t2vbatch.plan.units import pending

        prepared = _prepared(job, sets)
        units = pending(prepared.plan, open_store(prepared.job.output).records(), prepared.job)
    missing = {name: sum(len(unit.positions) for unit in of_model) for name, of_model in units.items()}
    models = {
        name: {"planned": planned, "pending": missing.get(name, 0)}
        for name, planned in prepared.plan.counts().items()
    }
    if as_json:
        notes = list(prepared.plan.notes)
        typer.echo(json.dumps({"output": prepared.job.output, "models": models, "notes": notes}))
        return
    print_notes(prepared.plan.notes)
    for name, counts in models.items():
        typer.echo(f"{name}: {counts['planned']} samples, {counts['pending']} to make")
    for position in range(min(5, len(prepared.plan))):
        sample = prepared.plan.planned(position)
        typer.echo(f"  {sample.sample_id[:12]}  seed {sample.seed}  {sample.video}  {sample.prompt or ''}")
    if len(prepared.plan) > 5:
        typer.echo(f"  and {len(prepared.plan) - 5} more")
    typer.echo(f"output: {prepared.job.output}")


def _prepared(job: Path, sets: list[str] | None) -> "Prepared":
    from t2vbatch.commands.prepare import prepare
    from t2vbatch.job import load_job

    return prepare(load_job(job, sets or ()))


def _tell(result: "Result") -> None:
    from t2vbatch.analysis.summary_text import render_text

    made = f"{result.made} videos made" if result.made else "0 videos made: everything was there already"
    typer.echo(render_text(result.summary))
    typer.echo(made if result.ending == "finished" else f"interrupted: {made}; the same command goes on")
    for name, file in (("videos", "videos"), ("table", "results.parquet"), ("report", "report/index.html")):
        typer.echo(f"  {name:7} {result.output}/{file}")
    for name, place in result.tracked.items():
        typer.echo(f"  {name:7} {place}")


def _as_json(result: "Result") -> dict[str, object]:
    fields = asdict(result) | {"summary": result.summary.to_json(), "exit_code": _exit_code(result)}
    return dict(fields)


def _exit_code(result: "Result") -> int:
    if result.ending != "finished":
        return 130
    counts = result.summary.counts
    return 0 if counts.ok == counts.planned else 3
