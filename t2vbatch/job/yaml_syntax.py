"""YAML text as data, with line and column of every key, and plain messages for invalid YAML.  [pure]"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from t2vbatch.errors import ErrorCollector, JobError, UsageError

Path = tuple[str | int, ...]
"""The way from the root to a value: keys of mappings, positions in lists."""


@dataclass(frozen=True)
class Yaml:
    """What a YAML text says.

    Attributes:
        data: the value; keys and items with a problem are left out.
        places: line and column, from 1, of each key and list item.
        problems: the problems of single keys and items.
        refused: the paths of those keys and items.
    """

    data: Any
    places: Mapping[Path, tuple[int, int]]
    problems: tuple[UsageError, ...] = ()
    refused: frozenset[Path] = frozenset()


def read_yaml(text: str, name: str) -> Yaml:
    """Read a YAML text; ``name`` is its file or option in messages.

    Raises:
        JobError: invalid YAML, a value that contains itself, or too many values.
    """
    try:
        # Inside the try block, because the constructor refuses forbidden characters.
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return Yaml(None, {})
        walk = _Walk(loader, name)
        walk.visit(root, (), ())
        if id(root) in walk.refused_nodes:
            walk.problems.raise_if_any()
        _leave_out(root, walk.refused_nodes, set())
        data = loader.construct_document(root)
        return Yaml(data, walk.places, walk.problems.errors, frozenset(walk.refused))
    except yaml.YAMLError as error:
        raise _invalid_yaml(error, text, name) from None
    except RecursionError:
        raise JobError(name, "sections nested too deeply", "a job") from None


def _leave_out(node: yaml.Node, refused: set[int], seen: set[int]) -> None:
    """Remove the refused nodes (by ``id``) below a node, with their keys or values."""
    if id(node) in seen:
        return
    seen.add(id(node))
    match node:
        case yaml.MappingNode():
            node.value = [pair for pair in node.value if not {id(part) for part in pair} & refused]
            parts = [part for pair in node.value for part in pair]
        case yaml.SequenceNode():
            node.value = parts = [item for item in node.value if id(item) not in refused]
        case _:
            return
    for part in parts:
        _leave_out(part, refused, seen)


_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o[0-7]+)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN_CHARS = 80
_OCTAL = re.compile(r"[-+]?0[0-9_]+")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without its surprises.

    Dates, times and ``=`` stay text, ``15e-1`` is a number as in JSON, ``1:30`` is text and not 90, and
    ``010`` is refused, because YAML 1.1 reads it as 8 and people mean 10.
    """


def _resolvers() -> dict[str, list[tuple[str, Any]]]:
    """PyYAML's rules for plain scalars, by first character, with our own rules for numbers."""
    dropped = ("timestamp", "value", "int", "float")
    found = {
        first: [(tag, pattern) for tag, pattern in rules if not tag.endswith(dropped)]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for kind, pattern in (("int", _INTEGER), ("int", _OCTAL), ("float", _FLOAT)):
        for first in "-+.0123456789":
            found.setdefault(first, []).append((_STANDARD + kind, re.compile(f"(?:{pattern.pattern})\\Z")))
    return found


_STANDARD = "tag:yaml.org,2002:"
_MERGE = _STANDARD + "merge"
_TAGS = {_STANDARD + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null")} | {_MERGE}


_Loader.yaml_implicit_resolvers = _resolvers()


class _Dumper(yaml.SafeDumper):
    """Quotes every text that either PyYAML or ``_Loader`` would read as something else."""


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *rules]
    for first, rules in _resolvers().items()
}


