"""``t2vbatch status``, ``verify`` and ``report``: questions about an output, and its tables made again."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from t2vbatch.cli.make import Json
from t2vbatch.errors import StoreError

if TYPE_CHECKING:
    from t2vbatch.store import Store

Output = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="The output folder of a run.", show_default=False)
]


def status(output: Output, as_json: Json = False) -> None:
    """Say where an output stands, also while a run goes on elsewhere.

    Example: `t2vbatch status runs/quickstart`
    """
    from t2vbatch.status import read_status

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
        typer.echo(f"  being written by {found.writer}; {found.workers or 0} workers")
    if found.rate_per_min:
        eta = "" if found.eta_s is None else f", {found.eta_s / 60:.0f} min to go"
        typer.echo(f"  {found.rate_per_min:.1f} videos/min{eta}")


def verify(output: Output, as_json: Json = False) -> None:
    """Read every video again and hold it against its record: digest, size, frames, decodability.

    Example: `t2vbatch verify runs/quickstart`
    """
    from t2vbatch.verify import verify as findings_of

    sound, findings = 0, []
    for finding in findings_of(_store(output)):
        if finding is None:
            sound += 1
            continue
        findings.append(finding)
        if not as_json:
            print(finding, file=sys.stderr)
    if as_json:
        typer.echo(json.dumps({"sound": sound, "findings": [asdict(finding) for finding in findings]}))
    else:
        typer.echo(f"{sound} videos are as recorded; {len(findings)} findings")
    raise typer.Exit(1 if findings else 0)


def report(output: Output) -> None:
    """Make results, summary and report again from the records and the manifest of the last run.

    Example: `t2vbatch report runs/quickstart`
    """
    from t2vbatch.job import parse_job
    from t2vbatch.prepare import prepare
    from t2vbatch.run import publish

    store = _store(output)
    try:
        job = parse_job(store.folder.read("job.yaml").decode(), f"{store.uri}/job.yaml")
    except FileNotFoundError:
        raise StoreError(f"{store.uri}: no job.yaml, so no run has begun here") from None
    with store.lease() as store:
        publish(store, prepare(job).plan, job)
    typer.echo(f"{store.uri}/report/index.html")


def _store(output: str) -> "Store":
    from t2vbatch.store import open_store

    return open_store(output)
