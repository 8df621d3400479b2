"""Whether a value suits a call argument: its kind by the annotation, finite, within limits.  [pure]"""

import json
import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from t2vbatch.job import Limits

Kinds = frozenset[str]
"""Some of ``whole``, ``number``, ``boolean``, ``text``, ``list`` and ``object``; empty: any value.

With ``list`` there may be the kinds of its items, such as ``whole items``, and their number (``2 items``).
With ``text`` there may be the choices, such as ``=auto``.
"""

ANY: Kinds = frozenset()
LIST: Kinds = frozenset({"list"})

LIMITED: Mapping[str, str] = {
    "height": "height",
    "width": "width",
    "num_frames": "num_frames",
    "video_length": "num_frames",
    "frames": "num_frames",
    "segment_frame_length": "num_frames",
    "num_inference_steps": "num_inference_steps",
}
"""Arguments that must be from 1 to the job's limit of this name, because memory and time grow with them."""

_WORDS: Mapping[str, str] = {
    "whole": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "text": "text",
    "list": "a list",
    "object": "a section of keys with values",
}
_TYPES: Mapping[Any, str] = {
    int: "whole",
    float: "number",
    bool: "boolean",
    str: "text",
    list: "list",
    tuple: "list",
    dict: "object",
}
NO_LIMIT = 2**62
"""A limit from here on is not shown: it stands for a job whose limits are not known yet."""

# Annotated as int in some pipelines, though a fraction is as good.
_FRACTIONAL_ITEMS = ("timesteps", "sigmas")
_INT64 = 2**63
_PLURALS: Mapping[str, str] = {
    "whole": "whole numbers",
    "number": "numbers",
    "boolean": "true or false",
    "text": "texts",
}
_FRACTIONAL = ("fps", "frame_rate", "target_fps")


def kinds_of(name: str, annotation: Any, default: Any = None) -> Kinds:
    """The kinds of values that an argument takes, by its annotation, or else by its default.

    Args:
        annotation: a type; None if it is not known. A type that no job can write, such as a tensor, leaves
            the argument unchecked.
    """
    if annotation is None:
        kinds = frozenset({_TYPES[type(default)]}) if type(default) in _TYPES else ANY
        # An integer default does not say that a fraction is wrong.
        kinds = frozenset({"number"}) if kinds == {"whole"} and name not in LIMITED else kinds
    else:
        found = _annotated(annotation)
        kinds = ANY if None in found else frozenset(kind for kind in found if kind)
    if kinds == {"whole"} and (name in _FRACTIONAL or name.endswith(("scale", "strength"))):
        return frozenset({"number"})
    return kinds


def details_of(name: str, annotation: Any, kinds: Kinds) -> Kinds:
    """The kinds of the items of a list, or the choices of a text, that belong to the kinds of an argument."""
    if "list" in kinds:
        return _items(name, annotation)
    return _choices(annotation) if "text" in kinds else ANY


def suited(value: Any, kinds: Kinds) -> Any:
    """The value in the form that the call takes: a whole float as an integer, a list written as text."""
    if "whole" in kinds and "number" not in kinds and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list) and "whole items" in kinds and "number items" not in kinds:
        return [int(one) if isinstance(one, float) and one.is_integer() else one for one in value]
    if (
        "text" in kinds
        and not kinds & set(_WORDS) - {"text"}
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    ):
        return str(value)
    if "list" in kinds and "text" not in kinds and isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            listed = json.loads(value)
        except ValueError:
            return value
        return suited(listed, kinds) if isinstance(listed, list) else listed
    return value


def argument_problem(name: str, value: Any, kinds: Kinds, limits: Limits) -> tuple[str, str] | None:
    """What was found and what was expected, if the value does not suit the argument."""
    if not _finite(value):
        return _shown(value), "finite numbers"
    if value is None:
        return None
    key = LIMITED.get(name)
    if key is not None and kinds <= {"whole", "number"} and kinds:
        most = getattr(limits, key)
        if _kind(value) != "whole" or not 1 <= value <= most:
            if most >= NO_LIMIT:
                return _shown(value), "a whole number of at least 1"
            return _shown(value), f"a whole number from 1 to {most:,}; limits.{key} in the job raises this"
    if kinds and not _suits(value, kinds):
        return _shown(value), _either(kinds)
    if "whole" in kinds and "number" not in kinds and isinstance(value, int | float) and abs(value) >= _INT64:
        return _shown(value), "a whole number of 64 bits"
    return _list_problem(value, kinds) or _choice_problem(value, kinds)


