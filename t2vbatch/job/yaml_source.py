"""A YAML text as data that knows where it stands: the file, line and column of every key.  [pure]

Owns reading, options of the command line that override a key, and saying in plain words what is no YAML. It
does not know which keys there are.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from t2vbatch.errors import ErrorCollector, JobError

Path = tuple[str | int, ...]
"""From the root to a value: keys of mappings, positions in lists."""


@dataclass(frozen=True)
class Document:
    """What a text says, and where. Any two are equal: where a thing was read is no part of what it is.

    Attributes:
        name: the file, as the user calls it.
        places: line and column, from 1, of each key and list item of the file.
        options: the ``--set ...`` that gave a value, where one did.
    """

    name: str = field(compare=False)
    places: Mapping[Path, tuple[int, int]] = field(compare=False)
    options: Mapping[Path, str] = field(compare=False, default_factory=dict)

    def where(self, path: Path, key: str = "") -> str:
        """``job.yaml:7:5: models.wan.path``, or the option that says it; for an absent key, its section.

        Args:
            key: how the path is called, where it goes on past what is written.
        """
        known, key = self._known(path), key or dotted(path)
        if (option := self.options.get(known)) is not None:
            return option if key in option else f"{option}: {key}"
        place = ":".join([self.name, *map(str, self.places.get(known, ()))])
        return f"{place}: {key}" if key else place

    def order(self, path: Path) -> tuple[bool, tuple[int, int]]:
        """What sorts paths as they are written, and options behind the file."""
        known = self._known(path)
        return known in self.options, self.places.get(known, (0, 0))

    def path(self, key: str) -> Path:
        """The path of a dotted key, or of the innermost section around it. Names may have dots in them.

        A list may be called as the mapping that it stands for: ``metrics.clip_score.frames``.
        """
        written = (*self.places, *self.options)
        paths = {re.sub(r"\[\d+\]", "", dotted(path)): path for path in written}
        paths |= {dotted(path): path for path in written}
        ends = (end for end in range(len(key), 0, -1) if key[end : end + 1] in ("", ".", "[", ":"))
        return next((paths[key[:end]] for end in ends if key[:end] in paths), ())

    def _known(self, path: Path) -> Path:
        """The option that gave this value; else the path itself, or the innermost section around it."""
        around = [path[:end] for end in range(len(path), 0, -1)]
        given = (part for part in around if part in self.options)
        written = (part for part in around if part in self.places)
        return next(given, next(written, ()))


def dotted(path: Path) -> str:
    """``models.wan.loras[0].path``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def read_document(text: str, name: str, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], Document]:
    """The mapping in a YAML text, with each ``key.path=value`` laid over it, and where all of it stands.

    Raises:
        JobError: every key that stands twice, or what is no YAML, or no mapping.
    """
    data, places = _read(text, name)
    if not isinstance(data, dict):
        found = "nothing" if data is None else f"a {'list' if isinstance(data, list) else 'single value'}"
        raise JobError(name, found, "a mapping of keys, such as manifest: and models:")
    options: dict[Path, str] = {}
    problems = ErrorCollector()
    for override in overrides:
        with problems.collect():
            options[_override(data, override)] = f"--set {override}"
    problems.raise_if_any()
    return data, Document(name, places, options)


