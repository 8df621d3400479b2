"""``t2vbatch status``, ``verify`` and ``report``: questions about an output, and its tables made again."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from t2vbatch.cli.run import Json

if TYPE_CHECKING:
    from t2vbatch.commands.verify import VerifyProblem
    from t2vbatch.output.store import Store

Output = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="The output folder of a run, path or URI.", show_default=False)
]


def status(output: Output, as_json: Json = False) -> None:
    """Say where an output stands.

    Anybody may ask who can read the output, also while a run goes on elsewhere.

    \b
    Examples:
      t2vbatch status runs/quickstart
      t2vbatch status s3://bucket/wan --json
    """
    from t2vbatch.commands.status import read_status

    found = read_status(_store(output))
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    typer.echo(f"{found.output}: {found.planned} planned")
    typer.echo(
        f"  ok {found.ok}, degenerate {found.degenerate}, failed {found.failed}, pending {found.pending}"
    )
    for kind, count in found.failures.items():
        typer.echo(f"  {kind}: {count}")
    if found.writer:
        typer.echo(f"  being written by {found.writer}")
    if found.starting:
        typer.echo(f"  starting: {found.starting}, {max(0.0, found.starting_s or 0):.0f} s")
    elif found.heard_s is not None:
        steps = f", {found.steps:,} denoising steps so far" if found.steps else ""
        typer.echo(f"  {found.workers} workers{steps}; last heard {max(0.0, found.heard_s):.0f} s ago")
    if found.rate_per_min:
        eta = "" if found.eta_s is None else f", {found.eta_s / 60:.0f} min to go"
        typer.echo(f"  {found.rate_per_min:.1f} videos/min{eta}")


def verify(
    output: Output,
    deep: Annotated[
        int, typer.Option(min=0, metavar="K", help="Also make K random samples again and compare the bytes.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Which K samples: the same seed chooses the same.")] = 0,
    as_json: Json = False,
) -> None:
    """Read every video again and hold it against its record.

    Digest, size, number of frames, whether it can be decoded; with --deep, whether the model still makes it.
    Exit code 1 where anything is found.

    \b
    Examples:
      t2vbatch verify runs/quickstart
      t2vbatch verify runs/quickstart --deep 3
    """
    from t2vbatch.commands.verify import verify as findings_of

    store = _store(output)
    sound, findings = _sifted(findings_of(store), as_json)
    same = 0
    if deep:
        from t2vbatch.commands.reproduce import reproduce
        from t2vbatch.engines import engine_for

        same, different = _sifted(reproduce(store, deep, engine_for, seed), as_json)
        findings += different
    if as_json:
        found = {"sound": sound, "made_again": same, "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(found))
    else:
        again = f"; {same} made again are the same" if deep else ""
        typer.echo(f"{sound} videos are as recorded{again}; {len(findings)} findings")
    raise typer.Exit(1 if findings else 0)


def _sifted(found: "Iterable[VerifyProblem | None]", quiet: bool) -> "tuple[int, list[VerifyProblem]]":
    """How many are as they should be, and what is wrong with the others, which is shown as it comes."""
    sound, findings = 0, []
    for finding in found:
        if finding is None:
            sound += 1
            continue
        findings.append(finding)
        if not quiet:
            print(finding, file=sys.stderr)
    return sound, findings


def report(output: Output) -> None:
    """Make the tables and the report of a run again.

    From its records and its manifest; videos are not touched.

    \b
    Example:
      t2vbatch report runs/quickstart
    """
    from t2vbatch.commands.prepare import prepare
    from t2vbatch.commands.rebuild import rebuild

    store = _store(output)
    job = store.read_job()
    with store.lease() as store:
        rebuild(store, prepare(job).plan, job)
    typer.echo(f"{store.uri}/report/index.html")


def _store(output: str) -> "Store":
    from t2vbatch.output.store import open_store

    return open_store(output)
