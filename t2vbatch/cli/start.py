"""``t2vbatch init`` and ``t2vbatch demo``: a first job, and a first run."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from t2vbatch.errors import UsageError

Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]


def init(
    job: Annotated[Path, typer.Argument(metavar="JOB", help="The job file to write.")] = Path("job.yaml"),
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Hub id, local folder, or bundled:shapes.", show_default=False),
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The prompts: text, CSV, Parquet, ...", show_default=False),
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="The output folder.", show_default=False)
    ] = None,
    force: Force = False,
) -> None:
    """Write a job file.

    Asks for each value that no option gives. If the file of prompts does not exist, it writes an example.

    \b
    Examples:
      t2vbatch init
      t2vbatch init wan.yaml --model Wan-AI/Wan2.1-T2V-1.3B-Diffusers \\
          --prompts prompts.txt --output runs/wan
    """
    from t2vbatch.commands.starter import BUNDLED, starter, write

    for option, value in (("--model", model), ("--output", output)):
        if value is not None and not value.strip():
            raise UsageError(option, "an empty text", "a value", f"leave out {option} to be asked")
    model = model or _ask("Model (Hub id, folder, or bundled:shapes)", BUNDLED)
    prompts = prompts or _ask(
        "Prompts (file; one prompt per line, CSV, JSON or Parquet)", str(job.parent / "prompts.txt")
    )
    output = output or _ask("Output folder", str(job.parent / "runs" / job.stem))
    if Path(model).exists():
        model = _from_job(job, model)
    found = starter(job, model, _from_job(job, prompts), _from_job(job, output))
    write(found, found.files if force else ())
    for path in found.files:
        typer.echo(f"wrote {path}")
    typer.echo(f"next: t2vbatch run {job} --limit 1")


def demo(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to create.")] = Path(
        "t2vbatch-demo"
    ),
) -> None:
    """Make 24 videos with the bundled model.

    Downloads nothing and needs no GPU; it takes about a minute. The folder then holds prompts.csv and
    job.yaml, which you can change and run again, and the output.

    \b
    Example:
      t2vbatch demo
    """
    from t2vbatch.cli.run import run
    from t2vbatch.commands.starter import demo as files_of
    from t2vbatch.commands.starter import write

    found = files_of(folder)
    files = found.files.items()
    existing = [path for path, text in files if path.is_file() and path.read_bytes() == text.encode()]
    write(found, existing, advice="name another folder")
    run(folder / "job.yaml")


def _from_job(job: Path, typed: str) -> str:
    """A path that is typed from the working directory, relative to the folder of the job file."""
    if "://" in typed or Path(typed).is_absolute():
        return typed
    found = os.path.relpath(typed, job.parent)
    return found if found.startswith("..") or not Path(typed).is_dir() else f"./{found}"


def _ask(question: str, default: str) -> str:
    """What the user types; the default without a terminal."""
    return str(typer.prompt(question, default=default)) if sys.stdin.isatty() else default
