"""Writes docs/reference.md: every command with its help, and every key of a job, as the program has them.

python -m tests.reference
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from typer.core import TyperGroup

from t2vbatch.cli import app
from t2vbatch.job import keys

FILE = Path(__file__).parent.parent / "docs" / "reference.md"
_WIDTH = 100
_HEADER = """\
# Reference

Commands and job keys, as the program has them: `make reference` writes this page, and a test compares the
two.

## Commands
"""


def commands() -> Iterator[tuple[str, Any, TyperGroup | Any]]:
    """Every command as it is typed, with its click command and the group that holds it."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    for name, command in root.commands.items():
        if isinstance(command, TyperGroup):
            yield from ((f"{name} {sub}", inner, command) for sub, inner in command.commands.items())
        else:
            yield name, command, root


def reference() -> str:
    """The text of docs/reference.md."""
    parts = [_HEADER]
    for name, command, _ in commands():
        context = command.make_context(name, [], resilient_parsing=True, max_content_width=_WIDTH)
        context.terminal_width = _WIDTH
        context.info_name = f"t2vbatch {name}"
        parts.append(f"### t2vbatch {name}\n\n```text\n{command.get_help(context).strip()}\n```\n")
    parts.append("## Job keys\n\nTypes and defaults are in [jobs/README.md](../jobs/README.md#keys).\n")
    rows = [f"| `{key}` | {text} |" for key, text in keys().items()]
    parts.append("\n".join(["| key | meaning |", "| --- | --- |", *rows]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(reference())
