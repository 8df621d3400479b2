"""The help of every command fits the narrowest terminal that people use."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from t2vbatch.cli import app
from tests.reference import commands


@pytest.mark.parametrize("name", ["", *(name for name, _, _ in commands())])
def test_help_fits_a_terminal_of_80_columns(name: str) -> None:
    """No line of --help is wider than 80 columns, and the list of commands cuts no sentence."""
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "80"}).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize("group", [[], ["manifest"]])
def test_the_list_of_commands_has_whole_sentences(group: list[str]) -> None:
    """In 60 columns a description continues on the next line."""
    program = "import sys; from t2vbatch.cli import main; sys.argv[0] = 't2vbatch'; main()"
    command = [sys.executable, "-c", program, *group, "--help"]  # the runner of typer writes 80 columns
    environment = {**os.environ, "COLUMNS": "60"}
    shown = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    listed = shown.partition("Commands:")[2]
    assert "..." not in listed
    assert max(map(len, listed.splitlines())) <= 60
    assert " ".join(listed.split()).endswith(".")