def size_problem(call: Mapping[str, Any], limits: Limits) -> tuple[str, str, str] | None:
    """Argument, found and expected, if the frames of one video are more than ``limits.video_bytes``."""
    frames = next((name for name in ("num_frames", "video_length", "frames") if name in call), None)
    count, height, width = call.get(frames or ""), call.get("height"), call.get("width")
    if frames is None or not (isinstance(count, int) and isinstance(height, int) and isinstance(width, int)):
        return None
    size = count * height * width * 3
    if size <= limits.video_bytes:
        return None
    found = f"{count} frames of {width} x {height}, {size:,} bytes"
    return frames, found, limits.bound("video_bytes", "bytes of frames in one video")


def _annotated(annotation: Any) -> list[str | None]:
    """The kind of each member of a type: ``""`` for None, and None for types that are not checked."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return [kind for part in get_args(annotation) for kind in _annotated(part)]
    if origin is Literal:
        return [_TYPES.get(type(choice)) for choice in get_args(annotation)]
    if annotation is NoneType:
        return [""]
    return [_TYPES.get(origin or annotation)]


def _items(name: str, annotation: Any) -> Kinds:
    """The kinds of the items of all lists in a type, and their number; nothing if some may be anything."""
    if get_origin(annotation) in (Union, UnionType):
        members = [part for part in get_args(annotation) if (get_origin(part) or part) in (list, tuple)]
    else:
        members = [annotation]
    inner = [part for member in members for part in get_args(member) if part is not Ellipsis]
    found = {_TYPES.get(part) for part in inner}
    if not found or not found <= {"whole", "number", "text", "boolean"} or not all(map(get_args, members)):
        return ANY
    if name in _FRACTIONAL_ITEMS:
        found = {"number"}
    fixed = (
        len(inner) > 1
        and len(members) == 1
        and get_origin(members[0]) is tuple
        and Ellipsis not in get_args(members[0])
    )
    return frozenset([*(f"{kind} items" for kind in found), *([f"{len(inner)} items"] if fixed else [])])


def _choices(annotation: Any) -> Kinds:
    """The texts that a Literal allows; nothing for a type that also takes any text."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    literals = [member for member in members if get_origin(member) is Literal]
    if not literals or str in members:
        return ANY
    return frozenset(f"={choice}" for member in literals for choice in get_args(member))


def _list_problem(value: Any, kinds: Kinds) -> tuple[str, str] | None:
    allowed = {kind.removesuffix(" items") for kind in kinds if kind.endswith(" items")}
    count = next((int(one) for one in allowed if one.isdecimal()), None)
    items = frozenset(one for one in allowed if not one.isdecimal())
    if not isinstance(value, list | tuple) or not items:
        return None
    if all(one is None or _suits(one, items) for one in value) and count in (None, len(value)):
        return None
    plural = " or ".join(_PLURALS[kind] for kind in _PLURALS if kind in items)
    return _shown(value), f"a list of {plural}" if count is None else f"a list of {count} {plural}"


def _choice_problem(value: Any, kinds: Kinds) -> tuple[str, str] | None:
    choices = sorted(kind[1:] for kind in kinds if kind.startswith("="))
    if not choices or str(value) in choices:
        return None
    return _shown(value), f"one of {', '.join(choices)}"


def _suits(value: Any, kinds: Kinds) -> bool:
    kind = _kind(value)
    fits = kind in kinds or (kind == "whole" and "number" in kinds)
    return fits or ("boolean" in kinds and kind == "whole" and value in (0, 1))


def _kind(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return "whole"
    return _TYPES.get(type(value), type(value).__name__)


def _finite(value: Any) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case list() | tuple():
            return all(map(_finite, value))
        case Mapping():
            return all(map(_finite, value.values()))
        case _:
            return True


def _either(kinds: Kinds) -> str:
    words = [_WORDS[kind] for kind in _WORDS if kind in kinds and not (kind == "whole" and "number" in kinds)]
    return " or ".join(words)


def _shown(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f"the text {value[:60]!r}"
        case int() | float():
            return f"the number {str(value)[:60]}"
        case list() | tuple():
            return f"the list {str(value)[:60]}"
        case Mapping():
            return f"the section {str(value)[:60]}"
        case _:
            return f"a {type(value).__name__}"
