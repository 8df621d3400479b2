"""Extra columns of every Arrow type, with difficult names, through a run, its tables and its exports."""

import datetime
import decimal
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from t2vbatch.cli import app

JOB = """\
manifest: m.parquet
output: out
engine: inline
metrics: []
models:
  fake: {path: ., pipeline: "t2vbatch.models.fake:FakeModel", call: {num_frames: 2, height: 32, width: 32}}
"""

TYPES: dict[str, Any] = {
    "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
    "duration": pa.array([5, None], pa.duration("ms")),
    "time": pa.array([datetime.time(1, 2, 3), None]),
    "decimal": pa.array([decimal.Decimal("7.50"), None]),
    "large decimal": pa.array([decimal.Decimal("1" * 60), None], pa.decimal256(76)),
    "half": pa.array([1.5, float("nan")], pa.float16()),
    "objects": pa.array([[{"a": 1, "b": [b"x"]}], []]),
    "zone": pa.array([datetime.datetime(2026, 1, 1), None], pa.timestamp("us", "Europe/Berlin")),
    "nanoseconds": pa.array([123456789123456789, None], pa.timestamp("ns")),
    "unsigned": pa.array([2**64 - 1, None], pa.uint64()),
    "nothing": pa.nulls(2),
    "view": pa.array(["v", None], pa.string_view()),
    "view of bytes": pa.array([b"v\xff", None], pa.binary_view()),
    "list view": pa.array([["a"], None], pa.list_view(pa.string_view())),
    "fixed list": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
    "categories": pa.array(["x", None]).dictionary_encode(),
    "list of categories": pa.array([["x"], None], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    "infinite": pa.array([float("inf"), float("-inf")]),
}
NAMES = (
    "Prompt",
    "status",
    "video_notes",
    "clip_score",
    "日本",
    "a\nb",
    "x" * 300,
    "a.b",
    "$id",
    "__proto__",
)


def command(*line: object) -> None:
    """Run a command that succeeds."""
    done = CliRunner().invoke(app, [str(word) for word in line], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def test_columns_of_every_type_and_name_reach_all_tables(tmp_path: Path) -> None:
    """Each column is in the results, in metadata.parquet and in the JSON of a shard, and is verified."""
    names = {name: pa.array(["1", "2"]) for name in NAMES}
    pq.write_table(pa.table({"prompt": ["a", "b"], **TYPES, **names}), tmp_path / "m.parquet")
    (tmp_path / "job.yaml").write_text(JOB)
    for _ in range(2):
        command("run", tmp_path / "job.yaml")
    out = tmp_path / "out"
    command("verify", out)
    command("certify", out)
    command("check", out / "certificate.json", out)
    command("export", out, tmp_path / "hf", "--layout", "hf")
    command("export", out, tmp_path / "shards", "--layout", "webdataset")
    wanted = {*TYPES, *NAMES} - {"Prompt", "status", "video_notes"}
    for table in (out / "results.parquet", tmp_path / "hf" / "metadata.parquet"):
        found = pq.read_table(table).column_names
        assert wanted | {"manifest_Prompt", "manifest_status", "manifest_video_notes"} <= set(found)
        assert len({name.casefold() for name in found}) == len(found)
    with tarfile.open(tmp_path / "shards" / "000000.tar") as tar:
        [first, _] = [json.loads(_content(tar, one)) for one in tar if one.name.endswith(".json")]
    assert (first["view"], first["list view"], first["map"]) == ("v", ["a"], [["k", 1]])
    assert (first["large decimal"], first["unsigned"]) == ("1" * 60, 2**64 - 1)
