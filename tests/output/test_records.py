"""Records: what is written is read back, and nothing else is taken for one."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2vbatch.output.records import RECORDS, Record, to_table

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
    """Whatever a torn or foreign file holds."""
    with pytest.raises(ValueError, match=r"."):
        Record.from_json(data)


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
    """The message says which field."""
    with pytest.raises(
        ValueError, match=next(iter(change)) if "finished" not in str(change) else "yesterday"
    ):
        Record.from_json(json.dumps(_RECORD | change).encode())


def test_an_earlier_record_without_later_fields_is_one() -> None:
    """Fields that were added since are what they are by default."""
    assert Record.from_json(json.dumps(_RECORD).encode()).retry_reason is None
