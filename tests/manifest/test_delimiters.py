"""CSV with semicolons: notes and decimal commas."""

from pathlib import Path

import pytest

from t2vbatch.errors import ManifestError
from t2vbatch.job import Columns
from t2vbatch.manifest import read_manifest
from t2vbatch.manifest.read import ManifestOptions


@pytest.mark.parametrize(
    "columns",
    [Columns(), Columns(rename={"x": "y"}), Columns(ignore=["x"])],
    ids=["plain", "renamed", "ignored"],
)
def test_a_note_names_the_delimiter(tmp_path: Path, columns: Columns) -> None:
    """The note stays if the job renames or ignores columns."""
    (tmp_path / "m.csv").write_text("prompt;x\na, b;1\n")
    found = read_manifest(str(tmp_path / "m.csv"), options=ManifestOptions(columns=columns))
    assert [row.prompt for row in found] == ["a, b"]
    assert [note for note in found.notes if "semicolons" in note]


def test_a_decimal_comma_is_not_a_number(tmp_path: Path) -> None:
    """The seed 1,5 is a problem, and an extra column keeps its text."""
    (tmp_path / "m.csv").write_text("prompt;seed\na;1,5\n")
    with pytest.raises(ManifestError, match="'1,5'"):
        read_manifest(str(tmp_path / "m.csv"))
    (tmp_path / "m.csv").write_text("prompt;share\na;1,5\n")
    [row] = read_manifest(str(tmp_path / "m.csv"))
    assert row.columns == {"share": "1,5"}
