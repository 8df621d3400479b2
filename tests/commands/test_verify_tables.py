"""What ``verify`` finds in tables and summaries that were edited after a run."""

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2vbatch.analysis.distance.result import Measured
from t2vbatch.commands.rebuild import rebuild
from t2vbatch.commands.verify import verify
from t2vbatch.output.store import open_store
from tests.commands.test_rebuild import _run


def problems(output: Path) -> list[str]:
    """What verify finds."""
    return [str(one) for one in verify(open_store(str(output))) if one is not None]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two rows with a column of the manifest and two scores."""
    rows = [{"id": "a", "prompt": "x", "style": "oil"}, {"id": "b", "prompt": "y", "style": "ink"}]
    return Path(_run(tmp_path_factory.mktemp("run"), rows, metrics=["flicker", "motion"]).output)


@pytest.fixture
def output(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run's output."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


def edit(path: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Write a table again with changed rows."""
    table = pq.read_table(path)
    pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), table.schema), path)


def set_first(**values: Any) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Change cells of the first row."""
    return lambda rows: [rows[0] | values, *rows[1:]]


def test_the_tables_of_a_run_have_no_problem(output: Path) -> None:
    """Tables and summary equal what the plan and the records give, also after they were written again."""
    assert problems(output) == []
    store = open_store(str(output))
    rebuild(store, store.read_plan(), store.read_job())
    assert problems(output) == []


@pytest.mark.parametrize("table", ["results.parquet", "metadata.parquet"])
@pytest.mark.parametrize(
    ("change", "word"),
    [
        (set_first(flicker=0.125), "column 'flicker'"),
        (set_first(flicker=None), "column 'flicker'"),
        (set_first(style="gouache"), "column 'style'"),
        (set_first(prompt="z"), "column 'prompt'"),
        (set_first(row_id="b"), "column 'row_id'"),
        (set_first(seed=7), "column 'seed'"),
        (lambda rows: rows[:1], "1 row"),
        (lambda rows: [*rows, rows[0]], "3 rows"),
        (lambda rows: rows[::-1], "column 'sample_id'"),
    ],
)
def test_an_edited_table_is_found(
    output: Path, table: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], word: str
) -> None:
    """A changed cell, a removed, an added and a moved row of a table are problems with their columns."""
    edit(output / table, change)
    found = problems(output)
    assert found
    assert all(table in problem for problem in found)
    assert any(word in problem for problem in found)


def test_an_added_and_a_removed_column_are_found(output: Path) -> None:
    """A column that neither plan nor records have, and one that is missing, are named."""
    table = pq.read_table(output / "results.parquet")
    table = table.drop_columns(["style"]).append_column("mine", pa.array([1.0, 2.0]))
    pq.write_table(table, output / "results.parquet")
    added, removed = problems(output)
    assert "'mine'" in added
    assert "'style'" in removed


@pytest.mark.parametrize("name", ["status", "mine"])
def test_a_table_with_hostile_columns_is_a_problem(output: Path, name: str) -> None:
    """A second column of a name, and one that claims to be a score, are problems and end no command."""
    path = output / "results.parquet"
    table, marked = pq.read_table(path), {b"t2vbatch": b"score"}
    column = pa.field(name, pa.string(), metadata=marked)
    pq.write_table(table.append_column(column, pa.array(["x", "y"])), path)
    (found,) = problems(output)
    assert repr(name) in found
    if name == "status":
        place = table.column_names.index(name)
        pq.write_table(table.set_column(place, column, table[name]), path)
        assert problems(output) == []


@pytest.mark.parametrize("content", ["{}", "[]", "[[1]]", "null", '{"counts": [1], "models": {"m": 3}}'])
def test_a_summary_of_another_shape_is_one_problem(output: Path, content: str) -> None:
    """JSON that is no summary is a problem and ends no command."""
    (output / "summary.json").write_text(content)
    (found,) = problems(output)
    assert "summary.json" in found


@pytest.mark.parametrize("model", [["m"], {"m": 1}, 3])
def test_distances_of_another_shape_are_one_problem(output: Path, model: object) -> None:
    """A distance whose model is not a text is a problem and ends no command."""
    known = {field.name: None for field in fields(Measured)} | {"notes": [], "left_out": {}, "name": "fvd"}
    (output / "distances.json").write_text(json.dumps([known | {"model": model}]))
    (found,) = problems(output)
    assert "distances.json" in found


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("counts.ok", lambda summary: summary["counts"].update(ok=3)),
        ("scores.flicker.mean", lambda summary: summary["models"]["m"]["scores"]["flicker"].update(mean=0.5)),
        ("scores.motion", lambda summary: summary["models"]["m"]["scores"].pop("motion")),
        ("models.n", lambda summary: summary["models"].update(n=summary["models"]["m"])),
    ],
)
def test_an_edited_summary_is_found(output: Path, key: str, change: Callable[[Any], Any]) -> None:
    """A count or a score of summary.json that the results do not give is one problem with its key."""
    summary = json.loads((output / "summary.json").read_text())
    change(summary)
    (output / "summary.json").write_text(json.dumps(summary))
    (found,) = problems(output)
    assert key in found
    assert "t2vbatch report" in found


@pytest.mark.parametrize("name", ["results.parquet", "metadata.parquet", "summary.json"])
@pytest.mark.parametrize("content", [None, b"no table"])
def test_a_missing_or_damaged_table_is_one_problem(output: Path, name: str, content: bytes | None) -> None:
    """A table that is missing or damaged is named with the command that writes it again."""
    (output / name).unlink()
    if content is not None:
        (output / name).write_bytes(content)
    (found,) = problems(output)
    assert name in found
    assert "t2vbatch report" in found


def test_a_column_named_as_a_score_is_compared_under_its_new_name(tmp_path: Path) -> None:
    """A manifest's column with the name of a score that no video has is found where it was renamed."""
    rows = [{"id": "a", "prompt": "x", "flicker": "high"}]
    output = Path(_run(tmp_path, rows, metrics=["flicker"]).output)
    assert problems(output) == []
    edit(output / "results.parquet", set_first(manifest_flicker="low"))
    (found,) = problems(output)
    assert "manifest_flicker" in found
