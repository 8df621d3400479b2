"""The tables and the report of a run: when they are written again, and copies of input images."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import Result, run_job
from t2vbatch.engines import engine_for
from t2vbatch.job import load_job


def _run(folder: Path, rows: list[dict[str, str]], **changes: object) -> Result:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    model = {"path": str(folder / "faults"), "pipeline": "t2vbatch.models.fake:FakeModel"}
    job = {"manifest": "rows.jsonl", "output": "out", "metrics": [], "engine": "inline"}
    (folder / "job.yaml").write_text(yaml.safe_dump(job | {"models": {"m": model}} | changes), "utf-8")
    return run_job(prepare(load_job(folder / "job.yaml")), engine_for)


def _versions(folder: Path) -> dict[str, int]:
    """Each table and each file of the report, with the time at which it was written."""
    out = folder / "out"
    files = [*out.rglob("report/**/*.*"), *out.glob("*.parquet"), out / "summary.json", out / "status.json"]
    return {file.name: file.stat().st_mtime_ns for file in files if file.name != "plan.parquet"}


ROWS = [{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"}]


def test_a_run_with_nothing_to_do_writes_no_table_and_no_report(tmp_path: Path) -> None:
    """A run with nothing to do changes no file of tables and report, and has the summary of the first run."""
    first = _run(tmp_path, ROWS)
    before = _versions(tmp_path)
    second = _run(tmp_path, ROWS)
    assert _versions(tmp_path) == before
    assert second.summary == first.summary


_FILES = [
    "results.parquet",
    "metadata.parquet",
    "summary.json",
    "status.json",
    "report/index.html",
    "report/data.js",
    "report/page.js",
]


@pytest.mark.parametrize("name", [*_FILES, "report/posters"])
def test_a_run_with_nothing_to_do_writes_a_deleted_file_again(tmp_path: Path, name: str) -> None:
    """A table, a file of the page or a poster that was deleted comes back with the same bytes."""
    _run(tmp_path, ROWS)
    file = tmp_path / "out" / name
    file = min(file.iterdir()) if file.is_dir() else file
    whole = file.read_bytes()
    file.unlink()
    _run(tmp_path, ROWS)
    _check_restored(file, whole)


@pytest.mark.parametrize("name", _FILES)
def test_a_run_with_nothing_to_do_mends_a_cut_file(tmp_path: Path, name: str) -> None:
    """A table or a file of the page that was cut has its bytes again."""
    _run(tmp_path, ROWS)
    file = tmp_path / "out" / name
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    _run(tmp_path, ROWS)
    _check_restored(file, whole)


def _check_restored(file: Path, whole: bytes) -> None:
    if file.name == "status.json":
        assert json.loads(file.read_bytes())["complete"]
    else:
        assert file.read_bytes() == whole


def test_a_run_with_nothing_to_do_follows_edits_of_notes_and_keys(tmp_path: Path) -> None:
    """A column that no call reads, and a key of the report, change tables and page without a new video."""
    _run(tmp_path, ROWS)
    noted = [row | {"topic": "sea"} for row in ROWS]
    assert _run(tmp_path, noted).made == 0
    assert pq.read_table(tmp_path / "out/results.parquet")["topic"].to_pylist() == ["sea", "sea"]
    assert _run(tmp_path, noted, report={"max_videos": 1}).made == 0
    assert "1 of 2" in (tmp_path / "out/report/index.html").read_text("utf-8")


def test_the_report_has_copies_of_input_images(tmp_path: Path) -> None:
    """A row with an image has a small copy beside the page; a row without an image has none."""
    Image.new("RGB", (640, 480), "red").save(tmp_path / "a.png")
    rows = [{"id": "with", "prompt": "x", "image": "a.png"}, {"id": "without", "prompt": "y"}]
    _run(tmp_path, rows)
    (copy,) = (tmp_path / "out" / "report" / "inputs").iterdir()
    assert Image.open(copy).size == (320, 240)
    data = (tmp_path / "out" / "report" / "data.js").read_text("ascii")
    assert (
        json.dumps(json.dumps({"with": [["image", f"inputs/{copy.name}"]]}, separators=(",", ":")))[1:-1]
        in data
    )
