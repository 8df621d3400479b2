"""Content digests of files, cached, so that a plan does not read 20 GB of weights again.

A cached digest is valid while path, size, inode and the times of the last change are unchanged: that of the
content, which programs that unpack or copy files set, and that of the inode, which nothing sets. The cache
is one JSON file in the user's cache folder. If the file is lost, or two processes write it at once, digests
are computed again.
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

_SMALLEST_CACHED_BYTES = 1 << 20
"""Reading a smaller file is as fast as looking up its digest."""

_SETTLED_S = 2.0
"""A file younger than this may change again within one tick of the filesystem's clock, at the same size."""


def folder_digest(root: Path, names: Iterable[str]) -> str:
    """One digest of the named files below ``root``: of their names and contents, not of their place."""
    return digest({name: file_digest(root / name) for name in sorted(names)})


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits."""
    real = path.resolve()
    status = real.stat()
    if status.st_size < _SMALLEST_CACHED_BYTES:
        return _read(real)
    stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    known = _load().get(str(real))
    if isinstance(known, list) and known[:-1] == stamp:
        return str(known[-1])
    found = _read(real)
    if time.time() - status.st_mtime > _SETTLED_S:
        _store(str(real), [*stamp, found])
    return found


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cache_file() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "t2vbatch" / "digests.json"


def _load() -> dict[str, list[int | str]]:
    try:
        known = json.loads(_cache_file().read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _store(path: str, entry: list[int | str]) -> None:
    """Add an entry to the cache. A cache folder that cannot be written is ignored: it only costs time."""
    cache = _cache_file()
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=cache.parent, suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            json.dump(_load() | {path: entry}, file)
        Path(temporary).replace(cache)
