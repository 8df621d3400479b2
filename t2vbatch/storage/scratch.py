"""Each process's private folder for temporary files."""

import atexit
import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

_PREFIX, _LOCK = "t2vbatch-scratch-", ".lock"
_locks: list[BinaryIO] = []


@functools.cache
def scratch_folder() -> Path:
    """This process's scratch folder: only this user can open it, and it is deleted when the process ends.

    The folders of killed processes are deleted here too. A process locks its own folder, and the system
    removes that lock when the process dies, in whatever container it ran.
    """
    delete_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = (folder / "new").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "new").rename(folder / _LOCK)  # Others see the lock's name only when it is locked.
    _locks.append(lock)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def delete_abandoned() -> None:
    """Delete the scratch folders of processes that died, on this machine."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
