"""``t2vbatch status``, ``failures``, ``verify`` and ``report``: the state of an output."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from t2vbatch.cli.consent import AllowCode, confirm_code
from t2vbatch.cli.run import Json, line_width, terminal_width
from t2vbatch.cli.words import duration, fitted, hanging, report_place
from t2vbatch.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from t2vbatch.analysis.failures import FailureGroup
    from t2vbatch.commands.status import Status
    from t2vbatch.commands.verify_problem import VerifyProblem
    from t2vbatch.job.code_uses import CodeUse
    from t2vbatch.output.store import Store

Output = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="The output folder of a run, path or URI.", show_default=False)
]
Deep = Annotated[
    int,
    typer.Option(min=0, metavar="K", help="Also generate K random samples again and compare the bytes."),
]
DeepSeed = Annotated[
    int, typer.Option(metavar="N", help="Which K samples; the same seed selects the same ones.")
]

_WATCH_EVERY_S = 2.0
_SHOWN_SAMPLES = 6
_CLEAR = "\x1b[H\x1b[2J"
"""Moves a terminal's cursor to the top and removes its text."""


def status(
    output: Output,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh the display until the run ends.")] = False,
    as_json: Json = False,
) -> None:
    """Show the progress of a run.

    Reads the files of the output only, so it works on any machine that can read them, also during a run.

    \b
    Examples:
      t2vbatch status runs/quickstart --watch
      t2vbatch status s3://bucket/wan --json
    """
    from t2vbatch.commands.status import read_status

    store = _store(output)
    while True:
        found = read_status(store)
        if as_json:
            typer.echo(json.dumps(asdict(found)))
        else:
            if watch and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
                typer.echo(_CLEAR, nl=False)
            for line in _status_lines(found):
                indent = "  " if line.startswith("  ") else ""
                typer.echo(hanging(indent, line.strip(), line_width()))
        if not watch or found.writer is None:
            return
        time.sleep(_WATCH_EVERY_S)


def _status_lines(found: "Status") -> list[str]:
    lines = [f"{found.output}: {counted(found.planned, 'sample')} planned"]
    lines.append(
        f"  ok {found.ok:,}, degenerate {found.degenerate:,}, failed {found.failed:,}, "
        f"pending {found.pending:,}"
    )
    lines += [f"  {kind}: {count:,}" for kind, count in found.failures.items()]
    if found.failures:
        lines.append(f"  t2vbatch failures {found.output} shows the reasons")
    lines.append(f"  written by {found.writer}" if found.writer else "  no run is active")
    if found.starting:
        lines.append(f"  starting: {found.starting}, {duration(max(0.0, found.starting_s or 0))}")
    elif found.heard_s is not None:
        steps = f", {counted(found.steps, 'denoising step')} so far" if found.steps else ""
        age = duration(max(0.0, found.heard_s))
        lines.append(f"  {counted(found.workers or 0, 'worker')}{steps}; last report {age} ago")
    if found.rate_per_min and found.writer:
        left = "" if found.eta_s is None else f", {duration(found.eta_s)} left"
        lines.append(f"  {found.rate_per_min:.1f} videos/min{left}")
    return lines


def failures(output: Output, as_json: Json = False) -> None:
    """Show failed and degenerate samples, grouped by error.

    Errors that differ only in paths, ids, sizes or times are one group.

    \b
    Examples:
      t2vbatch failures runs/quickstart
      t2vbatch failures runs/quickstart --json    # every sample, and tracebacks
    """
    from t2vbatch.analysis.failures import READ, failure_groups
    from t2vbatch.output.store import no_run_here

    store = _store(output)
    try:
        planned = store.read_table("plan.parquet")
    except FileNotFoundError:
        raise no_run_here(store, "plan.parquet") from None
    groups = failure_groups(planned, store.records(READ))
    if as_json:
        typer.echo(json.dumps([asdict(group) for group in groups], ensure_ascii=False))
        return
    total = sum(len(group.samples) for group in groups)
    headline = f"{store.uri}: {total:,} of {counted(planned.num_rows, 'sample')} failed or degenerate"
    typer.echo(fitted(headline, line_width()))
    for text in _failure_texts(groups):
        typer.echo(f"\n{text}")


