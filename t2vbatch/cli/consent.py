"""Asks before a command runs or loads what the job.yaml of an output names: it may be another person's."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from t2vbatch.errors import UsageError

if TYPE_CHECKING:
    from t2vbatch.job.code_uses import CodeUse

AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        help="Run the programs and load the plug-ins and pickles that the output's own job names.",
    ),
]


def confirm_code(output: str, uses: "Iterable[CodeUse]", allowed: bool, fix: str = "") -> None:
    """Return if the user allows all of these uses; raise if not.

    Args:
        allowed: the answer of the command line; then nothing is asked.
        fix: another way to continue, for the message.

    Raises:
        UsageError: there are uses, but no terminal on which to ask the user.
        typer.Abort: the user's answer is no.
    """
    found = list(uses)
    if allowed or not found:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"{output}/job.yaml",
            "; ".join(map(str, found)),
            "a job that runs no code of its own, or your permission",
            f"if you trust the author of this output, add --allow-code{fix}",
        )
    lines = "\n".join(f"  {use}" for use in found)
    question = "Is this your job, or do you trust its author?"
    typer.confirm(f"{output}/job.yaml:\n{lines}\n{question}", abort=True, err=True)
