"""The help of every command fits the narrowest terminal that people use."""

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
