"""``t2vbatch certify``, ``check`` and ``reproduce``: datasets and published numbers that others can
confirm.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t2vbatch.cli.consent import AllowCode, confirm_code
from t2vbatch.cli.display import Display
from t2vbatch.cli.inspect import Deep, DeepSeed, Output
from t2vbatch.cli.run import JobFile, Json, Sets, exit_code, terminal_width
from t2vbatch.errors import counted

if TYPE_CHECKING:
    from t2vbatch.analysis.text_table import Table
    from t2vbatch.commands.reproduce import ReproducedValue, Reproduction


def certify(
    output: Output,
    certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write; default: certificate.json in the output."),
    ] = None,
    deep: Deep = 0,
    seed: DeepSeed = 0,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sign with this Ed25519 private key, such as ~/.ssh/id_ed25519."),
    ] = None,
    allow_code: AllowCode = False,
) -> None:
    """Write a certificate of an output.

    It has the job, digests of plan, records, videos, scores and distances, the versions, and what verify
    found. It does not cover the report and files of votes. A certificate that was changed does not match its
    digest. Without --key anyone can write a new one, so keep the printed
    digest elsewhere. A signature (--key, needs t2vbatch[sign]) proves who wrote it.

    \b
    Examples:
      t2vbatch certify runs/quickstart
      t2vbatch certify runs/quickstart --deep 3 --certificate quickstart.json
      t2vbatch certify runs/quickstart --key ~/.ssh/id_ed25519
    """
    from t2vbatch.commands.certify import certify as certified
    from t2vbatch.engines import engine_for
    from t2vbatch.job.code_uses import model_code, surroundings
    from t2vbatch.output.store import open_store
    from t2vbatch.storage.writable import check_writable

    if certificate is not None:
        check_writable(f"--certificate {certificate}", certificate.parent)
    store = open_store(output)
    if deep:
        job = store.read_job()
        confirm_code(output, [*model_code(job), *surroundings(job)], allow_code)
    with Display(quiet=False) as display:
        again = f", then generating {counted(deep, 'sample')} again" if deep else ""
        display.wait(f"reading every video{again}")
        content = certified(store, deep, seed, engine_for, key)
    if certificate is None:
        store.write_json("certificate.json", content)
    else:
        certificate.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    problems = [*content["verify"]["problems"], *(content["made_again"] or {}).get("problems", [])]
    for problem in problems:
        typer.echo(problem)
    typer.echo(f"{certificate or f'{store.uri}/certificate.json'}: {counted(len(problems), 'problem')}")
    typer.echo(f"dataset {content['dataset']}")
    typer.echo(f"certificate {content['digest']}")
    raise typer.Exit(1 if problems else 0)


def check(
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="The file that certify wrote.")],
    output: Output,
    public_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The public key that must have signed the certificate."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check an output against its certificate.

    Compares all that it states except the samples of --deep, and checks every video and table. Exit code 1
    if anything differs; 2 if the certificate was changed, or is not signed by --public-key.

    \b
    Examples:
      t2vbatch check quickstart.json runs/quickstart
      t2vbatch check quickstart.json runs/quickstart --public-key author.pub
    """
    from t2vbatch.commands.certify import check as checked
    from t2vbatch.output.store import open_store

    found = list(checked(certificate, open_store(output), public_key))
    problems = [one for one in found if one is not None]
    right = len(found) - len(problems)
    if as_json:
        typer.echo(json.dumps({"right": right, "problems": [asdict(problem) for problem in problems]}))
    else:
        for problem in problems:
            typer.echo(str(problem))
        typer.echo(f"{counted(right, 'video')} as certified; {counted(len(problems), 'problem')}")
    raise typer.Exit(1 if problems else 0)


def reproduce(job: JobFile, sets: Sets = None, as_json: Json = False) -> None:
    """Run a job and compare its scores with the published ones.

    Prints expected and measured values, whether they agree, and the digest of the dataset, which another
    machine of the same kind confirms. Exit code 1 if a value does not agree, 3 if a sample failed.

    \b
    Example:
      t2vbatch reproduce jobs/leaderboards/shapes.yaml
    """
    with Display(quiet=as_json) as display:
        with display.checking():
            from t2vbatch.commands.prepare import prepare_file
            from t2vbatch.commands.reproduce import reproduce_entry
            from t2vbatch.engines import engine_for

            prepared = prepare_file(job, sets or ())
        display.begin(job.stem, prepared)
        found = reproduce_entry(prepared, engine_for, display.show)
    values = [asdict(value) | {"expected": value.expected.model_dump()} for value in found.values]
    if as_json:
        shown = {
            "consistent": found.consistent,
            "values": values,
            "unpublished": prepared.job.unpublished,
            "dataset": found.dataset,
        }
        typer.echo(json.dumps(shown | {"output": found.result.output}, ensure_ascii=False))
    else:
        typer.echo(_table(found).render("text", terminal_width()))
        for value in found.values:
            if 0 < value.scored < value.planned:
                typer.echo(f"{value.name}: measured over {value.scored:,} of {value.planned:,} samples")
        for setting in prepared.job.unpublished:
            typer.echo(f"not published, chosen by this job: {setting}")
        typer.echo(f"dataset {found.dataset}")
    raise typer.Exit(
        (0 if found.consistent else 1) if exit_code(found.result) == 0 else exit_code(found.result)
    )


def _table(found: "Reproduction") -> "Table":
    from t2vbatch.analysis.summary_text import interval_text
    from t2vbatch.analysis.text_table import Table

    rows = [
        (
            value.name,
            f"{value.expected.value:.4g}",
            "-" if value.measured is None else f"{value.measured.mean:.4g}",
            "-" if value.measured is None else interval_text(value.measured).partition(" ")[2] or "-",
            _agreement(value),
            f"{value.expected.source}, {value.expected.date}",
        )
        for value in found.values
    ]
    header = ("value", "expected", "measured", "[95%]", "consistent", "source")
    return Table(header, rows, frozenset({1, 2, 3}))


def _agreement(value: "ReproducedValue") -> str:
    """Whether a value agrees, and by which rule."""
    if value.measured is None:
        return "no: no sample has the score"
    tolerance = value.expected.tolerance
    rule = "in the interval" if tolerance is None else f"within {tolerance:g}"
    return f"yes, {rule}" if value.consistent else f"no, not {rule}"
