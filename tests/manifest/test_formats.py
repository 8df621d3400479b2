"""Manifests of every format, local and remote, whole and broken."""

import gzip
import json
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2vbatch.errors import ManifestError
from t2vbatch.manifest import Limits, Manifest, check_manifest, read_manifest
from t2vbatch.storage.files import open_folder

ROWS = [
    {"id": "a", "prompt": "a red circle", "seed": 7, "steps": 25, "scale": 7.5, "loop": True, "note": "x, y"},
    {"id": "b", "prompt": 'says "hi"\nand leaves', "seed": None, "steps": None, "scale": 8.0, "loop": None},
    {"id": "007", "prompt": "ein grüner Würfel 🟩", "model": ["m1", "m2"], "zip": "01234"},
]


def write(path: Path, content: str | bytes) -> str:
    """Write a manifest; its path as a user types it."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def complaint(source: str) -> str:
    """What a user reads who gives this manifest."""
    with pytest.raises(ManifestError) as caught:
        read_manifest(source)
    return str(caught.value)


def write_rows(folder: Path, kind: str) -> str:
    """ROWS in a format, by the program that people use for it."""
    if kind == "jsonl":
        return write(folder / "m.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS))
    frame = pd.DataFrame(ROWS).convert_dtypes()
    if kind == "parquet":
        frame.to_parquet(folder / "m.parquet")
    else:
        frame["model"] = [None, None, "m1, m2"]
        frame.to_csv(folder / f"m.{kind}", index=False, sep="\t" if kind == "tsv" else ",")
    return str(folder / f"m.{kind}")


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_formats_say_the_same(tmp_path: Path, kind: str) -> None:
    """One table written as CSV, TSV, JSON Lines or Parquet gives the same rows, types included."""
    first, second, third = read_manifest(write_rows(tmp_path, kind))
    assert (first.row_id, first.prompt, first.seed, first.models) == ("a", "a red circle", 7, None)
    assert first.columns == {"steps": 25, "scale": 7.5, "loop": True, "note": "x, y"}
    assert isinstance(first.columns["steps"], int)
    assert (second.prompt, second.seed, second.columns) == ('says "hi"\nand leaves', None, {"scale": 8.0})
    assert (third.row_id, third.prompt, third.models) == ("007", "ein grüner Würfel 🟩", ("m1", "m2"))
    assert third.columns == {"zip": "01234"}


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_row_by_number_is_the_row_in_order(tmp_path: Path, kind: str) -> None:
    """Random access gives what iteration gives, and ends where the manifest ends."""
    manifest = read_manifest(write_rows(tmp_path, kind))
    assert [manifest.row(index) for index in range(len(manifest))] == list(manifest)
    with pytest.raises(IndexError):
        manifest.row(len(manifest))
    with pytest.raises(IndexError):
        manifest.row(-1)


def test_text(tmp_path: Path) -> None:
    """A text file has one prompt per line, taken as it is; blank lines and line endings do not count."""
    source = write(tmp_path / "m.txt", "\ufeffa cat\r\n\n  \na dog, running \nlast")
    assert [row.prompt for row in read_manifest(source)] == ["a cat", "a dog, running ", "last"]


def test_csv_of_excel(tmp_path: Path) -> None:
    """A byte order mark, CRLF and blank lines at the end, as spreadsheets write them, do not disturb."""
    source = write(tmp_path / "m.csv", "\ufeffprompt,seed\r\na cat,1\r\n\r\n")
    (row,) = read_manifest(source)
    assert (row.prompt, row.seed) == ("a cat", 1)


def test_csv_text_that_looks_like_nothing(tmp_path: Path) -> None:
    """Only an empty cell is null: 'NA', 'null' and 'nan' are prompts and notes like others."""
    source = write(tmp_path / "m.csv", "prompt,note\nNA,nan\nnull,\n")
    first, second = read_manifest(source)
    assert (first.prompt, first.columns) == ("NA", {"note": "nan"})
    assert (second.prompt, second.columns) == ("null", {})


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "", "-20"], pa.int64()),
        (["1", "2.5", "1e3"], pa.float64()),
        (["true", "False", "TRUE"], pa.bool_()),
        (["007", "8"], pa.large_string()),
        (["1", "x"], pa.large_string()),
        (["12345678901234567890", "1"], pa.large_string()),
        (["1e999", "1"], pa.large_string()),
        (["inf", "nan"], pa.large_string()),
    ],
)
def test_csv_types_lose_nothing(tmp_path: Path, cells: list[str], expected: pa.DataType) -> None:
    """A CSV column gets a type only where every cell of it reads back as what was written."""
    lines = "".join(f"p{index},{cell}\n" for index, cell in enumerate(cells))
    manifest = read_manifest(write(tmp_path / "m.csv", "prompt,x\n" + lines))
    assert manifest.columns == pa.schema([("x", expected)])
    if expected == pa.large_string():
        assert [row.columns["x"] for row in manifest] == cells


def test_types_hold_over_many_batches(tmp_path: Path) -> None:
    """A number that comes as text after 40,000 rows makes the column text, all of it as it was written."""
    lines = "".join(f"p{index},{index}\n" for index in range(40_000))
    manifest = read_manifest(write(tmp_path / "m.csv", f"prompt,x\n{lines}last,x1\n"))
    assert manifest.row(39_999).columns == {"x": "39999"}
    assert manifest.row(40_000).columns == {"x": "x1"}


def test_json_columns_may_come_late(tmp_path: Path) -> None:
    """A key that first occurs in the last of 40,000 lines is a column; nested values are kept."""
    lines = "".join(json.dumps({"prompt": f"p{index}"}) + "\n" for index in range(40_000))
    last = json.dumps({"prompt": "last", "tags": ["a", "b"], "meta": {"by": {"name": "n"}, "empty": {}}})
    manifest = read_manifest(write(tmp_path / "m.jsonl", lines + last))
    assert manifest.row(40_000).columns == {"tags": ["a", "b"], "meta": {"by": {"name": "n"}}}
    assert manifest.row(0).columns == {}


def test_json_objects_keep_their_own_fields(tmp_path: Path) -> None:
    """An object does not get the null fields that its column has for other rows' objects."""
    source = write(tmp_path / "m.jsonl", '{"prompt":"a","o":{"x":1}}\n{"prompt":"b","o":{"y":[{}, {"z":2}]}}')
    first, second = read_manifest(source)
    assert (first.columns, second.columns) == ({"o": {"x": 1}}, {"o": {"y": [None, {"z": 2}]}})


