"""A job's YAML text and the options that override its keys, with the place of every key.  [pure]

``yaml_syntax.py`` reads the YAML. This module does not know which keys exist.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from t2vbatch.errors import ErrorCollector, JobError
from t2vbatch.job.yaml_syntax import Path, read_yaml


@dataclass(frozen=True)
class Document:
    """The places of a text's keys. All documents compare equal, because a place is not part of a job's value.

    Attributes:
        name: the file, as the user wrote it.
        places: line and column, from 1, of each key and list item of the file.
        options: the ``--set ...`` option of each value that an option gave.
        refused: the paths whose value could not be read and is left out of the data.
    """

    name: str = field(compare=False)
    places: Mapping[Path, tuple[int, int]] = field(compare=False)
    options: Mapping[Path, str] = field(compare=False, default_factory=dict)
    refused: frozenset[Path] = field(compare=False, default=frozenset())

    def where(self, path: Path, key: str = "") -> str:
        """``job.yaml:7:5: models.wan.path``, or the option that set it; for an absent key, its section.

        Args:
            key: the name of the path, if it continues past the keys of the file.
        """
        known, key = self._known(path), key or dotted(path)
        if (option := self.options.get(known)) is not None:
            return option if key in option else f"{option}: {key}"
        place = ":".join([self.name, *map(str, self.places.get(known, ()))])
        return f"{place}: {key}" if key else place

    def is_option(self, path: Path) -> bool:
        """Whether an option of the command line gave this value, or the section around it."""
        return self._known(path) in self.options

    def order(self, path: Path) -> tuple[bool, tuple[int, int]]:
        """A sort key: paths in the order of the file, options after the file."""
        known = self._known(path)
        return known in self.options, self.places.get(known, (0, 0))

    def position(self, where: str) -> tuple[bool, int, int]:
        """A sort key for what ``where`` returns: by line and column of the file, everything else last."""
        place = re.match(rf"{re.escape(self.name)}:(\d+):(\d+)", where)
        return (False, int(place[1]), int(place[2])) if place else (True, 0, 0)

    def path(self, key: str) -> Path:
        """The path of a dotted key, or of the innermost section around it. Names may have dots in them.

        A list may be addressed like the mapping that it means: ``metrics.clip_score.frames``.
        """
        written = (*self.places, *self.options)
        paths = {re.sub(r"\[\d+\]", "", dotted(path)): path for path in written}
        paths |= {dotted(path): path for path in written}
        ends = (end for end in range(len(key), 0, -1) if key[end : end + 1] in ("", ".", "[", ":"))
        return next((paths[key[:end]] for end in ends if key[:end] in paths), ())

    def _known(self, path: Path) -> Path:
        """The option that set this value; else the path, the section around it, or an option below it."""
        around = [path[:end] for end in range(len(path), 0, -1)]
        given = (part for part in around if part in self.options)
        written = (part for part in around if part in self.places)
        # A section that only an option created, such as that of --set a.b=1.
        below = (option for option in self.options if path and option[: len(path)] == path)
        return next(given, next(written, next(below, ())))


def dotted(path: Path) -> str:
    """``models.wan.loras[0].path``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def read_document(
    text: str, name: str, overrides: Sequence[str], problems: ErrorCollector
) -> tuple[dict[str, Any], Document]:
    """The mapping in a YAML text, overridden by each ``key.path=value``, and the places of its keys.

    Args:
        problems: gets the problems of single keys and options, such as duplicate keys; the data lack these.

    Raises:
        JobError: invalid YAML, or a text that is not a mapping.
    """
    read = read_yaml(text, name)
    data = read.data
    for problem in read.problems:
        problems.add(problem)
    if not isinstance(data, dict):
        found = "nothing" if data is None else f"a {'list' if isinstance(data, list) else 'single value'}"
        raise JobError(name, found, "a mapping of keys, such as manifest: and models:")
    options: dict[Path, str] = {}
    refused = set(read.refused)
    for override in overrides:
        path = _path(override, data)
        with problems.collect():
            _override(data, path, override)
            options[path] = f"--set {override}"
        if path not in options:
            refused.add(path)
    return data, Document(name, read.places, options, frozenset(refused))


def _path(override: str, data: Mapping[str, Any]) -> Path:
    """The path of the key that an override sets; empty without a key."""
    return tuple(_parts(override.partition("=")[0], data))


def _override(data: dict[str, Any], path: Path, override: str) -> None:
    """Set the value of an override in ``data``."""
    where, (key, equals, text) = f"--set {override}", override.partition("=")
    if not equals or not all(key.split(".")):
        raise JobError(where, "text without key=value", "a dotted key, '=', and a value in YAML")
    *parents, last = path
    value = read_yaml(text, where)
    if value.problems:
        raise value.problems[0]  # There is one at most, because all would have the option as their place.
    place: Any = data
    for depth, parent in enumerate(parents):
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            above = dotted(path[: depth + 1])
            raise JobError(where, f"{above}, which is a single value", "a section with keys")
    place[last] = value.data


def _parts(key: str, place: Any) -> Iterator[str]:
    """The parts of a dotted key. Existing names may contain dots: ``models.wan-2.1``."""
    while key:
        names = place if isinstance(place, dict) else {}
        known = [name for name in names if f"{key}.".startswith(f"{name}.")]
        part = max(known, key=len, default=key.partition(".")[0])
        yield part
        key, place = key[len(part) + 1 :], names.get(part)
