"""The problems that pydantic finds, in plain words: where, found, expected.  [pure]

Owns the wording. The expected value is described from the field's type, bounds and description, because
pydantic writes its own messages for programmers.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from t2vbatch.errors import closest, nearest
from t2vbatch.job.yaml_syntax import Path


@dataclass(frozen=True)
class ValueProblem:
    """One wrong or missing value: the parts of a UsageError except its place."""

    found: str
    expected: str
    fix: str = ""


def problems(error: ValidationError, schema: type[BaseModel], data: object) -> dict[Path, ValueProblem]:
    """Every problem that a validation found, by the path of the value.

    Args:
        schema: the class that validated.
        data: the validated data.
    """
    found: dict[Path, ValueProblem] = {}
    details = error.errors()
    meant = {_meant(detail, schema) for detail in details}
    for detail in details:
        path = _path(detail["loc"], data)
        if detail["type"] == "missing":
            path = (*path, detail["loc"][-1])
        # pydantic reports a value that fits none of several types once for each type. A misspelt key is a
        # better message than the missing right one.
        if path not in found and not (detail["type"] == "missing" and path in meant):
            found[path] = _explained(detail, path, schema)
    return found


def unknown_paths(error: ValidationError, data: object) -> list[Path]:
    """The paths of the unknown keys."""
    return [_path(detail["loc"], data) for detail in error.errors() if detail["type"] == "extra_forbidden"]


def wrong_paths(error: ValidationError, schema: type[BaseModel], data: object) -> frozenset[Path]:
    """The paths of all wrong, missing and unknown keys, and of the known keys that the unknown ones mean."""
    meant = {_meant(detail, schema) for detail in error.errors()}
    return frozenset(problems(error, schema, data)) | {path for path in meant if path is not None}


def _explained(detail: Any, path: Path, schema: type[BaseModel]) -> ValueProblem:
    # An error of a whole section has no place within it.
    if detail["loc"][-1:] == ("[key]",):  # A mapping with fixed keys: 'wandb' or 'mlflow'
        return ValueProblem(
            "an unknown key", nearest(str(detail["input"]), re.findall(r"'(.*?)'", detail["ctx"]["expected"]))
        )
    match detail["type"]:
        case "extra_forbidden":
            near = nearest(str(path[-1]), _keys(schema, path[:-1]))
            return ValueProblem("an unknown key", near or "no keys here")
        case "missing":
            return ValueProblem("nothing", expected(schema, path), f"write {path[-1]}: ...")
        case "value_error":
            return ValueProblem(shown(detail["input"]), detail["msg"].removeprefix("Value error, "))
        case _:
            fix = _as_section(detail["input"], path, schema)
            return ValueProblem(shown(detail["input"]), expected(schema, path), fix)


def _as_section(value: object, path: Path, schema: type[BaseModel]) -> str:
    """How to write a path where a section with the key ``path`` belongs; empty for any other value."""
    if not isinstance(value, str) or "path" not in _keys(schema, path):
        return ""
    name = f"{path[-1]}: " if isinstance(path[-1], str) else ""
    return f"write {name}{{path: {json.dumps(value, ensure_ascii=False)}}}"


def _meant(detail: Any, schema: type[BaseModel]) -> Path | None:
    """The known key that an unknown key is a misspelling of, if there is one."""
    if detail["type"] != "extra_forbidden":
        return None
    *section, last = detail["loc"]
    key = closest(str(last), _keys(schema, tuple(section)))
    return (*section, key) if key else None


def _path(location: Path, data: Any) -> Path:
    """The part of pydantic's location that exists in the data; for a union it ends with the failed type."""
    path: list[str | int] = []
    for part in location:
        if isinstance(data, list) and isinstance(part, str):
            # Metrics are validated as a mapping of names, but the user may write a list.
            holds = (at for at, item in enumerate(data) if item == part or _has_key(item, part))
            at = next(holds, None)
            if at is None:
                break
            path.append(at)
            data = data[at]
        try:
            data = data[part]
        except (TypeError, LookupError):
            break
        path.append(part)
    return tuple(path)


def _has_key(value: Any, key: str) -> bool:
    return isinstance(value, dict) and key in value


def expected(schema: type[BaseModel], path: Path) -> str:
    """The expected value at a path: type, bounds and description."""
    kind, info = _at(schema, path)
    words = described(kind)
    return f"{words} ({info.description})" if info and info.description else words


def _keys(schema: type[BaseModel], section: Path) -> list[str]:
    kind = _container(_at(schema, section)[0])
    return list(kind.model_fields) if _is_section(kind) else []


def _at(kind: Any, path: Path) -> tuple[Any, FieldInfo | None]:
    """The type of the value at a path, and its field if it is one."""
    info: FieldInfo | None = None
    for part in path:
        kind = _container(kind)
        if isinstance(part, int) and get_origin(kind) is dict:
            continue  # A list of names and options, which is validated as a mapping.
        if _is_section(kind) and part in kind.model_fields:
            info = kind.model_fields[part]
            kind = Annotated[info.annotation, info]
        elif get_origin(kind) in (dict, list):
            kind, info = get_args(kind)[-1], None
        else:
            return Any, None
    return kind, info


def _container(kind: Any) -> Any:
    """The container among the members of a union."""
    if get_origin(kind) is Annotated:
        return _container(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        holders = [part for part in map(_container, get_args(kind)) if _is_section(part) or get_args(part)]
        return holders[0] if holders else kind
    return kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    NoneType: "null",
    list: "a list",
    dict: "a section of keys with values",
    Any: "a value",
}


def described(kind: Any, bounds: str = "") -> str:
    """A type in words: ``a whole number from 0 to 63, or null``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return described(arguments[0], bounds or _bounds(arguments[1:]))
    if origin in (Union, UnionType):
        return _either([described(part, bounds) for part in arguments])
    if origin is Literal:
        return _either([str(choice) for choice in arguments])
    if _is_section(kind):
        return f"a section with the keys {', '.join(kind.model_fields)}"
    words = _WORDS.get(origin or kind, "a value")
    return words + bounds if kind in (int, float) else words


def _either(choices: list[str]) -> str:
    *others, last = choices
    comma = "," if any(" " in choice for choice in choices) else ""
    return f"{', '.join(others)}{comma} or {last}" if others else last


def _bounds(metadata: tuple[Any, ...]) -> str:
    """The bounds in a field's metadata, to follow ``a number``."""
    limits: dict[str, Any] = {}
    for item in metadata:
        for part in (*item.metadata, item) if isinstance(item, FieldInfo) else (item,):
            limits |= {name: getattr(part, name) for name in ("ge", "gt", "le", "lt") if hasattr(part, name)}
    if {"ge", "le"} <= limits.keys():
        return f" from {limits['ge']:g} to {limits['le']:g}"
    words = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}
    shown = [f"{words[name]} {limit:g}" for name, limit in limits.items()]
    return f" {' and '.join(shown)}" if shown else ""


def shown(value: object) -> str:
    """A value of a job as a message shows it: short, and with its type if that matters."""
    match value:
        case None:
            return "nothing"
        case str():
            return f"the text {_short(repr(value))}"
        case bool() | int() | float():
            return str(value).lower()
        case _:
            return _short(json.dumps(value, ensure_ascii=False, default=str))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