def test_every_extra_column_can_be_written_as_parquet(tmp_path: Path) -> None:
    """Columns that are null or empty throughout still have types that Parquet and pandas read."""
    line = '{"prompt":"a","none":null,"list":[],"deep":{"x":null,"y":[[]]},"bare":{}}'
    extra = read_manifest(write(tmp_path / "m.jsonl", line)).extra_table()
    pq.write_table(extra, tmp_path / "extra.parquet")
    assert not any("null" in str(field.type) for field in pq.read_schema(tmp_path / "extra.parquet"))


def test_parquet_folder_is_read_by_name(tmp_path: Path) -> None:
    """The files of a folder follow each other by name; a column that one of them lacks is null there."""
    pq.write_table(pa.table({"prompt": ["b"], "n": [1]}), tmp_path / "part-1.parquet")
    pq.write_table(pa.table({"prompt": ["a"]}), tmp_path / "part-0.parquet")
    pq.write_table(pa.table({"prompt": ["c"], "n": [0.5]}), tmp_path / "part-2.parquet")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "_metadata.parquet").write_bytes(b"not read")
    manifest = read_manifest(str(tmp_path))
    assert [(row.prompt, row.columns.get("n")) for row in manifest] == [("a", None), ("b", 1.0), ("c", 0.5)]


def test_parquet_folder_with_two_types(tmp_path: Path) -> None:
    """If files disagree about a column's type, the column is text, and a note says so."""
    pq.write_table(pa.table({"prompt": ["b"], "n": [1]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"prompt": ["a"], "n": ["x"]}), tmp_path / "1.parquet")
    manifest = read_manifest(str(tmp_path))
    assert [row.columns["n"] for row in manifest] == [1, "x"]
    assert manifest.extra_table()["n"].to_pylist() == ["1", "x"]
    assert manifest.notes == ("column 'n' has cells of different kinds and is kept as text",)


def test_parquet_types_stay(tmp_path: Path) -> None:
    """Dates, decimals, categories and structs stay what they are, in rows and in the extra table."""
    frame = pd.DataFrame({"prompt": ["a", "b"], "when": [pd.Timestamp("2026-01-01"), None], "n": [3, None]})
    frame["kind"] = pd.Categorical(["x", None])
    frame["n"] = frame["n"].astype("Int64")
    frame.to_parquet(tmp_path / "m.parquet")
    manifest = read_manifest(str(tmp_path / "m.parquet"))
    assert manifest.row(0).columns == {"when": pd.Timestamp("2026-01-01"), "n": 3, "kind": "x"}
    assert manifest.row(1).columns == {}
    assert pa.types.is_timestamp(manifest.columns.field("when").type)
    assert manifest.columns.field("n").type == pa.int64()