def _failure_texts(groups: "Sequence[FailureGroup]") -> Iterator[str]:
    """A paragraph for each group, and what the user can do about them."""
    width = line_width()
    for group in groups:
        more = len(group.samples) - _SHOWN_SAMPLES
        names = ", ".join(group.samples[:_SHOWN_SAMPLES]) + (f" and {more:,} more" if more > 0 else "")
        attempts = f"  {group.status} after {counted(group.attempts, 'attempt')}"
        if not group.attempts:
            attempts = "  not attempted: the manifest's row is wrong"
        if group.texts > 1:
            attempts += f"\n  {group.texts:,} errors that differ only in paths, ids, sizes or times"
        yield "\n".join([fitted(group.title, width), hanging("  samples: ", names, width), attempts])
    if not all(group.attempts for group in groups):
        yield "Correct the wrong rows of the manifest, then run the job again."
    if any(group.status == "failed" and group.attempts for group in groups):
        yield "Retry failed samples: t2vbatch run JOB --retry-failed"
    if any(group.status == "degenerate" for group in groups):
        advice = (
            "Degenerate samples have a video that shows nothing. Change the job: another call, or "
            "models.NAME.retry_degenerate: float32 to generate them once more in that precision."
        )
        yield fitted(advice, terminal_width())


def verify(
    output: Output,
    deep: Deep = 0,
    seed: DeepSeed = 0,
    repair: Annotated[
        bool, typer.Option("--repair", help="Generate missing and damaged videos again, as a run would.")
    ] = False,
    allow_code: AllowCode = False,
    as_json: Json = False,
) -> None:
    """Re-read every video and check it against its record.

    Checks digest, size, number of frames and decoding, and that tables and summary have the values of plan
    and records; with --deep, that the model still generates the same bytes. The exit code is 1 if there is a
    problem; with --repair, if a problem remains. --deep and --repair use the output's own job, and ask you
    before they use its plug-ins, pickles, programs or cluster.

    \b
    Examples:
      t2vbatch verify runs/quickstart
      t2vbatch verify runs/quickstart --deep 3
      t2vbatch verify runs/quickstart --repair
    """
    from t2vbatch.commands.verify import verify as problems_of

    store = _store(output)
    if deep or repair:
        confirm_code(output, _generation_code(store, repair), allow_code)
    sound, problems = _sifted(problems_of(store), "reading every video", as_json)
    same = 0
    if deep:
        from t2vbatch.commands.verify_deep import verify_deep
        from t2vbatch.engines import engine_for

        same, different = _sifted(verify_deep(store, deep, engine_for, seed), "generating again", as_json)
        problems += different
    repaired = _repaired(store, problems, as_json) if repair else 0
    left = len(problems) - repaired
    if as_json:
        found = {
            "sound": sound,
            "made_again": same,
            "repaired": repaired,
            "findings": [asdict(problem) for problem in problems],
        }
        typer.echo(json.dumps(found))
    else:
        again = f"; {same:,} generated again with the same bytes" if deep else ""
        typer.echo(f"{counted(sound, 'video')} as recorded{again}; {counted(len(problems), 'problem')}")
        if not repair and any(problem.sample_id for problem in problems):
            typer.echo(f"t2vbatch verify {output} --repair generates these videos again")
    raise typer.Exit(1 if left else 0)


def _generation_code(store: "Store", scored: bool) -> "Iterator[CodeUse]":
    """What the output's job runs and loads to generate videos, and to score them."""
    from t2vbatch.job.code_uses import distance_code, metric_code, model_code, surroundings

    job = store.read_job()
    yield from model_code(job)
    yield from surroundings(job)
    if scored:
        yield from metric_code(job)
        yield from distance_code(job)


