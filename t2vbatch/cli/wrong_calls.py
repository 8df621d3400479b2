"""The group of all commands: its help, and plain words for a wrong option or argument."""

import re
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

_WRONG_CALL: Any = typer.BadParameter.__base__
"""The error of any wrong call; typer 0.25 moved its class to a private module."""

_WHOLE = 1000
"""More characters than the first sentence of any help."""

_PLAIN = (
    (r"Input should be a valid integer.*", "expected a whole number"),
    (r"Input should be a valid number.*", "expected a number"),
    (r"Input should be greater than or equal to (\S+)", r"expected \1 or more"),
    (r"Input should be less than or equal to (\S+)", r"expected \1 or less"),
    (r"Value error, (.*?)\.?", r"\1"),
    (r"No such command 'help'\.", "No such command 'help'. t2vbatch --help lists the commands."),
    (r"Got unexpected extra argument(?:\(s\)|s)? \((.*)\)", r"Unexpected argument: \1"),
)


class PlainGroup(TyperGroup):
    """A group of commands whose help has whole sentences, and whose errors name what is expected."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands; typer's own ends each description at the width of the terminal."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in commands if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the context names."""
        try:
            return super().invoke(ctx)
        except _WRONG_CALL as error:
            hint = _hint(error.message, _options(error.ctx))
            error.message = plain(error.message) + hint
            raise


def plain(message: str) -> str:
    """The message in plain words, or as it is."""
    for pattern, words in _PLAIN:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return found.expand(words)
    return message


def _options(ctx: Any) -> Sequence[str]:
    """The options of the command that was called wrongly."""
    return [name for param in ctx.command.params for name in param.opts] if ctx else []


def _hint(message: str, options: Sequence[str]) -> str:
    """What to write instead of a key of the job that was given as an argument or an option; else empty."""
    if "--set" not in options:
        return ""
    if extra := re.search(r"extra arguments?(?:\(s\))? \((\S+)\)", message):
        if "=" in extra[1]:
            return f". To set a key of the job: --set {extra[1]}"
        return ". Each --set takes one argument: --set KEY=VALUE" if "--set" in sys.argv else ""
    if (option := re.search(r"No such option: --(\w+)", message)) and option[1] in _job_keys():
        return f". To set this key of the job: --set {option[1]}=VALUE"
    return ""


def _job_keys() -> Sequence[str]:
    from t2vbatch.job import Job  # Imported here, because help needs no pydantic.

    return list(Job.model_fields)
