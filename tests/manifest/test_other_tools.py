"""Text files as other tools write them: encodings, delimiters, marks, and files of another kind."""

import gzip
from pathlib import Path

import pytest

from t2vbatch.errors import ManifestError
from t2vbatch.manifest import read_manifest

TABLE = "prompt,seed\na cat,1\na dog,2\n"
READ: dict[str, tuple[str, bytes]] = {
    "utf-8": ("m.csv", TABLE.encode()),
    "utf-8 with a mark": ("m.csv", TABLE.encode("utf-8-sig")),
    "utf-8 with two marks": ("m.csv", b"\xef\xbb\xbf" + TABLE.encode("utf-8-sig")),
    "utf-16": ("m.csv", TABLE.encode("utf-16")),
    "utf-16-le": ("m.csv", TABLE.encode("utf-16-le")),
    "utf-16-be": ("m.csv", TABLE.encode("utf-16-be")),
    "utf-32": ("m.csv", TABLE.encode("utf-32")),
    "utf-32-le": ("m.csv", TABLE.encode("utf-32-le")),
    "utf-32-be": ("m.csv", TABLE.encode("utf-32-be")),
    "cr": ("m.csv", TABLE.replace("\n", "\r").encode()),
    "crlf": ("m.csv", TABLE.replace("\n", "\r\n").encode()),
    "mixed ends": ("m.csv", b"prompt,seed\r\na cat,1\ra dog,2\n"),
    "no last end": ("m.csv", TABLE.rstrip().encode()),
    "blank lines": ("m.csv", TABLE.replace("\n", "\n\n").encode()),
    "blank first lines": ("m.csv", b"\n\r\n" + TABLE.encode()),
    "an end mark of DOS": ("m.csv", TABLE.encode() + b"\x1a"),
    "an unnamed last column": ("m.csv", TABLE.replace("\n", ",\n").encode()),
    "blanks in the header": ("m.csv", TABLE.replace("prompt,seed", " prompt , seed ").encode()),
    "blanks around numbers": ("m.csv", b"prompt,seed\na cat, 1\na dog, 2 \n"),
    "whole floats": ("m.csv", b"prompt,seed\na cat,1.0\na dog,2e0\n"),
    "quoted cells": ("m.csv", b'"prompt","seed"\n"a cat","1"\n"a dog","2"\n'),
    "a separator line": ("m.csv", b"sep=,\r\n" + TABLE.encode()),
    "semicolons": ("m.csv", TABLE.replace(",", ";").encode()),
    "quoted semicolons": ("m.csv", TABLE.replace(",", ";").replace("a cat", ' "a cat"').encode()),
    "semicolons by a separator line": ("m.csv", b"sep=;\r\n" + TABLE.replace(",", ";").encode()),
    "tabs in csv": ("m.csv", TABLE.replace(",", "\t").encode()),
    "bars": ("m.csv", TABLE.replace(",", "|").encode()),
    "tsv with a separator line": ("m.tsv", b"sep=\t\n" + TABLE.replace(",", "\t").encode()),
    "blank lines between objects": (
        "m.jsonl",
        b'\n{"prompt":"a cat","seed":1}\n\n{"prompt":"a dog","seed":2.0}\n',
    ),
    "upper case": ("M.NDJSON", b'{"prompt":"a cat","seed":1}\n{"prompt":"a dog","seed":2}\n'),
}


