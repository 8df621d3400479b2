"""Why a file that a cell names does not exist: what a message should expect instead.

Another program, or another system, wrote the cell. So its text is often nearly the name of a file: with
backslashes, blanks, quotes, other capitals, another Unicode form, or as part of a URL.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from t2vbatch.storage.names import folded

_BYTES = "a path or a URL; write the bytes into a file, or into a column of bytes in Parquet"
_NOT_PATHS = (
    (re.compile(r"(?i)data:[\w.+/-]*[;,]"), _BYTES),
    (re.compile(r"iVBORw0KGgo|/9j/[\w+/]{8}|UklGR[\w+/]{3}|R0lGOD[\w+/]{2}"), _BYTES),
    (re.compile(r"""\s*\{\s*['"](bytes|path)['"]|b['"]\\x"""), _BYTES),
    (re.compile(r"(?i)(nan|none|null|n/a|nil|<na>)$"), "an empty cell where a row has no file"),
    (
        re.compile(r"[A-Za-z]:[\\/]|\\\\\w"),
        "a path inside the manifest's folder; this is one of a Windows drive",
    ),
    (re.compile(r"~"), "a path inside the manifest's folder; ~ is not replaced by a home folder"),
)
"""Texts that are no paths here, and what to expect instead."""

_MOST_NAMES = 200_000
"""Names of a folder that are compared; a larger folder gives no hint."""

_Change = tuple[Callable[[str], str], str]
_CHANGES: tuple[_Change, ...] = (
    (lambda cell: cell.strip(), "has blanks at its ends"),
    (lambda cell: cell.strip().strip("'\"`"), "has quotes around it"),
    (lambda cell: cell.replace("\\", "/"), "has \\ between folders"),
    (unquote, "has the % escapes of a URL"),
)


def expected_instead(cell: str, base: str) -> str:
    """What a message expects in place of a path of a file that does not exist.

    Args:
        base: the local folder that relative paths start from.
    """
    for pattern, expected in _NOT_PATHS:
        if pattern.match(cell):
            return expected
    for change, how in _CHANGES:
        if (other := change(cell)) != cell and _exists(base, other):
            return f"{other!r}, which exists: the cell {how}"
    sibling = next(_siblings(cell.replace("\\", "/"), base), None)
    return sibling or f"a file in {base}"


def _siblings(cell: str, base: str) -> Iterator[str]:
    """Sentences about files of the same folder whose names are nearly that of the cell."""
    path = PurePosixPath(cell)
    folder = Path(base) / path.parent
    try:
        names = _names(folder, folder.stat().st_mtime_ns)
    except OSError:
        return
    name = names.get(folded(path.name))
    if name == path.name:
        yield f"a file in {base}; the link {cell!r} names a file that does not exist"
    elif name is not None and unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", path.name):
        form = "NFC" if unicodedata.is_normalized("NFC", name) else "NFD"
        yield f"{name!r} in the Unicode form {form}, as in the folder; the cell has another form"
    elif name is not None:
        yield f"{name!r}, as in the folder: capital and small letters differ"
    else:
        stem = folded(path.stem)
        others = (other for key, other in names.items() if PurePosixPath(key).stem == stem)
        yield from (f"a file in {base}; did you mean {str(path.with_name(other))!r}?" for other in others)


@lru_cache(maxsize=4)
def _names(folder: Path, modified_ns: int) -> Mapping[str, str]:
    """The names in a folder by their folded form. The time makes a changed folder be listed again."""
    names: dict[str, str] = {}
    for entry in folder.iterdir():
        names.setdefault(folded(entry.name), entry.name)
        if len(names) > _MOST_NAMES:
            return {}
    return names


def _exists(base: str, cell: str) -> bool:
    try:
        return bool(cell) and Path(base, cell).exists()
    except (OSError, ValueError):
        return False