def test_pandas_index_is_no_content(tmp_path: Path) -> None:
    """The index that pandas writes beside the data is left out, and said: it would name rows by position."""
    frame = pd.DataFrame({"prompt": ["a", "b", "c", "d"]})
    frame[frame.prompt != "b"].to_parquet(tmp_path / "m.parquet")
    frame.to_csv(tmp_path / "m.csv")
    pd.read_csv(tmp_path / "m.csv").to_csv(tmp_path / "again.csv", index=False)
    for name in ("m.parquet", "m.csv", "again.csv"):
        manifest = read_manifest(str(tmp_path / name))
        assert list(manifest.columns.names) == []
        assert "left out" in manifest.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.txt", "", "no rows"),
        ("m.csv", "", "an empty file"),
        ("m.csv", "prompt,seed\n", "no rows"),
        ("m.jsonl", "\n\n", "an empty file"),
        ("m.parquet", "", "unreadable Parquet in m.parquet"),
        ("m.parquet", "PAR1 nonsense PAR1", "unreadable Parquet in m.parquet"),
        ("m.json", "", "an empty file"),
        ("m.csv.gz", "", "an empty file"),
        ("m.csv.xz", "", "unpack it first"),
        ("m.xlsx", "", "a file with the extension '.xlsx'; expected Parquet"),
        ("prompts", "a cat", "a file without an extension"),
        ("m.txt", "a cat\ncaf\xe9\n".encode("latin-1"), "the byte 0xe9 on line 2, which is not UTF-8"),
        ("m.csv", 'prompt\n"never ends\n', "broken CSV on line 2"),
        ("m.csv", 'prompt\n"a" b\n', "broken CSV on line 2"),
        ("m.csv", f"prompt\n{'x' * 200_000}\n", "limits.prompt_chars in the job raises this"),
        ("m.tsv", "prompt;seed\na;1\n", "a header with semicolons"),
        ("m.csv", "prompt,seed\na,1\nb\n", "row 2: found 1 cells; expected 2, as in the header"),
        ("m.csv", "prompt,x,x\na,1,2\n", "column 'x': found 2 columns of that name"),
        (
            "m.jsonl",
            '{"prompt": "a"}\n\n{"prompt": NaN}\n',
            "row 2: found NaN, which is not a JSON number on line 3",
        ),
        ("m.jsonl", '{"prompt": "a", "x": 1e999}', "1e999, which is beyond the range of a double on line 1"),
        ("m.jsonl", '{"prompt": "a"', "invalid JSON (Expecting ',' delimiter at character 15) on line 1"),
        ("m.jsonl", '["a"]', "a list on line 1; expected one JSON object per line"),
        ("m.jsonl", '{"prompt": "a", "prompt": "b"}', "the key 'prompt' twice"),
        ("m.jsonl", '{"prompt": "\\ud83d"}', "half of a surrogate pair on line 1"),
        ("m.jsonl", '{"prompt": "a", "x\\ud83d": 1}', "row 1: found half of a surrogate pair on line 1"),
        ("m.jsonl", '{"prompt": "a", "x": ' + "[" * 40 + "]" * 40 + "}", "too much nesting"),
        ("m.jsonl", '{"prompt": "a", "x": ' + "[" * 90_000 + "]" * 90_000 + "}", "too much nesting"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    """Empty, truncated, misnamed and malformed files are one message that says where and what."""
    assert says in complaint(write(tmp_path / name, content))


def test_endless_line(tmp_path: Path) -> None:
    """A file that is one line of 70 MB is refused instead of held."""
    for kind in ("txt", "csv", "jsonl"):
        assert "a line of 67,108,864 characters or more" in complaint(
            write(tmp_path / f"m.{kind}", b"x" * 70_000_000)
        )


def test_truncated_parquet(tmp_path: Path) -> None:
    """A Parquet file that lost its end, or bytes of its middle, is unreadable and nothing worse."""
    pq.write_table(
        pa.table({"prompt": [f"prompt {index}" for index in range(5000)]}), tmp_path / "whole.parquet"
    )
    data = (tmp_path / "whole.parquet").read_bytes()
    assert "unreadable Parquet" in complaint(write(tmp_path / "a.parquet", data[: len(data) // 2]))
    hole = data[:40] + bytes(2000) + data[2040:]
    assert "unreadable Parquet" in complaint(write(tmp_path / "b.parquet", hole))


def test_parquet_that_python_cannot_hold(tmp_path: Path) -> None:
    """A date beyond Python's years, and text that is not UTF-8, are problems of the manifest."""
    far = pa.array([2**40], pa.int64()).cast(pa.timestamp("s"))
    pq.write_table(pa.table({"prompt": ["a"], "when": far}), tmp_path / "far.parquet")
    assert "row 1, column 'when'" in complaint(str(tmp_path / "far.parquet"))
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers())
    pq.write_table(pa.table({"prompt": broken}), tmp_path / "utf.parquet")
    assert "Invalid UTF8" in complaint(str(tmp_path / "utf.parquet"))


def test_nothing_there(tmp_path: Path) -> None:
    """A missing path, an empty folder and a pipe have their own messages, and the pipe is not read."""
    assert "no such file or folder" in complaint(str(tmp_path / "missing.csv"))
    assert "no such file or folder" in complaint(str(tmp_path / "missing"))
    assert "a folder without Parquet files" in complaint(str(tmp_path))
    os.mkfifo(tmp_path / "pipe.csv")
    assert "neither a file nor a folder" in complaint(str(tmp_path / "pipe.csv"))
    assert "with the unknown scheme 'ftp'" in complaint("ftp://host/m.csv")
    unreachable = complaint("http://no-such-host.invalid/m.csv")
    assert unreachable.count("no-such-host") == 1
    assert "Errno" not in unreachable


def test_limits(tmp_path: Path) -> None:
    """Rows, columns and bytes are limited, and each limit can be raised."""
    csv = write(tmp_path / "m.csv", "prompt,x\na,1\nb,2\n")
    jsonl = write(tmp_path / "m.jsonl", '{"prompt":"a","x":1}\n{"prompt":"b"}')
    pq.write_table(pa.table({"prompt": ["a", "b"], "x": [1, 2]}), tmp_path / "m.parquet")
    for source in (csv, jsonl, str(tmp_path / "m.parquet")):
        assert check_manifest(source) == ()
        for key, value in (("rows", 1), ("columns", 1), ("manifest_bytes", 10)):
            [problem] = check_manifest(source, limits=Limits(**{key: value}))
            assert key.rpartition("_")[2] in problem.found
            assert problem.expected.endswith(f"limits.{key} in the job raises this")


@pytest.mark.parametrize(
    ("key", "row"),
    [("prompt_chars", {"prompt": "long"}), ("id_chars", {"id": "long"}), ("nesting", {"x": [[["deep"]]]})],
)
def test_limits_of_a_cell(tmp_path: Path, key: str, row: dict[str, object]) -> None:
    """The problem of a cell that is too long or too deep names the key that allows it."""
    source = write(tmp_path / "m.jsonl", json.dumps({"id": "a", "prompt": "b"} | row))
    [problem] = check_manifest(source, limits=Limits(**{key: 2}))
    assert problem.expected.endswith(f"limits.{key} in the job raises this")
    assert check_manifest(source, limits=Limits(**{key: 4})) == ()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifests_on_s3(tmp_path: Path, s3: str, kind: str) -> None:
    """A URI reads like a path: the same rows, and a missing file is one message."""
    local = write_rows(tmp_path, kind)
    folder = open_folder(f"{s3}/{tmp_path.name}")
    folder.write(f"m.{kind}", Path(local).read_bytes())
    remote = read_manifest(f"{folder.uri}/m.{kind}")
    assert list(remote) == list(read_manifest(local))
    assert remote.base == folder.uri
    assert "no such file or folder" in complaint(f"{folder.uri}/other.{kind}")


def test_a_saved_dataset_on_s3(tmp_path: Path, s3: str) -> None:
    """A prefix may also be a folder of datasets.save_to_disk, and a file there may be compressed."""
    folder = open_folder(f"{s3}/{tmp_path.name}")
    with pa.ipc.new_stream(tmp_path / "0.arrow", pa.schema([("prompt", pa.string())])) as writer:
        writer.write_table(pa.table({"prompt": ["a"]}))
    folder.write("saved/0.arrow", (tmp_path / "0.arrow").read_bytes())
    folder.write("saved/cache-1.arrow", b"")
    folder.write("saved/state.json", b'{"_data_files": [{"filename": "0.arrow"}]}')
    folder.write("m.csv.gz", gzip.compress(b"prompt\na\n"))
    for name in ("saved", "saved/0.arrow", "m.csv.gz"):
        assert [row.prompt for row in read_manifest(f"{folder.uri}/{name}")] == ["a"]


def test_parquet_folder_on_s3(tmp_path: Path, s3: str) -> None:
    """A prefix is a folder of Parquet; its media are read from beside them."""
    pq.write_table(pa.table({"prompt": ["a"], "video": ["clips/a.mp4"]}), tmp_path / "m.parquet")
    folder = open_folder(f"{s3}/{tmp_path.name}/train")
    folder.write("0.parquet", (tmp_path / "m.parquet").read_bytes())
    folder.write("clips/a.mp4", b"a video")
    manifest: Manifest = read_manifest(folder.uri)
    assert manifest.row(0).media["video"].read() == b"a video"
    assert "a folder without Parquet files" in complaint(f"{s3}/nothing/here")
