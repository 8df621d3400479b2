"""Compressed manifests and JSON arrays: the rows of the plain form, its checks and its limits."""

import bz2
import gzip
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from t2vbatch.errors import ManifestError
from t2vbatch.manifest import read_manifest
from t2vbatch.manifest.json_array import array_items
from t2vbatch.manifest.text import BadText

Pack = Callable[[bytes], bytes]

PACKED: dict[str, Pack] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}
ROWS: list[dict[str, object]] = [
    {"prompt": "a cat, running", "seed": 7, "note": "x"},
    {"prompt": 'says "hi" [x] {y}\u2028\\', "seed": None, "note": "é"},
    {"prompt": "猫", "seed": 2, "note": None},
]
TABLES = {
    "m.csv": 'prompt,seed,note\n"a cat, running",7,x\n"says ""hi"" [x] {y}\u2028\\",,é\n猫,2,\n',
    "m.tsv": 'prompt\tseed\tnote\na cat, running\t7\tx\nsays "hi" [x] {y}\u2028\\\t\té\n猫\t2\t\n',
    "m.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    "m.txt": "".join(f"{row['prompt']}\n" for row in ROWS),
}
ARRAYS: dict[str, str | bytes] = {
    "one line": json.dumps(ROWS),
    "a line each": "[" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "]\n",
    "indented": json.dumps(ROWS, indent=4, ensure_ascii=False),
    "CRLF and a mark": "\ufeff" + json.dumps(ROWS, indent=1).replace("\n", "\r\n"),
    "UTF-16": json.dumps(ROWS).encode("utf-16"),
    "lines": TABLES["m.jsonl"],
}


def complaint(path: Path, content: bytes | str) -> str:
    """The message of a manifest that is refused."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ManifestError) as caught:
        read_manifest(str(path))
    return str(caught.value)


@pytest.mark.parametrize(("suffix", "name"), list(itertools.product(PACKED, TABLES)))
def test_a_compressed_table_has_the_rows_of_the_plain_one(tmp_path: Path, suffix: str, name: str) -> None:
    """Rows, ids and notes are those of the plain file, also if its name does not show the compression."""
    data = TABLES[name].encode()
    (tmp_path / name).write_bytes(data)
    plain = read_manifest(str(tmp_path / name))
    assert [row.prompt for row in plain] == [row["prompt"] for row in ROWS]
    packed = PACKED[suffix](data[:20]) + PACKED[suffix](
        data[20:]
    )  # Parallel compressors write several parts.
    (tmp_path / (name + suffix)).write_bytes(packed)
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / name).write_bytes(packed)
    for path in (tmp_path / (name + suffix), tmp_path / "hidden" / name):
        read = read_manifest(str(path))
        assert (list(read), read.notes) == (list(plain), plain.notes)


def test_a_server_may_have_unpacked_the_table(tmp_path: Path) -> None:
    """A plain table whose name ends with .gz is read."""
    (tmp_path / "m.csv.gz").write_text("prompt\na cat\n")
    assert [row.prompt for row in read_manifest(str(tmp_path / "m.csv.gz"))] == ["a cat"]


@pytest.mark.parametrize("suffix", PACKED)
def test_problems_of_a_compressed_table_name_their_rows(tmp_path: Path, suffix: str) -> None:
    """Messages have the rows and lines of the plain table."""
    pack = PACKED[suffix]
    seed = complaint(tmp_path / f"m.csv{suffix}", pack(b"prompt,seed\na,1\nb,x\n"))
    assert "row 2, column 'seed'" in seed
    line = complaint(tmp_path / f"m.txt{suffix}", pack(b"a cat\ncaf\xe9\n"))
    assert "the byte 0xe9 on line 2, which is not UTF-8" in line


@pytest.mark.parametrize("suffix", PACKED)
def test_a_damaged_compressed_table_is_one_problem(tmp_path: Path, suffix: str) -> None:
    """A file without its end, or with other bytes in its middle, is refused as damaged."""
    data = PACKED[suffix]("".join(f"a cat of {n * n}\n" for n in range(20_000)).encode())
    middle = len(data) // 2
    for damaged in (data[:middle], data[:middle] + bytes(400) + data[middle + 400 :], data[:12]):
        assert "-compressed data (" in complaint(tmp_path / f"m.txt{suffix}", damaged)


def test_a_table_that_expands_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressed data may expand to 100 times their size; small files to 256 MiB."""
    monkeypatch.setattr("t2vbatch.manifest.compressed._LEAST_EXPANDED", 1 << 20)
    bomb = gzip.compress(b"\n" * (4 << 20))
    assert "expand to more than 100 times their size" in complaint(tmp_path / "m.csv.gz", bomb)
    assert "expand to more than 100 times their size" in complaint(tmp_path / "m.json.gz", bomb)