def _repaired(store: "Store", problems: "list[VerifyProblem]", quiet: bool) -> int:
    """Generate missing and damaged videos again, print the result, and return the number of these videos."""
    from t2vbatch.cli.display import Display
    from t2vbatch.commands.repair import repair
    from t2vbatch.engines import engine_for

    if not any(problem.sample_id for problem in problems):
        return 0
    with Display(quiet=quiet) as display:
        found = repair(store, problems, engine_for, display.show)
    if not quiet:
        changed = len(found.different)
        same = "all with the same bytes" if not changed else f"{changed:,} with other bytes than before"
        typer.echo(f"{counted(len(found.result.remade), 'video')} generated again, {same}")
    return len(found.result.remade)


def prune(
    output: Output,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Delete the finished samples that the plan no longer names.

    No other command deletes a finished sample: it comes back, without being generated again, when the job or
    the manifest names it again. prune first shows the number of these samples, their size and the reasons.

    \b
    Examples:
      t2vbatch prune runs/quickstart
      t2vbatch prune runs/quickstart --yes
    """
    from t2vbatch.commands.prune import find_prunable, prune_output

    found = find_prunable(output)
    count = len(found.sample_ids)
    if as_json:
        about = {
            "samples": count,
            "bytes": found.bytes,
            "files": len(found.orphans),
            "reasons": found.reasons,
        }
        typer.echo(json.dumps(about | {"deleted": yes}))
    else:
        if not count and not found.orphans:
            text = f"{output}: nothing to delete; the plan names every finished sample"
            typer.echo(fitted(text, line_width()))
            return
        size, files = f"{found.bytes / 1e6:,.1f} MB", counted(len(found.orphans), "other file")
        typer.echo(f"{output}: {counted(count, 'superseded sample')}, {size}, {files}")
        for reason, number in found.reasons.items():
            typer.echo(f"  {number:,}: {reason}")
    if not count and not found.orphans:
        return
    if not yes and (as_json or not sys.stdin.isatty() or not typer.confirm("delete them?")):
        if not as_json:
            typer.echo("nothing was deleted; --yes deletes without asking")
        return
    prune_output(output)
    if not as_json:
        typer.echo("deleted")


def _sifted(
    found: "Iterable[VerifyProblem | None]", work: str, quiet: bool
) -> "tuple[int, list[VerifyProblem]]":
    """The number of good videos, and the problems of the others; each problem is printed when it is found.

    Args:
        work: what produces the videos, as the progress calls it.
    """
    from t2vbatch.cli.display import Display

    sound, problems = 0, []
    with Display(quiet=quiet) as display:
        display.wait(work)
        for problem in found:
            if problem is None:
                sound += 1
                display.wait(work, counted(sound, "video"))
                continue
            problems.append(problem)
            if not quiet:
                print(problem, file=sys.stderr)
    return sound, problems


def report(
    output: Output,
    share: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Also copy the page and its videos to a new folder or .zip file."),
    ] = None,
    share_videos: Annotated[
        Literal["full", "small", "none"],
        typer.Option(help="Videos of the copy: full, small (at most 320 pixels) or none (posters)."),
    ] = "full",
) -> None:
    """Rebuild the tables and the report of a run.

    Reads the records and the plan; no video changes.

    \b
    Examples:
      t2vbatch report runs/quickstart
      t2vbatch report runs/quickstart --share report.zip --share-videos small
    """
    from t2vbatch.commands.rebuild import rebuild

    if share is not None:
        from t2vbatch.report.share import check_target, share_report

        check_target(share)
    store = _store(output)
    job = store.read_known_job()
    with store.lease() as store:
        rebuild(store, store.read_plan(), job)
    typer.echo(f"{store.uri}/report/index.html" if share else report_place(store.uri))
    if share is not None:
        results = store.read_table("results.parquet")
        shared = share_report(store.folder, results, share, share_videos, job.report.max_videos)
        lost = f"; {len(shared.missing)} videos are missing in the output" if shared.missing else ""
        typer.echo(f"{share}: the page with {counted(shared.videos, 'video')}{lost}")


def _store(output: str) -> "Store":
    from t2vbatch.output.store import open_store

    return open_store(output)
