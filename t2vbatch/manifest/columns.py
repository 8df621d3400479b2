"""The columns that mean something, the names under which other tools write them, and who wins.  [pure]"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from t2vbatch.errors import nearest
from t2vbatch.job import Limits
from t2vbatch.manifest.problems import Problems

MEDIA = ("image", "last_image", "video", "control")
"""Columns whose cells are media."""

IMAGES = ("image", "last_image")
"""Media columns that hold one image, which is verified before anything starts."""

CANONICAL = ("id", "prompt", "negative_prompt", *MEDIA, "seed", "model")
"""Columns with a meaning of their own. Every other one is a call argument or an extra column."""

CONTENT = ("prompt", "image", "video")
"""A row needs one of these."""

ALIASES = {
    "text": "prompt",
    "caption": "prompt",
    "prompt_en": "prompt",
    "ref": "image",
    "image_path": "image",
    "input_path": "image",
    "image_name": "image",
    "name": "id",
    "output_name": "id",
    "key": "id",
}
"""Known names of other tools, and the columns as which they are read."""

_INDEX = re.compile(r"(|Unnamed: \d+|__index_level_\d+__)")


@dataclass(frozen=True)
class Naming:
    """What each column of a manifest is.

    Attributes:
        known: canonical name: the name that stands in the manifest.
        extra: the extra columns, in their order.
        notes: what was decided, in sentences.
    """

    known: dict[str, str]
    extra: tuple[str, ...]
    notes: tuple[str, ...] = ()


def name_columns(names: Sequence[str], problems: Problems, limits: Limits) -> Naming:
    """Decide what each column is. Notes as problems what leaves that open."""
    if len(names) > limits.columns:
        raise problems.stop(f"{len(names):,} columns", limits.bound("columns"))
    # A nameless column is the index that pandas writes beside the data: a position, and no content.
    named = [name for name in names if not _INDEX.fullmatch(name)]
    notes = ["a column without a name (an index of pandas) is left out"] if len(named) < len(names) else []
    _refuse_twice(named, problems)
    known = {name: name for name in CANONICAL if name in named}
    for name in CANONICAL:
        aliases = [alias for alias in named if ALIASES.get(alias) == name]
        if name in known:
            notes += [
                f"column {alias!r} stays an extra column, because the manifest has a column {name!r} too"
                for alias in aliases
            ]
        elif len(aliases) == 1:
            known[name] = aliases[0]
            notes.append(f"column {aliases[0]!r} is read as {name!r}")
        elif aliases:
            both = " and ".join(repr(alias) for alias in aliases)
            problems.add(None, None, f"the columns {both}", f"one that means {name!r}: rename it to that")
    _require_content(known, named, problems)
    extra = tuple(name for name in named if name not in known.values())
    return Naming(known, extra, tuple(notes))


def _refuse_twice(named: Sequence[str], problems: Problems) -> None:
    for name in sorted({name for name in named if named.count(name) > 1}):
        problems.add(None, name, f"{named.count(name)} columns of that name", "one")


def _require_content(known: dict[str, str], named: Sequence[str], problems: Problems) -> None:
    if any(name in known for name in CONTENT) or len(problems):
        return
    listed = ", ".join(repr(name) for name in named[:20]) or "no columns"
    words = frozenset(name for name in (*CONTENT, *ALIASES))
    close = [hint for hint in (nearest(name.lower(), words) for name in named[:20]) if hint.startswith("did")]
    hint = f"; {close[0]}" if close else ""
    problems.add(None, None, listed, f"a column 'prompt', 'image' or 'video'{hint}")
