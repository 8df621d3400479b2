"""Tables as other programs write them: each is read right, or refused with the cause and what to do."""

import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from t2vbatch.errors import ManifestError
from t2vbatch.manifest import Manifest, read_manifest


def manifest(path: Path, content: str | bytes) -> Manifest:
    """The manifest with this content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_manifest(str(path))


READ: dict[str, tuple[str, str | bytes, list[str]]] = {
    "mixed line ends": ("m.csv", "prompt,seed\r\na,1\nb,2\rc,3\r\n", ["a", "b", "c"]),
    "line ends in cells": ("m.csv", 'prompt,seed\r\n"a\r\nb",1\n"c\nd",2\r\n', ["a\r\nb", "c\nd"]),
    "semicolons and a comma": ("m.csv", "prompt;note, extra\na, cat;1\n", ["a, cat"]),
    "semicolons in quotes": ("m.csv", 'x;prompt\n1;"a; cat"\n2; "a\ndog"\n', ["a; cat", "a\ndog"]),
    "semicolons in a prompt": ("m.csv", "prompt,x\na; cat,1;2\nb,3\n", ["a; cat", "b"]),
    "semicolons in one column": ("m.csv", "prompt\na; cat\nb | dog\n", ["a; cat", "b | dog"]),
    "semicolons in a quoted name": ("m.csv", '"a; b",prompt\n1,cat\n', ["cat"]),
    "a comma in a quoted name": ("m.csv", '"a, b";prompt\n1;cat\n', ["cat"]),
    "semicolons in a later name": ("m.csv", "prompt,a;b\ncat,1\n", ["cat"]),
    "quotes in TSV": ("m.tsv", 'prompt\tx\n"a cat" sits\t1\nsay "hi"\t2\n', ['"a cat" sits', 'say "hi"']),
    "marks of joined files": ("m.txt", "\ufeffa cat\n\ufeffa dog\n", ["a cat", "a dog"]),
    "UTF-16 without a mark": ("m.csv", "prompt,seed\na,1\n".encode("utf-16-le"), ["a"]),
    "UTF-16 the other way": ("m.txt", "a cat\n".encode("utf-16-be"), ["a cat"]),
    "UTF-32": ("m.csv", "prompt,seed\na,1\n".encode("utf-32"), ["a"]),
    "JSON Lines in UTF-16": ("m.jsonl", '{"prompt":"a"}\n'.encode("utf-16"), ["a"]),
    "JSON Lines with CR": ("m.jsonl", '{"prompt":"a"}\r{"prompt":"b"}\r', ["a", "b"]),
    "a line separator": ("m.jsonl", '{"prompt":"a\u2028b"}\n', ["a\u2028b"]),
    "a prompt that is JSON": (
        "m.txt",
        '{"camera": "low", "subject": "a cat"}\n',
        ['{"camera": "low", "subject": "a cat"}'],
    ),
    "a large integer": ("m.jsonl", '{"prompt":"a","x":123456789012345678901234567890}', ["a"]),
}


@pytest.mark.parametrize("name", READ)
def test_a_table_of_another_program_is_read(tmp_path: Path, name: str) -> None:
    """Line ends, marks, quotes and encodings change no prompt."""
    file, content, prompts = READ[name]
    assert [row.prompt for row in manifest(tmp_path / file, content)] == prompts


REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "commas in TSV": ("m.tsv", "prompt,seed\na,1\n", "name the file .csv"),
    "a zero byte": ("m.csv", b"prompt,seed\na\0b,1\n", "a zero byte on line 2"),
    "joined files": ("m.csv", b"prompt,x\na,1\n\xef\xbb\xbfprompt,x\nb,2\n", "row 2: found the header again"),
    "joined files of one column": ("m.csv", "prompt\na\nprompt\nb\n", "row 2: found the header again"),
    "Chinese in UTF-16": ("m.txt", "猫在跑\n狗\n".encode("utf-16-le"), "iconv -f UTF-16LE"),
    "half a character of UTF-16": ("m.csv", "prompt\na\n".encode("utf-16") + b"x", "invalid UTF-16"),
    "Shift JIS": ("m.txt", "猫が走る".encode("shift-jis"), "which is not UTF-8"),
    "a workbook": ("m.csv", b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "an Excel workbook"),
    "a workbook by its name": ("m.ods", b"PK", "export it as CSV in UTF-8"),
    "a page": ("m.csv", "\ufeff<!-- x -->\n<!DOCTYPE html><html>", "an HTML page"),
    "a key twice": ("m.jsonl", '{"prompt":"a","x":{"k":1,"k":2}}', "the key 'k' twice"),
    "infinity": ("m.jsonl", '{"prompt":"a","x":-Infinity}', "-Infinity, which is not a JSON number"),
    "a huge number": ("m.jsonl", '{"prompt":"a","x":1e400}', "beyond the range of a double"),
    "a huge integer": ("m.jsonl", '{"prompt":"a","x":' + "9" * 5000 + "}", "an integer of 5,000 digits"),
    "an object over lines": ("m.jsonl", '{\n "prompt": "a"\n}\n', "jq -c ."),
    "texts": ("m.jsonl", '"a cat"\n', "found 'a cat' on line 1; expected one JSON object per line"),
    "a code of zero": ("m.jsonl", '{"prompt":"a\\u0000b"}', "the character of code 0"),
    "another name": ("m.jl", '{"prompt":"a"}', "name the file .jsonl"),
    "JSON Lines as text": ("m.txt", '\n{"prompt": "a"}\n{"prompt": "b"}\n', "name the file .jsonl"),
    "xz": ("m.jsonl", lzma.compress(b"{}"), "xz-compressed data"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_cause(tmp_path: Path, name: str) -> None:
    """One message says what was found and what to do."""
    file, content, says = REFUSED[name]
    with pytest.raises(ManifestError) as caught:
        manifest(tmp_path / file, content)
    assert says in str(caught.value)


def test_a_joined_header_is_one_bad_row(tmp_path: Path) -> None:
    """The header in the middle of a file gives one problem, not one for each of its cells."""
    with pytest.raises(ManifestError) as caught:
        manifest(tmp_path / "m.csv", "prompt,seed\na,1\nprompt,seed\nb,2\n")
    assert len(caught.value.problems) == 1


ARROW: dict[str, pa.Array] = {
    "dictionary": pa.array(["a", "b"]).dictionary_encode(),
    "large text": pa.array(["a", "b"], pa.large_string()),
    "view": pa.array(["a", "b"], pa.string_view()),
    "bytes": pa.array([b"a", b"b"], pa.binary()),
}


@pytest.mark.parametrize("name", ARROW)
def test_every_type_of_text_is_text(tmp_path: Path, name: str) -> None:
    """Dictionaries, large texts, views and bytes are the same prompts."""
    pq.write_table(pa.table({"prompt": ARROW[name]}), tmp_path / "m.parquet")
    assert [row.prompt for row in read_manifest(str(tmp_path / "m.parquet"))] == ["a", "b"]


def test_columns_that_differ_by_case_are_kept_with_a_note(tmp_path: Path) -> None:
    """Readers that ignore case take such columns for one."""
    names = ["prompt", "Prompt", "size", "Size", "size "]
    pq.write_table(pa.table([[name] for name in names], names=names), tmp_path / "m.parquet")
    found = read_manifest(str(tmp_path / "m.parquet"))
    assert found.row(0).prompt == "prompt"
    assert found.row(0).columns == {name: name for name in names[1:]}
    [first, second] = found.notes
    assert "'prompt' and 'Prompt'" in first
    assert "'size', 'Size' and 'size '" in second


def _arrow(path: Path) -> None:
    feather.write_feather(pa.table({"prompt": ["a"]}), path)


def _cached(folder: Path) -> None:
    folder.mkdir()
    _arrow(folder / "cache-1234.arrow")


def _saved_splits(folder: Path) -> None:
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "state.json").write_text("{}")
    (folder / "dataset_dict.json").write_text('{"splits": ["train"]}')


def _split_folder(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.table({"prompt": ["a"]}), folder / "data" / "train-00000-of-00001.parquet")


def _compressed_parts(folder: Path) -> None:
    folder.mkdir()
    (folder / "part-0.csv.gz").write_bytes(b"")


def _image_folder(folder: Path) -> None:
    folder.mkdir()
    (folder / "metadata.csv").write_text("file_name,text\na.png,x\n")


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("m.parquet", _arrow, "name the file .arrow"),
        ("m", _cached, "datasets.load_from_disk(FOLDER).to_parquet(FILE)"),
        ("m", _saved_splits, "m/train"),
        ("m", _split_folder, "name the folder"),
        ("m", _compressed_parts, "part-0.csv.gz"),
        ("m", _image_folder, "metadata.csv"),
    ],
    ids=["Arrow as Parquet", "a cache", "saved splits", "a folder of splits", "parts", "an image folder"],
)
def test_datasets_of_other_libraries_are_refused_with_what_to_do(
    tmp_path: Path, name: str, make: Callable[[Path], None], says: str
) -> None:
    """A folder or file of another library names the file or the conversion that works."""
    make(tmp_path / name)
    with pytest.raises(ManifestError) as caught:
        read_manifest(str(tmp_path / name))
    assert says in str(caught.value)


def test_parts_are_read_in_natural_order(tmp_path: Path) -> None:
    """Part 2 comes before part 10."""
    for number in (1, 2, 10):
        pq.write_table(pa.table({"prompt": [str(number)]}), tmp_path / f"part-{number}.parquet")
    assert [row.prompt for row in read_manifest(str(tmp_path))] == ["1", "2", "10"]


def test_a_time_zone_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """The message names the zone, not a package."""
    when = pa.array([1], pa.timestamp("us", "Mars/Base"))
    pq.write_table(pa.table({"prompt": ["a"], "when": when}), tmp_path / "m.parquet")
    with pytest.raises(
        ManifestError, match=r"tz=Mars/Base\] without a Python value \(an unknown time zone\)"
    ):
        read_manifest(str(tmp_path / "m.parquet"))


def test_a_column_of_json_objects_keeps_its_numbers(tmp_path: Path) -> None:
    """An integer beyond 64 bits keeps its digits."""
    row = manifest(tmp_path / "m.jsonl", '{"prompt":"a","x":123456789012345678901234567890}').row(0)
    assert json.dumps(row.columns) == '{"x": 123456789012345678901234567890}'
