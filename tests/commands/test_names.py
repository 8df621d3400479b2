"""No clash of names: ids, columns and keys that are equal on some disk or in some database stay apart."""

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from t2vbatch.commands.export import export_output
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.job import load_job
from t2vbatch.storage.names import folded
from tests.commands.test_run import _write

IDS = {
    "case": ["cat", "Cat", "CAT", "stra\u00dfe", "STRASSE"],
    "Unicode forms": ["caf\u00e9", "cafe\u0301", "\ufb01sh", "fish", "\u212b", "\u00c5"],
    "ends": ["dot", "dot.", "dot..", "dot ", " dot", ".dot"],
    "names of Windows": ["con", "CON", "aux.mp4", "nul", "com1", "lpt9.txt", "COM\u00b9"],
    "separators": ["a/b", "a\\b", "..", "../x", "/x", "a:b", "a*b", 'a"b', "a|b", "a?b", "a<b"],
    "long": ["x" * 300, "x" * 301, "\u00e9" * 200, "\U0001f600" * 80],
    "options": ["-rf", "--", "~", "$HOME", "%TEMP%"],
    "invisible": ["a\u200bb", "ab", "a\u00adb", "\u202eab"],
    "numbers": ["1", "01", "1.0", "1e0"],
}
COLUMNS = [
    "Status",
    "STATUS",
    "sample_ID",
    "Row_Id",
    "tag",
    "Tag",
    "caf\u00e9",
    "cafe\u0301",
    "FILE_NAME",
    "Bytes",
]
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run with a row for each id, and with columns like those of the results."""
    folder = tmp_path_factory.mktemp("names")
    rows = [
        {"id": name, "prompt": f"prompt {number}"} | {column: f"{column} {number}" for column in COLUMNS}
        for number, name in enumerate(_ids())
    ]
    model = {
        "path": "none",
        "pipeline": "t2vbatch.models.fake:FakeModel",
        "call": {"num_frames": 2, "height": 32, "width": 32},
    }
    job = _write(folder, rows, samples=1, models={"Fake": model, "fake": model})
    run_job(prepare(load_job(job)), engine_for)
    return folder / "out"


def _ids() -> list[str]:
    return [name for names in IDS.values() for name in names]


def _rows(file: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(file).to_pylist())


def test_every_row_has_a_video_of_its_own(output: Path) -> None:
    """Ids of every kind come back as they were, each with its own file."""
    rows = _rows(output / "results.parquet")
    made = [(row["row_id"], row["model"]) for row in rows if row["status"] == "ok"]
    assert sorted(made) == sorted((name, model) for model in ("Fake", "fake") for name in _ids())
    assert all((output / row["video"]).is_file() for row in rows)


def test_names_are_safe_on_every_disk(output: Path) -> None:
    """No two files are equal where case and Unicode forms are ignored, and Windows takes every name."""
    files = [path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()]
    assert len(set(map(folded, files))) == len(files)
    for part in {part for file in files for part in file.split("/")}:
        assert re.fullmatch(r"[A-Za-z0-9_.~-]+", part), part
        assert not part.endswith(".")
        assert not _RESERVED.fullmatch(part)
        assert len(part) <= 200


@pytest.mark.parametrize("table", ["results.parquet", "metadata.parquet"])
def test_columns_differ_where_case_is_ignored(output: Path, table: str) -> None:
    """SQL and Spark ignore case; every column of the manifest keeps its values under some name."""
    rows = _rows(output / table)
    names = list(rows[0])
    assert len(set(map(folded, names))) == len(names)
    for column in COLUMNS:
        values = {f"{column} {number}" for number in range(len(_ids()))}
        assert sum({row[name] for row in rows} == values for name in names) == 1, column


def test_exports_keep_every_row(output: Path, tmp_path: Path) -> None:
    """A Hugging Face folder names each video once; keys of a shard have no dot and are not equal."""
    export_output(str(output), tmp_path / "hf", "hf", partial=True)
    files = [row["file_name"] for row in _rows(tmp_path / "hf" / "metadata.parquet")]
    assert len(set(map(folded, files))) == len(set(files)) == len(_ids()), "equal models share their videos"
    assert len(files) == 2 * len(_ids())
    assert all((tmp_path / "hf" / file).is_file() for file in files)
    export_output(str(output), tmp_path / "wds", "webdataset", partial=True)
    with tarfile.open(next((tmp_path / "wds").glob("*.tar"))) as tar:
        members = tar.getnames()
        facts = [json.load(tar.extractfile(name)) for name in members if name.endswith(".json")]  # type: ignore[arg-type]
    keys = [name.partition(".")[0] for name in members]
    assert {keys.count(key) for key in keys} == {2}
    assert len(set(keys)) == 2 * len(_ids())
    assert sorted(one["row_id"] for one in facts) == sorted(2 * _ids())
