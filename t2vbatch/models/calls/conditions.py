"""Parameters such as ``conditions``: each entry is an object with a medium and settings.  [pure]"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, get_args, get_type_hints

from t2vbatch.models.calls.value_kinds import Kinds, kinds_of

_CONTENT = ("image", "video", "frames")
"""The fields of a condition that are media; the others are its settings."""


@dataclass(frozen=True)
class Condition:
    """The class of the entries of a parameter such as ``conditions``.

    Attributes:
        kind: the class, as ``module:Name``.
        settings: its fields beside the media, such as ``strength``, with their defaults.
    """

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_condition(name: str, hint: Any) -> Condition | None:
    """The condition of an annotation such as ``Condition | list[Condition]``."""
    kind = _condition_class(name, hint)
    if kind is None:
        return None
    settings = {_setting(one.name): one.default for one in fields(kind) if one.name not in _CONTENT}
    return Condition(f"{kind.__module__}:{kind.__qualname__}", settings)


def _condition_class(name: str, hint: Any) -> type | None:
    """The dataclass in the annotation of a parameter for conditions; None for any other parameter."""
    kind = next((part for part in get_args(hint) if is_dataclass(part)), None)
    return kind if name.endswith("conditions") and isinstance(kind, type) else None


def _setting(field_name: str) -> str:
    """The name of a setting: one name for the same setting in LTX and LTX-2."""
    return field_name.replace("frame_index", "index")


def setting_kinds(media: Mapping[str, str], hints: Mapping[str, Any]) -> dict[str, Kinds]:
    """The kinds of values of the settings of conditions; the column ``conditions`` takes lists too."""
    found: dict[str, Kinds] = {}
    for column, name in media.items():
        kind = _condition_class(name, hints.get(name))
        for key, hint in get_type_hints(kind).items() if kind else ():
            if key not in _CONTENT:
                kinds = kinds_of(key, hint)
                items = {"list", *(f"{one} items" for one in kinds)} if column == "conditions" else set()
                found[f"{column}_{_setting(key)}"] = kinds | items
    return found