@pytest.mark.parametrize("name", ["m.parquet.gz", "m.tar.gz", "m.gz", "m.csv.xz", "m.csv.gz.gz", "m.csv.zip"])
def test_other_packed_files_are_refused_by_name(tmp_path: Path, name: str) -> None:
    """The message says to unpack them."""
    assert "unpack it first" in complaint(tmp_path / name, "x")


@pytest.mark.parametrize(("form", "name"), list(itertools.product(ARRAYS, ["m.json", "m.jsonl"])))
def test_an_array_has_the_rows_of_json_lines(tmp_path: Path, form: str, name: str) -> None:
    """Rows and ids are those of the same objects as lines, whatever the extension."""
    (tmp_path / "plain.jsonl").write_text(TABLES["m.jsonl"])
    content = ARRAYS[form]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert list(read_manifest(str(tmp_path / name))) == list(read_manifest(str(tmp_path / "plain.jsonl")))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "an empty file"),
        ('[\n{"prompt": "a"},\n\n{"prompt": NaN}]', "row 2: found NaN, which is not a JSON number on line 4"),
        ('[{"prompt": "a"},\n"b", 3]', "row 2: found 'b' on line 2; expected one JSON object per line, or"),
        ('[{"prompt": "a", "prompt": "b"}]', "the key 'prompt' twice"),
        ('[{"prompt": "a", "x": ' + "9" * 5000 + "}]", "row 1: found an integer of 5,000 digits"),
        ('[{"prompt": "a"},\n{"prompt": "b"}\n', "invalid JSON (no ',' where one is due) on line 3"),
        ('[{"prompt": "a"},\n{"prompt": "b', "invalid JSON (Unterminated string starting at) on line 2"),
        ('[{"prompt": "a"}\n{"prompt": "b"}]', "invalid JSON (no ',' where one is due) on line 2"),
        ('[{"prompt": "a"},]', "invalid JSON (Expecting value) on line 1"),
        ('[{"prompt": "a"}]\n[{"prompt": "b"}]', "invalid JSON (text after the array) on line 2"),
        ('[{"prompt": "a", "x": ' + "[" * 90_000, "invalid JSON (too much nesting) on line 1"),
        ('["a cat", "a dog"]', "a list on line 1; expected one JSON object per line, or an array of objects"),
    ],
)
def test_a_broken_array_is_refused_with_its_place(tmp_path: Path, content: str, says: str) -> None:
    """Problems of an item name its row and its line; a broken array names the line."""
    assert says in complaint(tmp_path / "m.json", content)


def test_items_are_found_across_parts() -> None:
    """The parts in which a text is read may end anywhere, also within a number or an escape."""
    items = [{"a": [1.5, ']\\"\n']}, 1234, "é", [], None]
    text = json.dumps(items, indent=1)
    for size in (1, 2, 7):
        parts = [text[at : at + size] for at in range(0, len(text), size)]
        assert [json.loads(item) for _, item in array_items(iter(parts))] == items


def test_a_long_array_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array in one line may be longer than the longest line; an item may not."""
    monkeypatch.setattr("t2vbatch.manifest.json_array._PART_CHARS", 1_000)
    monkeypatch.setattr("t2vbatch.manifest.text.LINE_CHARS", 5_000)
    rows = [{"prompt": f"prompt {n}"} for n in range(2_000)]
    (tmp_path / "m.json").write_text(json.dumps(rows))
    manifest = read_manifest(str(tmp_path / "m.json"))
    assert [row.prompt for row in manifest] == [row["prompt"] for row in rows]
    monkeypatch.setattr("t2vbatch.manifest.json_array.LINE_CHARS", 5_000)
    with pytest.raises(BadText, match="an item of more than 5,000 characters"):
        list(array_items(iter(['[{"a": "', *["x" * 1_000] * 9, '"}]'])))
