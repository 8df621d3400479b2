"""Records: what is written is read back, and any other data is refused."""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2vbatch.output.record_table import read_records, to_table
from t2vbatch.output.records import RECORDS, Record, check_rows, rows_where

_RECORD: dict[str, Any] = {
    "sample_id": "s",
    "row_id": "r",
    "model": "m",
    "sample_index": 0,
    "seed": 1,
    "status": "ok",
    "attempts": 1,
    "call": {"num_frames": 8},
}
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*RECORDS.names, "unknown"]), _VALUES, max_size=4))
def test_what_is_taken_for_a_record_makes_a_row(changes: dict[str, Any]) -> None:
    """Any JSON is either refused with a ValueError, or goes through the table and back."""
    try:
        record = Record.from_json(json.dumps(_RECORD | changes).encode())
    except ValueError:
        return
    assert to_table([record]).num_rows == 1
    assert Record.from_json(record.to_json()) == record


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_are_no_record(data: bytes) -> None:
    """Bytes of a torn or foreign file are refused as a record."""
    with pytest.raises(ValueError, match=r"."):
        Record.from_json(data)


@settings(deadline=None, max_examples=300)
@given(
    st.text(st.sampled_from("./~a \x00\n\x7fé\u200b"), max_size=8), st.sampled_from(["", "videos/", "videos"])
)
def test_names_of_videos_are_checked_alike_alone_and_together(name: str, start: str) -> None:
    """A name is refused in a table of many records exactly where it is refused in a single record."""
    record = _RECORD | {"video": start + name, "versions": {}, "scores": {}}
    table = pa.table({"status": ["ok"], "video": [start + name]})
    assert _is_refused(lambda: Record.from_json(json.dumps(record).encode())) == _is_refused(
        lambda: check_rows(table)
    )


@pytest.mark.parametrize("name", ["videos/a\n", "videos/\x1b[2J", "videos/a\u202eb", "videos", "records/a"])
def test_a_name_that_no_video_has_is_refused(name: str) -> None:
    """A name is printable, since messages show it, and below ``videos/``."""
    with pytest.raises(ValueError, match="not below videos/"):
        Record.from_json(json.dumps(_RECORD | {"video": name, "versions": {}, "scores": {}}).encode())


def _is_refused(check: Callable[[], object]) -> bool:
    try:
        check()
    except ValueError:
        return True
    return False


def test_rows_are_copied_only_where_some_are_left_out() -> None:
    """All rows are the table itself; a null in the mask leaves its row out."""
    table = pa.table({"a": [1, 2]})
    assert rows_where(table, pa.chunked_array([[True, True]])) is table
    assert rows_where(table, pa.chunked_array([[None, True]]))["a"].to_pylist() == [2]


@pytest.mark.parametrize(
    "change",
    [
        {"status": "fine"},
        {"sample_id": None},
        {"seed": "1"},
        {"seed": 2**63},
        {"attempts": True},
        {"fps": "8"},
        {"call": []},
        {"scores": {"clip_score": "high"}},
        {"finished_at": "yesterday"},
        {"prompt": 3},
    ],
    ids=str,
)
def test_a_wrong_type_is_named(change: dict[str, Any]) -> None:
    """The message about a wrong type names the field."""
    with pytest.raises(
        ValueError, match=next(iter(change)) if "finished" not in str(change) else "yesterday"
    ):
        Record.from_json(json.dumps(_RECORD | change).encode())


def test_an_earlier_record_without_later_fields_is_one() -> None:
    """Fields that an earlier version did not have get their defaults."""
    assert Record.from_json(json.dumps(_RECORD).encode()).retry_reason is None


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from([*RECORDS.names, "unknown"]), _VALUES, max_size=4))
def test_many_records_are_read_as_each_one(changes: dict[str, Any]) -> None:
    """The fast reader of many records gives the rows of the exact one, or refuses."""
    files = [json.dumps(_RECORD | {"sample_id": "t"}).encode(), json.dumps(_RECORD | changes).encode()]
    try:
        quick = read_records(files)
    except ValueError:
        return
    assert quick.equals(to_table(map(Record.from_json, files)))


def test_many_whole_records_are_read_at_once() -> None:
    """The fast reader accepts records with every kind of value."""
    full = {
        "prompt": "a ball \u2028 rolls",
        "prompt_truncated": False,
        "video": "videos/a.mp4",
        "fps": 8,
        "duration_s": 0.5,
        "versions": {"torch": "2", "ray": "1"},
        "finished_at": "2026-01-02T03:04:05.678901+02:00",
        "scores": {"b": 1, "a": None, "c": 1e-300},
    }
    files = [json.dumps(_RECORD | {"sample_id": str(number)} | full).encode() for number in range(3)]
    assert read_records(files).equals(to_table(map(Record.from_json, files)))


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity", "1" * 400])
@pytest.mark.parametrize("name", ["fps", "scores"])
def test_a_number_that_no_table_holds_is_refused(name: str, number: str) -> None:
    """Both readers refuse a number that no table can hold."""
    value = number if name == "fps" else f'{{"a": {number}}}'
    data = json.dumps(_RECORD)[:-1].encode() + f', "{name}": {value}}}'.encode()
    with pytest.raises(ValueError, match=r"."):
        read_records([data])
    with pytest.raises(ValueError, match=r"."):
        to_table([Record.from_json(data)])
