"""The canonical form: one value, one byte string, and a refusal for everything else."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2vbatch.canonical import NotCanonicalError, canonical, digest

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_KEYS = _TEXT.filter(lambda key: not key.startswith("$"))
_VALUES = st.recursive(
    _SCALARS | _TEXT | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner),
    max_leaves=20,
)


@given(_VALUES)
def test_every_plain_value_has_a_form(value: Any) -> None:
    """The form is UTF-8 JSON, and the same each time."""
    assert canonical(value) == canonical(value)
    json.loads(canonical(value))


@given(st.dictionaries(_KEYS, _SCALARS, min_size=2))
def test_the_order_of_keys_does_not_count(value: dict[str, Any]) -> None:
    """A mapping written in another order is the same mapping."""
    assert canonical(value) == canonical(dict(reversed(value.items())))


@pytest.mark.parametrize(
    ("one", "other"),
    [(9, 9.5), (1, True), ("1", 1), (None, "null"), (b"a", "a"), ([1], [[1]]), ({"a": 1}, [["a", 1]])],
)
def test_different_values_have_different_forms(one: Any, other: Any) -> None:
    """Values of different meaning have different identities."""
    assert digest(one) != digest(other)


@pytest.mark.parametrize(
    ("one", "other"), [(5, 5.0), (0, -0.0), ([1, 2], [1.0, 2.0]), ({"a": 5}, {"a": 5.0}), (2**52, 2.0**52)]
)
def test_a_whole_number_has_one_form(one: Any, other: Any) -> None:
    """Whether a column is read as integers or floats depends on its other rows, and changes no identity."""
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "finite"),
        ({"a": {"b": [0, math.inf]}}, "value.a.b[1]: inf"),
        (math.inf, "finite"),
        (Path("x"), "pathlib"),
        ({1, 2}, "builtins.set"),
        ({"a": [object()]}, "value.a[0]"),
        ({"$sha256": "x"}, "reserved"),
        ({1: "x"}, "not text"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_has_no_stable_bytes_is_refused(value: Any, said: str) -> None:
    """The message about a value without a canonical form names its place, and its type or the rule."""
    with pytest.raises(NotCanonicalError, match=said.replace("[", r"\[")):
        canonical(value)


def test_the_form_is_pinned() -> None:
    """The canonical form has fixed bytes, because a change would give every sample a new identity."""
    value = {"b": [1, 2.5, None, True], "a": "é", "c": b"x"}
    assert canonical(value).decode() == (
        '{"a":"é","b":[1,2.5,null,true],'
        '"c":{"$sha256":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}}'
    )
