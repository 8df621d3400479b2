"""Manifests of very many columns are refused by their header, before a column is read."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2vbatch.manifest import check_manifest

COLUMNS = 50_000


def _parquet(path: Path, names: list[str]) -> None:
    pq.write_table(pa.table([pa.array(["a"])] * len(names), names=names), path)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_many_columns_are_one_problem(tmp_path: Path, suffix: str) -> None:
    """The message names the limit; comparing each name with each other one would take minutes."""
    path, names = tmp_path / f"m.{suffix}", [f"c{number}" for number in range(COLUMNS)]
    match suffix:
        case "parquet":
            _parquet(path, names)
        case "jsonl":
            path.write_text("".join(f'{{"prompt": "a", "{name}": 1}}\n' for name in names))
        case _:
            path.write_text(("," if suffix == "csv" else "\t").join(names) + "\n")
    (problem,) = check_manifest(str(path))
    assert "columns" in problem.found
    assert "limits.columns" in problem.expected


def test_columns_of_one_name_are_one_problem(tmp_path: Path) -> None:
    """Each name occurs once in a table."""
    _parquet(tmp_path / "m.parquet", ["a"] * COLUMNS)
    (problem,) = check_manifest(str(tmp_path / "m.parquet"))
    assert problem.found == "50,000 columns 'a' in m.parquet"


def test_many_fields_of_one_column_are_one_problem(tmp_path: Path) -> None:
    """A nested column counts by its fields, each of which Parquet stores as a column."""
    nested = pa.array([dict.fromkeys((f"f{number}" for number in range(COLUMNS)), 1)])
    pq.write_table(pa.table({"prompt": ["a"], "x": nested}), tmp_path / "m.parquet")
    (problem,) = check_manifest(str(tmp_path / "m.parquet"))
    assert problem.found == "50,001 fields in its columns"
    assert "32,000" in problem.expected
