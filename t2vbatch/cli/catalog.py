"""``t2vbatch manifest``, ``models``, ``metrics``, ``doctor``: what this machine can read, run and compute."""

import inspect
import json
from dataclasses import asdict
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from t2vbatch.cli.display import Display
from t2vbatch.cli.run import Json, line_width, terminal_width
from t2vbatch.cli.words import hanging, reflowed
from t2vbatch.cli.wrong_calls import PlainGroup
from t2vbatch.errors import RunError, UsageError, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from t2vbatch.metrics.program_file import ProgramFile
    from t2vbatch.models import PipelineCard

_LIST_COLUMNS = 80
"""Columns that the list of pipelines needs for one line each."""

manifest_app = typer.Typer(
    cls=PlainGroup,
    help="Check manifests, and import prompt lists.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@manifest_app.command("check")
def check_manifest(
    source: Annotated[
        str,
        typer.Argument(
            metavar="MANIFEST",
            help="The manifest, as a path or URI; or a job file, to check its manifest.",
            show_default=False,
        ),
    ],
    allow_paths: Annotated[
        bool, typer.Option("--allow-paths", help="Allow cells to name files outside the manifest's folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List every problem of a manifest.

    Shows each problem with its row, its column, what was found and what is expected.

    \b
    Example:
      t2vbatch manifest check manifests/quickstart.csv
    """
    from t2vbatch.job import OF_MANIFEST, load_draft
    from t2vbatch.job.secrets import redacted, redacted_value
    from t2vbatch.manifest import LIMITS, OPTIONS, ManifestOptions, read_manifest
    from t2vbatch.manifest import check_manifest as problems_of

    limits, options, draft = LIMITS, OPTIONS, None
    if source.endswith((".yaml", ".yml")):
        draft = load_draft(source)
        if as_json or not draft.is_valid("manifest", *OF_MANIFEST):
            draft.checked()
        job = draft.job
        source, allow_paths, limits = job.manifest, allow_paths or job.allow_paths, job.limits
        options = ManifestOptions(job.columns, tuple(job.media.allow))
    problems = problems_of(source, allow_paths, limits, options)
    notes = () if problems else read_manifest(source, allow_paths, limits, options).notes
    if as_json:
        found = {"problems": [asdict(problem) for problem in problems], "notes": notes}
        typer.echo(json.dumps(redacted_value(found), ensure_ascii=False))
    else:
        for line in (*problems, *(f"note: {note}" for note in notes)):
            typer.echo(redacted(str(line)))
        typer.echo(f"{source}: {counted(len(problems), 'problem')}")
    if draft is not None:
        draft.checked()
    raise typer.Exit(2 if problems else 0)


def models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="PIPELINE", help="The name of a pipeline class.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the video pipelines that a job can use, or show one.

    Shows inputs, numbers of frames, frames per second, arguments of the call, and an example job.

    \b
    Examples:
      t2vbatch models
      t2vbatch models WanPipeline
    """
    from t2vbatch.models import describe_pipeline, list_pipelines

    cards = list_pipelines() if name is None else (describe_pipeline(name),)
    if as_json:
        typer.echo(json.dumps([asdict(card) for card in cards]))
        return
    if name is None:
        typer.echo(_pipeline_list(cards, line_width()))
        return
    typer.echo(_pipeline_text(cards[0], line_width()))


def _pipeline_text(card: "PipelineCard", width: int) -> str:
    """Everything about one pipeline."""
    lines = [
        f"{card.name}: {card.kind}, {card.frames} frames, {card.fps:g} fps",
        hanging("columns: ", ", ".join(card.accepts) or "none", width),
        hanging("required: ", ", ".join(card.requires) or "none", width),
    ]
    if renamed := [f"{name} -> {to}" for name, to in card.fills.items() if name != to]:
        lines.append(hanging("column -> argument of the call: ", ", ".join(renamed), width))
    if card.arrays:
        lines.append(hanging("columns of .npy or .safetensors files: ", ", ".join(card.arrays), width))
    if card.missing:
        lines.append(f"not installed here: pip install {' '.join(card.missing)}")
    if card.single_file:
        lines.append("the checkpoint may be a single file; the job then needs the key config")
    lines.append("call, with defaults:")
    # As a job would have them: null, not None.
    lines += [f"  {name}: {json.dumps(default, default=str)}" for name, default in card.call.items()]
    return "\n".join([*lines, f"\nexample job:\n{card.example()}"])


def _pipeline_list(cards: "Sequence[PipelineCard]", width: int) -> str:
    """One line for each pipeline, or two in a narrow terminal."""
    name_width, gap = (46, " ") if width >= _LIST_COLUMNS else (0, "\n  ")
    lines = [f"{'pipeline':{name_width}}{gap}{'video from':22} frames fps"]
    for card in cards:
        inputs = card.kind.removesuffix(" to video")
        lines.append(f"{card.name:{name_width}}{gap}{inputs:24} {card.frames:>4} {card.fps:3g}")
        if card.missing:
            lines.append(f"    not installed: {', '.join(card.missing)}")
    lines.append("frames: k is a whole number from 1 on, so 4k+1 is 5, 9, 13, ...")
    return "\n".join([*lines, f"{len(cards)} pipelines; t2vbatch models PIPELINE shows one"])


def metrics(
    name: Annotated[
        str | None,
        typer.Argument(metavar="METRIC", help="The name of a metric or a program.", show_default=False),
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Make the environment of the program METRIC, for use offline.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the metrics that score videos, or show one.

    Shows definition, source, range, direction, cost and weights. fvd and fid compare all videos of a model
    with a reference set; t2vbatch distance measures them. A program runs in an environment of its own, which
    is made on first use.

    \b
    Examples:
      t2vbatch metrics
      t2vbatch metrics clip_score
      t2vbatch metrics videoscore2 --install
    """
    from t2vbatch.analysis.distance.kinds import KINDS
    from t2vbatch.metrics import known_metrics
    from t2vbatch.metrics.program_file import bundled_programs

    if install:
        _install(name)
        return
    of_sets: dict[str, type] = {key: type(kind) for key, kind in KINDS.items()}
    programs = {key: _described(program) for key, program in bundled_programs().items()}
    if name is None:
        shown = {**known_metrics(), **of_sets}
    else:
        shown = {} if name in programs else {name: of_sets[name] if name in of_sets else _metric(name)}
        programs = {key: text for key, text in programs.items() if key == name}
    texts = {key: inspect.getdoc(metric) or "" for key, metric in shown.items()} | programs
    texts = dict(sorted(texts.items()))
    if as_json:
        typer.echo(json.dumps(texts))
    elif name is None:
        typer.echo(_metric_list(texts))
    else:
        typer.echo(f"{name}\n\n{reflowed(texts[name], terminal_width())}")


def _metric(name: str) -> type:
    """The class of a metric. Raises MetricError, which has the name as it was typed and no key of a job."""
    from t2vbatch.errors import MetricError
    from t2vbatch.metrics.registry import metric_class

    try:
        return metric_class(name)
    except MetricError as error:
        raise MetricError(f"METRIC {name}", error.found, error.expected, error.fix) from None


def _metric_list(texts: "Mapping[str, str]") -> str:
    """The first line of each metric's text."""
    lines = [
        hanging(f"{key:20} ", text.splitlines()[0] if text else "", line_width())
        for key, text in texts.items()
    ]
    return "\n".join([*lines, f"{len(lines)} metrics; t2vbatch metrics METRIC shows one"])


def _described(program: "ProgramFile") -> str:
    """The docstring of a program, and the state of its environment."""
    from t2vbatch.metrics.environments import environment, install_command, is_made

    state = (
        f"in {environment(program)}" if is_made(program) else f"not made; {install_command(program)} makes it"
    )
    python = f"Python {program.requires_python or 'of any version'}"
    return f"{program.text}\n\nEnvironment: {state}: {python}, {', '.join(program.dependencies)}"


def _install(name: str | None) -> None:
    """Make the environment of a program. Raises UsageError if there is no such program, and RunError."""
    from t2vbatch.metrics.environments import python_of
    from t2vbatch.metrics.program_file import find_program
    from t2vbatch.metrics.protocol import ProgramError

    if name is None:
        fix = "t2vbatch metrics videoscore2 --install"
        raise UsageError("--install", "no METRIC", "the name of a program, or the path of a Python file", fix)
    try:
        with Display() as display:
            display.wait("installing")
            python = python_of(find_program(name))
    except ValueError as error:
        raise UsageError(f"t2vbatch metrics {name} --install", "no such program", str(error)) from None
    except ProgramError as error:
        raise RunError(str(error)) from None
    typer.echo(f"{name}: {python}")


def doctor(as_json: Json = False) -> None:
    """Show what this machine has and what it lacks.

    Checks devices, memory, disk, ffmpeg, the Hub, and the packages that pipelines need.

    \b
    Example:
      t2vbatch doctor
    """
    with Display(quiet=as_json) as display:
        display.wait("checking this machine")
        from t2vbatch.commands.doctor import examine

        found = examine()
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    width = max(len(fact.name) for fact in found.facts) + 6
    for fact in found.facts:
        mark = f"{'ok  ' if fact.fine else 'note'} {fact.name}".ljust(width)
        columns = max(get_terminal_size().columns, 2 * width)
        typer.echo(fill(fact.text, columns, initial_indent=mark, subsequent_indent=" " * width))
