"""Plain words for a wrong value of an option: typer shows those of pydantic, which are for programmers."""

import re
from typing import Any

import typer
from typer.core import TyperGroup

_PLAIN = (
    (r"Input should be a valid integer.*", "expected a whole number"),
    (r"Input should be a valid number.*", "expected a number"),
    (r"Input should be greater than or equal to (\S+)", r"expected \1 or more"),
    (r"Input should be less than or equal to (\S+)", r"expected \1 or less"),
    (r"Value error, (.*?)\.?", r"\1"),
)


class PlainGroup(TyperGroup):
    """A group of commands whose errors name what is expected."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the context names."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = plain(error.message)
            raise


def plain(message: str) -> str:
    """The message in plain words, or as it is."""
    for pattern, words in _PLAIN:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return found.expand(words)
    return message
