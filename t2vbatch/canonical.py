"""The one byte form of a value, and its digest: what identities and seeds are made of.  [pure]

Canonical form is JSON with sorted keys, no blanks, and two rules more: a float is written as Python's
shortest round-trip form and never as an integer (``9`` and ``9.0`` are two values), and bytes are written
as ``{"$sha256": digest}``. Anything else has no stable bytes and is refused by name, type and reason,
because a silent ``repr`` would give one value two identities.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

# Made once: a million ids are a million calls, and json.dumps would make an encoder for each.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_SURROGATE = re.compile("[\ud800-\udfff]")


class NotCanonicalError(TypeError):
    """A value has no canonical form. The message names the place, the type and what to write instead."""


def canonical(value: Any) -> bytes:
    """The canonical form of ``value`` as UTF-8 bytes.

    Args:
        value: None, bool, int, finite float, str, bytes, and lists, tuples and string-keyed mappings of them.

    Raises:
        NotCanonicalError: for everything else.
    """
    return _encode(_plain(value, "value")).encode()


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _plain(value: Any, place: str) -> Any:
    match value:
        case None | bool() | int():
            return value
        case str():
            if not value.isascii() and _SURROGATE.search(value):
                raise NotCanonicalError(f"{place}: text with a lone surrogate has no UTF-8 form")
            return value
        case float():
            if not math.isfinite(value):
                raise NotCanonicalError(
                    f"{place}: {value} is not a number one can compare; write a finite one"
                )
            return value
        case bytes():
            return {"$sha256": hashlib.sha256(value).hexdigest()}
        case list() | tuple():
            return [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
        case Mapping():
            return {_key(key, place): _plain(item, f"{place}.{key}") for key, item in value.items()}
        case _:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise NotCanonicalError(
                f"{place}: a {kind} has no stable bytes; write it as numbers, text, lists or mappings"
            )


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str) or key.startswith("$"):
        raise NotCanonicalError(
            f"{place}: the key {key!r} is not text, or begins with '$', which is reserved"
        )
    return key
