"""Types of Parquet columns: which ones hold texts, and what the message says about the others."""

import decimal
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2vbatch.manifest import Row, check_manifest, read_manifest
from tests.pictures import picture

TEXTS = ["a cat", "ein \u00d6l \u2603"]
BYTES = [text.encode() for text in TEXTS]
KINDS = {
    "string": pa.array(TEXTS),
    "large string": pa.array(TEXTS, pa.large_string()),
    "string view": pa.array(TEXTS, pa.string_view()),
    "categories": pa.array(TEXTS).dictionary_encode(),
    "binary": pa.array(BYTES, pa.binary()),
    "large binary": pa.array(BYTES, pa.large_binary()),
    "binary view": pa.array(BYTES, pa.binary_view()),
    "binary categories": pa.array(BYTES, pa.binary()).dictionary_encode(),
    "fixed length": pa.array([data.ljust(16, b"\0") for data in BYTES], pa.binary(16)),
}


def table(folder: Path, **columns: pa.Array) -> str:
    """A Parquet file with these columns, and prompts if none are given."""
    rows = len(next(iter(columns.values())))
    prompts = {} if "prompt" in columns else {"prompt": pa.array([f"p{row}" for row in range(rows)])}
    pq.write_table(pa.table({**prompts, **columns}), folder / "m.parquet")
    return str(folder / "m.parquet")


def rows(folder: Path, **columns: pa.Array) -> list[Row]:
    """The rows of that file."""
    return list(read_manifest(table(folder, **columns)))


def findings(folder: Path, **columns: pa.Array) -> list[tuple[int | None, str | None, str]]:
    """The problems of that file: row, column, found."""
    return [(one.row, one.column, one.found) for one in check_manifest(table(folder, **columns))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_the_same_text_in_every_type(tmp_path: Path, kind: str) -> None:
    """Old writers of Parquet store texts as bytes; they are the same prompts, ids and models."""
    found = rows(tmp_path, prompt=KINDS[kind], id=KINDS[kind], negative_prompt=KINDS[kind], model=KINDS[kind])
    assert [row.prompt for row in found] == TEXTS
    assert [row.row_id for row in found] == TEXTS
    assert [row.negative_prompt for row in found] == TEXTS
    assert [row.models for row in found] == [(text,) for text in TEXTS]


@pytest.mark.parametrize("kind", KINDS)
def test_the_type_of_a_text_does_not_change_an_id(tmp_path: Path, kind: str) -> None:
    """A table without ids has the same row ids, and so the same videos, in every type."""
    expected = [row.row_id for row in rows(tmp_path, prompt=KINDS["string"])]
    assert [row.row_id for row in rows(tmp_path, prompt=KINDS[kind])] == expected


@pytest.mark.parametrize("column", ["prompt", "id", "negative_prompt", "model"])
def test_bytes_that_are_no_text_are_a_problem_of_their_row(tmp_path: Path, column: str) -> None:
    """The problem of bytes that are not text has the row, the column and the expected encoding."""
    cells = pa.array([b"a", "\u00d6l".encode("latin-1")], pa.binary())
    assert findings(tmp_path, **{column: cells}) == [(2, column, "2 bytes that are not UTF-8")]


def test_a_path_may_be_bytes(tmp_path: Path) -> None:
    """A short text in bytes is the path of an image; the bytes of an image are an image."""
    (tmp_path / "a.png").write_bytes(picture())
    cells = pa.array([b"a.png", picture(color=9)], pa.binary())
    first, second = rows(tmp_path, image=cells)
    assert (first.media["image"].read(), second.media["image"].read()) == (picture(), picture(color=9))
    outside = pa.array([b"../a.png", b"/etc/hosts"], pa.binary())
    (tmp_path / "set").mkdir()
    assert [row for row, _, _ in findings(tmp_path / "set", image=outside)] == [1, 2]


def test_extra_texts_of_an_old_writer_are_texts(tmp_path: Path) -> None:
    """A file without any marked text has its texts in bytes; in other files, bytes are bytes."""
    cells = pa.array([b"indoor", b"outdoor"], pa.binary())
    digests = pa.array([b"\xff\x00", b"ab"], pa.binary())
    found = rows(tmp_path, prompt=cells, topic=cells, digest=digests)
    assert [row.columns["topic"] for row in found] == ["indoor", "outdoor"]
    assert [row.columns["digest"] for row in found] == [b"\xff\x00", b"ab"]
    marked = rows(tmp_path, prompt=pa.array(TEXTS), topic=cells)
    assert [row.columns["topic"] for row in marked] == [b"indoor", b"outdoor"]


def test_a_uuid_is_its_text(tmp_path: Path) -> None:
    """A UUID is read as its text, as an id and as an extra column."""
    ids = [uuid.UUID(int=number) for number in (1, 2**127)]
    cells = pa.array([one.bytes for one in ids], pa.uuid())
    found = rows(tmp_path, id=cells, batch=cells)
    assert [row.row_id for row in found] == [str(one) for one in ids]
    assert [row.columns["batch"] for row in found] == [str(one) for one in ids]


@pytest.mark.parametrize(
    ("cell", "kind", "found"),
    [
        (decimal.Decimal("2.50"), pa.decimal128(5, 2), "the decimal 2.50"),
        (["a", "b"], pa.list_(pa.string()), "a list"),
        ({"text": "a"}, pa.struct([("text", pa.string())]), "an object"),
        ([("a", "b")], pa.map_(pa.string(), pa.string()), "a list"),
        (2, pa.int8(), "the number 2"),
        (2.5, pa.float32(), "the number 2.5"),
        (True, pa.bool_(), "true"),
        (7, pa.date32(), "the date 1970-01-08"),
    ],
    ids=str,
)
def test_a_prompt_of_another_type_is_shown(tmp_path: Path, cell: Any, kind: pa.DataType, found: str) -> None:
    """The message about a prompt of another type shows the value and its kind."""
    assert findings(tmp_path, prompt=pa.array([cell], kind)) == [(1, "prompt", found)]


def test_a_column_of_nulls_is_an_empty_column(tmp_path: Path) -> None:
    """Columns without a type have no values: no negative prompts, and no prompts."""
    nulls = pa.nulls(2)
    assert [row.negative_prompt for row in rows(tmp_path, negative_prompt=nulls, seed=nulls)] == [None, None]
    assert findings(tmp_path, prompt=nulls) == [(1, None, "no content"), (2, None, "no content")]


def test_whole_decimals_are_integers(tmp_path: Path) -> None:
    """Whole decimals, as in NUMERIC columns of databases, are read as ids, seeds and samples."""
    cells = pa.array([decimal.Decimal("7.00")], pa.decimal128(9, 2))
    [row] = rows(tmp_path, id=cells, seed=cells, samples=cells)
    assert (row.row_id, row.seed, row.samples) == ("7", 7, 7)