def dump_yaml(data: Mapping[str, Any]) -> str:
    """The data as YAML that ``read_document`` reads back unchanged."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


_MOST_VALUES = 100_000
"""The largest number of keys and values of a job, with every alias expanded."""


class _Walk:
    """Visits all nodes: records their places, and the problems that YAML allows and a job does not.

    YAML silently keeps the last of two equal keys, and allows a value that contains itself.
    """

    def __init__(self, loader: _Loader, name: str) -> None:
        self.places: dict[Path, tuple[int, int]] = {}
        self.problems = ErrorCollector()
        self.refused: set[Path] = set()
        self.refused_nodes: set[int] = set()
        self._loader, self._name = loader, name
        self._visited = 0

    def visit(self, node: yaml.Node, path: Path, around: tuple[int, ...]) -> None:
        """Visit a node; ``around`` are the ids of the nodes that contain it.

        Raises:
            JobError: aliases expand to more values than any job has, which would take hours.
        """
        self._count(node)
        if isinstance(node, yaml.ScalarNode) and _SURROGATE.search(node.value):
            self._refuse(node, path, "half of a surrogate pair", "whole characters")
            return
        if id(node) in around:
            self._refuse(node, path, "a value that contains itself", "finite values")
            return
        if node.tag not in _TAGS:
            tag = node.tag.replace(_STANDARD, "!!")
            found = f"the tag {tag}, which a job does not support"
            self._refuse(node, path, found, "no tag; put text in quotes")
            return
        match node:
            case yaml.MappingNode():
                for key, value in self._entries(node, path):
                    self._note(key, (*path, key.value))
                    self.visit(key, (*path, key.value), around)
                    self.visit(value, (*path, key.value), (*around, id(node)))
            case yaml.SequenceNode():
                for index, item in enumerate(node.value):
                    self._note(item, (*path, index))
                    self.visit(item, (*path, index), (*around, id(node)))
            case _:
                self._check_scalar(node, path)

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """The entries with a usable key, including the entries of a merge (``<<``)."""
        seen: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                self._count(key)
                sections = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for section in sections:
                    if isinstance(section, yaml.MappingNode) and section is not node:
                        yield from self._entries(section, path)
            elif not isinstance(key, yaml.ScalarNode) or key.tag != _STANDARD + "str":
                shown = f"the key {key.value}" if isinstance(key, yaml.ScalarNode) else "a key"
                self._refuse(key, path, f"{shown}, which is not text", "text; put it in quotes")
            elif key.value in seen:
                first = seen[key.value].start_mark.line + 1
                self._refuse(
                    key,
                    (*path, key.value),
                    f"the key {key.value!r} a second time",
                    f"each key once; the first is on line {first}",
                )
            else:
                seen[key.value] = key
                yield key, value

    def _count(self, node: yaml.Node) -> None:
        self._visited += 1
        if self._visited > _MOST_VALUES:
            place = _at(self._name, node.start_mark.line, node.start_mark.column)
            found = f"more than {_MOST_VALUES:,} values, by aliases of aliases"
            raise JobError(place, found, "fewer aliases (*name) and merges (<<)")

    def _note(self, node: yaml.Node, path: Path) -> None:
        self.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))

    def _check_scalar(self, node: yaml.Node, path: Path) -> None:
        if node.tag == _STANDARD + "int" and _OCTAL.fullmatch(node.value):
            decimal = node.value.replace("_", "").lstrip("+-0") or "0"
            found = f"{node.value}, which YAML reads as an octal number"
            self._refuse(node, path, found, f"{decimal}, or text in quotes: '{node.value}'")
            return
        try:
            self._loader.construct_object(node)
        except ValueError:
            found = node.value if len(node.value) <= _SHOWN_CHARS else f"{node.value[:_SHOWN_CHARS]}…"
            self._refuse(node, path, repr(found), "a valid number, or text in quotes")

    def _refuse(self, node: yaml.Node, path: Path, found: str, expected: str) -> None:
        self.refused.add(path)
        self.refused_nodes.add(id(node))
        mark = node.start_mark
        self.problems.add(JobError(_at(self._name, mark.line, mark.column), found, expected))


@dataclass(frozen=True)
class _Cause:
    """The likely cause of a PyYAML message; ``opening``: report the place where the construct begins."""

    message: str
    found: str
    fix: str
    opening: bool = False


_CAUSES = (
    _Cause("mapping values are not", "an unexpected colon",
          "indent all keys of a section alike, end each key with a colon, and quote text that contains one"),
    _Cause("could not find expected ':'", 'a line without "key:"', "write key: value", opening=True),
    _Cause("character '\\t'", "a tab", "write spaces instead of tabs"),
    _Cause("cannot start any token", "text that begins with a special character of YAML", "put it in quotes"),
    _Cause("found '<stream end>'", "an unclosed bracket", "close every [ and {", opening=True),
    _Cause("expected ',' or", "an unclosed bracket", "close every [ and {", opening=True),
    _Cause("expected <block end>", "an indent that differs from the lines above", "indent the keys alike"),
    _Cause("expected the node content", "a special character instead of a value", "write the value"),
    _Cause("end of stream", "an unclosed quote", "close the quote", opening=True),
    _Cause("document separator", "an unclosed quote", "close the quote", opening=True),
    _Cause("undefined alias", "text that begins with *, without an anchor of that name", "put it in quotes"),
    _Cause("escape", "a backslash in double quotes", "use single quotes, or two backslashes"),
    _Cause("another document", "a second document", "write one job per file"),
    _Cause("not allowed here", "an unexpected list item or key", "write each on its own line"),
)  # fmt: skip
_OTHER = _Cause("", "invalid YAML", "compare it with a job in jobs/")


def _invalid_yaml(error: yaml.YAMLError, text: str, name: str) -> JobError:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return JobError(name, "a character that YAML does not allow", "printable text in UTF-8", "remove it")
    cause = next((cause for cause in _CAUSES if cause.message in (error.problem or "")), _OTHER)
    mark = (error.context_mark if cause.opening else None) or error.problem_mark
    lines = text.splitlines()
    line = lines[mark.line].strip() if mark.line < len(lines) else ""
    shown = f"{cause.found}: {line[:80]}" if line else cause.found
    return JobError(_at(name, mark.line, mark.column), shown, "YAML", cause.fix)


def _at(name: str, line: int, column: int) -> str:
    """``name:line:column``. PyYAML counts from 0, editors count from 1. An option has no lines."""
    return name if name.startswith("--set ") else f"{name}:{line + 1}:{column + 1}"
