"""The one byte form of a value, and its digest: identities and seeds are made from it.  [pure]

The canonical form is JSON with sorted keys, no spaces, and two more rules. A float without a fraction is
written as an integer, so that ``5`` and ``5.0`` are one value: whether a column of numbers is read as
integers or as floats depends on its other rows. Bytes are written as ``{"$sha256": digest}``. Every other
type is refused by name, because a silent ``repr`` would give one value two identities.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

# Made once: json.dumps would make an encoder at each of a million calls.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXACT = 2**53  # Up to here a float64 holds every integer.


class NotCanonicalError(TypeError):
    """A value has no canonical form. The message names the place, the type and what to write instead."""


def canonical(value: Any) -> bytes:
    """The canonical form of ``value`` as UTF-8 bytes.

    Args:
        value: None, bool, int, finite float, str, bytes, and lists, tuples and string-keyed mappings of them.

    Raises:
        NotCanonicalError: for every other value.
    """
    try:
        return _encode(_plain(value)).encode()
    except NotCanonicalError:
        # The second walk knows the place of each value; the first one is faster without.
        _check(value, "value")
        raise


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def whole(number: float) -> int | float:
    """The number, as an integer if it has no fraction and a float64 holds it exactly."""
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        if not value.isascii() and _SURROGATE.search(value):
            raise NotCanonicalError("text with a lone surrogate has no UTF-8 form")
        return value
    if value is None or kind is int or kind is bool:
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotCanonicalError(f"{value} is not a finite number; write a finite one")
        return whole(float(value))
    if isinstance(value, bytes):
        return {"$sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return _plain(str(value))
    if isinstance(value, int):
        return int(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    raise NotCanonicalError(f"a {name} has no canonical form; write it as numbers, text, lists or mappings")


def _key(key: Any) -> str:
    if not isinstance(key, str) or key.startswith("$"):
        raise NotCanonicalError(f"the key {key!r} is not text, or begins with '$', which is reserved")
    return key


def _check(value: Any, place: str) -> None:
    """Raise the error of ``_plain`` with the place of the value that has no canonical form."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check(item, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{place}[{index}]")
    try:
        _plain(value)
    except NotCanonicalError as error:
        raise NotCanonicalError(f"{place}: {error}") from None