@pytest.mark.parametrize("name", READ)
def test_two_rows_are_two_rows(tmp_path: Path, name: str) -> None:
    """Each file holds the same two rows."""
    file, data = READ[name]
    (tmp_path / file).write_bytes(data)
    rows = [(row.prompt, row.seed) for row in read_manifest(str(tmp_path / file))]
    assert rows == [("a cat", 1), ("a dog", 2)]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n"
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "commas in tsv": ("m.tsv", TABLE.encode(), "expected tabs between the cells"),
    "an unknown separator line": ("m.csv", b"sep=:\nprompt:seed\na:1\n", "a header with ':'"),
    "a comment": ("m.csv", b"# by a tool\n" + TABLE.encode(), "lines that begin with #"),
    "a zero byte": ("m.csv", b"prompt,x\na\0b,1\n", "a zero byte on line 2"),
    "only zero bytes": ("m.txt", bytes(200), "a zero byte on line 1"),
    "utf-16 without a mark": ("m.txt", "猫が走る\n犬\n".encode("utf-16-le"), "iconv -f UTF-16LE"),
    "latin-1": ("m.txt", "café\n".encode("latin-1"), "iconv -f CP1252"),
    "half of zstd under another name": (
        "m.csv",
        b"\x28\xb5\x2f\xfd" + bytes(9),
        "damaged zstd-compressed data",
    ),
    "zip under another name": ("m.csv", b"PK\3\4" + bytes(90), "a ZIP archive or an Office file"),
    "excel under another name": (
        "m.csv",
        b"PK\3\4" + bytes(26) + b"[Content_Types].xml",
        "an Excel workbook",
    ),
    "excel": ("m.xlsx", b"PK\3\4" + bytes(90), "export it as CSV in UTF-8"),
    "an old excel": ("m.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file"),
    "parquet under another name": ("m.csv", b"PAR1\x15\x04\x15" + bytes(9), "name the file .parquet"),
    "csv as parquet": ("m.parquet", TABLE.encode(), "unreadable Parquet"),
    "a pointer": ("m.csv", POINTER, "run git lfs pull"),
    "a pointer as parquet": ("m.parquet", POINTER, "run git lfs pull"),
    "a page": ("m.csv", b"<!DOCTYPE html>\n<html></html>\n", "an HTML page"),
    "an empty Arrow file": ("m.arrow", b"", "its end is missing"),
    "a page as parquet": ("m.parquet", b"\n<html></html>\n", "an HTML page"),
    "gzip as parquet": ("m.parquet", gzip.compress(TABLE.encode()), "unpack it first"),
    "a pretty object": ("m.jsonl", b'{\n  "prompt": "a"\n}\n', "a JSON object over several lines"),
    "tab": ("m.tab", TABLE.encode(), "name the file .tsv"),
    "no extension": ("manifest", b"a cat\n", "give a file with one prompt per line the extension .txt"),
    "half of feather": ("m.feather", b"ARROW1\0\0", "unreadable Arrow in m.feather (its end is missing)"),
    "old feather": ("m.feather", b"FEA1" + bytes(60), "a Feather file of version 1"),
    "a database": ("m.csv", b"SQLite format 3\0", "an SQLite database"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str) -> None:
    """One problem says what the file is or has, and what to do."""
    file, data, says = REFUSED[name]
    (tmp_path / file).write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        read_manifest(str(tmp_path / file))
    assert len(caught.value.problems) == 1
    assert says in str(caught.value)


@pytest.mark.parametrize("blank", ["\u200b", "\u00a0", "\u3000", "\ufeff", "\x0b", "\u2060\u200d"])
def test_an_invisible_prompt_is_blank(tmp_path: Path, blank: str) -> None:
    """A line of invisible characters gives no video."""
    (tmp_path / "m.txt").write_text(f"a cat\n{blank}\na dog\n", encoding="utf-8")
    assert [row.prompt for row in read_manifest(str(tmp_path / "m.txt"))] == ["a cat", "a dog"]


@pytest.mark.parametrize("line", ["P6 is a prompt", "BM", "ID3 player", "GIF of a cat", "%!PS art", "II RO"])
def test_a_prompt_is_no_mark_of_a_file(tmp_path: Path, line: str) -> None:
    """Words that are also the first bytes of media files are read as text."""
    (tmp_path / "m.txt").write_text(f"{line}\n", encoding="utf-8")
    assert [row.prompt for row in read_manifest(str(tmp_path / "m.txt"))] == [line]
