"""Reading untrusted input files: regular files of bounded size, a part at a time.

A folder may be changed by others while it is read. So the checks are made on the open file: a file that is
replaced after a check is not read, a FIFO does not wait for a writer, and a file that grows has an end.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from t2vbatch.errors import StoreError
from t2vbatch.storage.object_folder import ObjectFolder
from t2vbatch.storage.web import MAX_BYTES

_PART_BYTES = 1 << 20
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

Take = Callable[[bytes], object]
"""Takes one part of a file after the other."""


@contextmanager
def open_input(
    path: Path, within: str | None = None, most_bytes: int | None = MAX_BYTES
) -> Iterator[BinaryIO]:
    """A local file, open for reading.

    Args:
        within: a folder in which the file must be after symbolic links are resolved.
        most_bytes: a larger file is refused; None: no limit.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: it is not a regular file, is outside the folder, or is too large.
    """
    with os.fdopen(os.open(path, _OPEN), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise StoreError("it is neither a file nor a folder")
        if within is not None:
            _check_inside(path, found, within)
        if most_bytes is not None and found.st_size > most_bytes:
            raise StoreError(f"it has more than {most_bytes:,} bytes")
        yield file


def local_input(take: Take, path: Path, within: str | None = None) -> None:
    """Pass the bytes of a local file to ``take``, at most MAX_BYTES. Args and errors: see ``open_input``."""
    with open_input(path, within) as file:
        size = 0
        while part := file.read(_PART_BYTES):
            size += len(part)
            if size > MAX_BYTES:
                raise StoreError(f"it has more than {MAX_BYTES:,} bytes")
            take(part)


def local_bytes(path: Path, within: str | None = None) -> bytes:
    """The bytes of a local file. Args and errors: see ``open_input``."""
    data = bytearray()
    local_input(data.extend, path, within)
    return bytes(data)


def stored_input(take: Take, uri: str) -> None:
    """Pass the bytes of one file in an object store to ``take``.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: it cannot be read, or has more than MAX_BYTES.
    """
    parent, _, name = uri.rpartition("/")
    ObjectFolder(parent).read_to(take, name, MAX_BYTES)


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is a folder or below it, after symbolic links are resolved."""
    real, top = os.path.realpath(path), os.path.realpath(folder)
    return real == top or real.startswith(top.rstrip("/") + "/")


def _check_inside(path: Path, opened: os.stat_result, folder: str) -> None:
    """The path leads into the folder now, and to the file that was opened."""
    real = os.path.realpath(path)
    if not is_inside(real, folder) or not os.path.samestat(opened, Path(real).stat()):
        raise StoreError("it is outside the manifest's folder")
