"""Reading JSON without a silent loss: equal keys, NaN and numbers beyond a double are errors.  [pure]

Every error is a ValueError with what was found.
"""

import json
import math
from typing import Any

_MOST_DIGITS = 309
"""Digits of the largest double."""


def unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    """The fields of an object, each once; None without fields."""
    if not pairs:
        return None  # Parquet has no type for an object without fields
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} twice in an object")
    return fields


def _no_number(text: str) -> None:
    raise ValueError(f"{text}, which is not a JSON number")


def integer(text: str) -> int:
    """An integer of JSON."""
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"an integer of {len(text):,} digits, which is beyond the range of a double")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]}, which is beyond the range of a double")
    return value


# Made once, because json.loads with options makes a decoder for each line.
SCANNER = json.JSONDecoder()
DECODER = json.JSONDecoder(
    object_pairs_hook=unique_fields, parse_constant=_no_number, parse_float=_finite, parse_int=integer
)