def _override(data: dict[str, Any], override: str) -> Path:
    """Put the value where its key says; the path of that place."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise JobError(f"--set {override}", "no key=value", "a dotted key, '=', and a value in YAML")
    *parents, last = _parts(key, data)
    value, _ = _read(text, f"--set {override}")
    place: Any = data
    for depth, parent in enumerate(parents):
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            above = ".".join(parents[: depth + 1])
            raise JobError(f"--set {override}", f"{above}, which holds a value", "a section with keys")
    place[last] = value
    return (*parents, last)


def _parts(key: str, place: Any) -> Iterator[str]:
    """The parts of a dotted key. Names that stand there already may have dots in them: ``models.wan-2.1``."""
    while key:
        names = place if isinstance(place, dict) else {}
        known = [name for name in names if f"{key}.".startswith(f"{name}.")]
        part = max(known, key=len, default=key.partition(".")[0])
        yield part
        key, place = key[len(part) + 1 :], names.get(part)


def _read(text: str, name: str) -> tuple[Any, dict[Path, tuple[int, int]]]:
    try:
        # Made within, as it looks for forbidden characters at once.
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None, {}
        walk = _Walk(loader, name)
        walk.visit(root, (), ())
        walk.problems.raise_if_any()
        return loader.construct_document(root), walk.places
    except yaml.YAMLError as error:
        raise _no_yaml(error, text, name) from None
    except RecursionError:
        raise JobError(name, "sections within sections without end", "a job") from None


class _Loader(yaml.SafeLoader):
    """Dates stay text: no key and no argument takes one."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (as PyYAML has it)
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_STANDARD = "tag:yaml.org,2002:"
_MERGE = _STANDARD + "merge"
_TAGS = {_STANDARD + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null")} | {_MERGE}


class _Walk:
    """Goes through a text's nodes: notes where each stands, and what YAML lets pass and a job should not.

    YAML keeps the last of two equal keys without a word, and lets a value contain itself.
    """

    def __init__(self, loader: _Loader, name: str) -> None:
        self.places: dict[Path, tuple[int, int]] = {}
        self.problems = ErrorCollector()
        self._loader, self._name = loader, name

    def visit(self, node: yaml.Node, path: Path, around: tuple[int, ...]) -> None:
        """Take in a node; ``around`` are the ids of those that hold it."""
        if id(node) in around:
            self._refuse(node, "a value that contains itself", "values that end")
            return
        if node.tag not in _TAGS:
            tag = node.tag.replace(_STANDARD, "!!")
            self._refuse(node, f"{tag}, which means nothing in a job", "no tag; text may stand in quotes")
            return
        match node:
            case yaml.MappingNode():
                for key, value in self._entries(node):
                    self._note(key, (*path, key.value))
                    self.visit(value, (*path, key.value), (*around, id(node)))
            case yaml.SequenceNode():
                for index, item in enumerate(node.value):
                    self._note(item, (*path, index))
                    self.visit(item, (*path, index), (*around, id(node)))
            case _:
                self._check_scalar(node)

    def _entries(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """The entries with a key that can be one; those of a merge (``<<``) as they are."""
        seen: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                sections = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for section in sections:
                    if isinstance(section, yaml.MappingNode) and section is not node:
                        yield from self._entries(section)
            elif not isinstance(key, yaml.ScalarNode) or key.tag != _STANDARD + "str":
                said = f"the key {key.value}" if isinstance(key, yaml.ScalarNode) else "a key"
                self._refuse(key, f"{said}, which is not text", "text; put it in quotes")
            elif key.value in seen:
                first = seen[key.value].start_mark.line + 1
                self._refuse(
                    key, f"the key {key.value!r} stands here twice", f"it once: see line {first} too"
                )
            else:
                seen[key.value] = key
                yield key, value

    def _note(self, node: yaml.Node, path: Path) -> None:
        self.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))

    def _check_scalar(self, node: yaml.Node) -> None:
        try:
            self._loader.construct_object(node)
        except ValueError:
            self._refuse(node, repr(node.value), "a number that can be read, or text in quotes")

    def _refuse(self, node: yaml.Node, found: str, expected: str) -> None:
        mark = node.start_mark
        self.problems.add(JobError(_at(self._name, mark.line, mark.column), found, expected))


@dataclass(frozen=True)
class _Slip:
    """What people did when PyYAML says so; ``opening``: the place is where the thing began."""

    said: str
    found: str
    fix: str
    opening: bool = False


_SLIPS = (
    _Slip("mapping values are not", "a colon where no key can stand",
          "indent a section's keys alike, end each with a colon, and quote a text that holds one"),
    _Slip("could not find expected ':'", "a line that is no key", "write key: value", opening=True),
    _Slip("character '\\t'", "a tab", "indent with spaces"),
    _Slip("cannot start any token", "text that begins with a sign of YAML's own", "put it in quotes"),
    _Slip("found '<stream end>'", "a bracket that is not closed", "close every [ and {", opening=True),
    _Slip("expected ',' or", "a bracket that is not closed", "close every [ and {", opening=True),
    _Slip("expected <block end>", "an indent unlike that above", "indent a section's keys alike"),
    _Slip("expected the node content", "a sign where a value should stand", "write the value"),
    _Slip("end of stream", "a quote that is not closed", "close it", opening=True),
    _Slip("document separator", "a quote that is not closed", "close it", opening=True),
    _Slip("undefined alias", "text that begins with *, and no anchor of that name", "put it in quotes"),
    _Slip("escape", "a backslash in double quotes", "use single quotes, or two backslashes"),
    _Slip("another document", "a second document", "write one job a file"),
    _Slip("not allowed here", "a list item or key where none can stand", "write each on a line of its own"),
)  # fmt: skip
_OTHER = _Slip("", "what is no YAML", "compare it with a job in jobs/")


def _no_yaml(error: yaml.YAMLError, text: str, name: str) -> JobError:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return JobError(name, "a character that YAML does not know", "text in UTF-8", "remove it")
    slip = next((slip for slip in _SLIPS if slip.said in (error.problem or "")), _OTHER)
    mark = (error.context_mark if slip.opening else None) or error.problem_mark
    lines = text.splitlines()
    line = lines[mark.line].strip() if mark.line < len(lines) else ""
    shown = f"{slip.found}: {line[:80]}" if line else slip.found
    return JobError(_at(name, mark.line, mark.column), shown, "YAML", slip.fix)


def _at(name: str, line: int, column: int) -> str:
    """PyYAML counts from 0, editors from 1. An option has no lines."""
    return name if name.startswith("--set ") else f"{name}:{line + 1}:{column + 1}"
