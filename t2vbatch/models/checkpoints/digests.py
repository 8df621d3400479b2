"""Content digests of files, remembered, so that 20 GB of weights are not read again for every plan.

A digest is trusted while path, size, modification time and inode stay as they were. The memory is one JSON
file in the user's cache folder; losing it, or a race for it, costs time and nothing else.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from t2vbatch.canonical import digest

_WORTH_REMEMBERING_BYTES = 1 << 20
"""Below this, reading the file costs no more than looking it up."""

_SETTLED_S = 2.0
"""A file this young may change again within one tick of the filesystem's clock, with the same size."""


def folder_digest(root: Path, names: Iterable[str]) -> str:
    """One digest of the named files below ``root``: of their names and contents, not of where they are."""
    return digest({name: file_digest(root / name) for name in sorted(names)})


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits."""
    real = path.resolve()
    status = real.stat()
    if status.st_size < _WORTH_REMEMBERING_BYTES:
        return _read(real)
    stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
    known = _load().get(str(real))
    if isinstance(known, list) and known[:3] == stamp:
        return str(known[3])
    found = _read(real)
    if time.time() - status.st_mtime > _SETTLED_S:
        _remember(str(real), [*stamp, found])
    return found


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _memory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "t2vbatch" / "digests.json"


def _load() -> dict[str, list[int | str]]:
    try:
        known = json.loads(_memory().read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(path: str, entry: list[int | str]) -> None:
    """A cache folder that cannot be written must not stop anybody."""
    memory = _memory()
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=memory.parent, suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            json.dump(_load() | {path: entry}, file)
        Path(temporary).replace(memory)
