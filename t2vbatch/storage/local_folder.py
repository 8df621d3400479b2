"""A folder on a mounted filesystem: see Folder."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import uuid
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

from t2vbatch.storage.errors import explained
from t2vbatch.storage.names import checked_name, is_foreign

_STAGING = ".staging"
_LOCK = "lock"
_NO_LINKS = (errno.EPERM, errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK)
"""What filesystems answer that have no hard links (exFAT, many network mounts), or none between two folders
(BeeGFS, AFS)."""
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What filesystems answer that have no locks: Lustre without the option flock, NFS without a lock server."""
_PART_BYTES = 2**16
_DELETING_THREADS, _DELETED = 8, 128
"""Threads that delete files, and the files that one of them takes at a time."""
_READS = 3
"""Reads of a file that another machine replaces at this moment: NFS answers ESTALE to the first."""


Durable = Literal["name", "content", "no"]
"""What a power cut after a write leaves: the file; the file or nothing, but no part of it; or anything."""


class LocalFolder:
    """A folder on a mounted filesystem."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def uri(self) -> str:
        return str(self._root)

    def read(self, name: str) -> bytes:
        path = self._text_path(name)
        with explained("read", path, missing=True):
            for _ in range(_READS - 1):
                try:
                    return _content(path)
                except OSError as error:
                    if error.errno != errno.ESTALE:
                        raise
            return _content(path)

    def size(self, name: str) -> int | None:
        with explained("look up", self._path(name)):
            try:
                found = self._path(name).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return found.st_size if stat.S_ISREG(found.st_mode) else None

    def write(self, name: str, data: bytes, durable: Durable = "name") -> None:
        target = self._path(name)
        with explained("write", target), self._written(target, data, durable) as temporary:
            _rename(temporary, target)
            if durable == "name":
                _sync_folder(target.parent)

    def create(self, name: str, data: bytes, durable: Durable = "name") -> bool:
        target = self._path(name)
        with explained("create", target), self._written(target, data, durable) as temporary:
            created = self._link(temporary, target)
            if created and durable == "name":
                _sync_folder(target.parent)
            return created

    def read_version(self, name: str) -> tuple[bytes, str]:
        data = self.read(name)
        return data, _digest(data)

    def replace(self, name: str, data: bytes, version: str) -> str | None:
        with explained("write", self._path(name)), self._locked():
            try:
                found = _digest(self._path(name).read_bytes())
            except FileNotFoundError:
                return None
            if found != version:
                return None
            self.write(name, data)
            return _digest(data)

    def version(self, name: str) -> str | None:
        path = self._text_path(name)
        with explained("look up", path):
            try:
                found = os.stat(path)  # noqa: PTH116
            except (FileNotFoundError, NotADirectoryError):
                return None
            return f"{found.st_size} bytes, {found.st_mtime_ns} ns"

    def move(self, old: str, new: str) -> None:
        source, target = self._path(old), self._path(new)
        with explained("move", source, missing=True):
            _make_folder(target.parent)
            try:
                _rename(source, target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                _merge(source, target)
            _sync_folder(target.parent)
            _sync_folder(source.parent)

    def publish(self, name: str, local: Path) -> None:
        target = self._path(name)
        with explained("write", target):
            _make_folder(target.parent)
            _sync(local)
            _rename(local, target)
            _sync_folder(target.parent)

    def delete(self, name: str) -> None:
        path = self._text_path(name)
        with explained("delete", path), contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108

    def delete_all(self, names: Sequence[str]) -> None:
        parts = [names[start : start + _DELETED] for start in range(0, len(names), _DELETED)]
        with explained("delete files in", self._root):
            handle = os.open(self._root, os.O_RDONLY | os.O_CLOEXEC)
            try:
                # Side by side: a disk that discards freed blocks has each deletion wait for that.
                with ThreadPoolExecutor(_DELETING_THREADS) as threads:
                    list(threads.map(partial(_delete_in, handle), parts))
            finally:
                os.close(handle)

    def names(self, prefix: str) -> Iterator[str]:
        top = self._path(prefix) if prefix else self._root
        with explained("list", top):
            if top.is_dir():
                # As text: a Path for each of a million files takes many seconds.
                yield from _names(str(top), f"{prefix}/" if prefix else "")

    def children(self, folder: str) -> list[str]:
        path = self._path(folder)
        with explained("list", path):
            if not path.is_dir():
                return []
            with os.scandir(path) as entries:
                own = [entry for entry in entries if not is_foreign(entry.name)]
            return [f"{folder}/{entry.name}{'/' * entry.is_dir()}" for entry in own]

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        path = self._path(name)
        with explained("read", path, missing=True):
            path.stat()
        yield path

    def staging(self) -> Path:
        # Inside the output folder, so that publish renames and does not copy across filesystems.
        folder = self._root / _STAGING
        with explained("create", folder):
            _make_folder(self._root)
            folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def clean_staging(self) -> None:
        folder = self._root / _STAGING
        if folder.is_dir() and not folder.is_symlink():
            with explained("clean", folder):
                for left in folder.iterdir():
                    if left.name != _LOCK:
                        _delete(left)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude other processes that compare and replace a file here; a lock dies with its process."""
        with (self.staging() / _LOCK).open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                # Of two runs that replace a lease at the same moment, the one that it does not name stops.
                if error.errno not in _NO_LOCKS:
                    raise
            yield

    def _link(self, temporary: Path, target: Path) -> bool:
        """Give the file this name too if no file has it; return whether this call did."""
        try:
            os.link(temporary, target)
            return True
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        with self._locked():
            if os.path.lexists(target):
                return False
            _rename(temporary, target)
            return True

    def _path(self, name: str) -> Path:
        return self._root / checked_name(name)

    def _text_path(self, name: str) -> str:
        """As ``_path``, for what is done a million times: a Path costs as much as reading a small file."""
        return f"{self._root}{os.sep}{checked_name(name)}"

    @contextlib.contextmanager
    def _written(self, target: Path, data: bytes, durable: Durable) -> Iterator[Path]:
        """A temporary file with this content, and the folder of ``target``."""
        with self._staged() as temporary:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                if durable != "no":
                    os.fsync(file.fileno())
            _make_folder(target.parent)
            yield temporary

    @contextlib.contextmanager
    def _staged(self) -> Iterator[Path]:
        temporary = self.staging() / uuid.uuid4().hex
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


def _content(path: str) -> bytes:
    # A file object of Python takes twice as many system calls: most of the time of a small file.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = [os.read(handle, _PART_BYTES)]
        while parts[-1]:
            parts.append(os.read(handle, _PART_BYTES))
        return b"".join(parts)
    finally:
        os.close(handle)


def _names(folder: str, prefix: str) -> Iterator[str]:
    """The names of the files in a folder and below it, each after ``prefix``; linked folders are left out.

    The files of a folder come in the order of their inodes: a disk reads and deletes a million small files
    faster in that order, because neighbours share a block of the disk's table.
    """
    files, folders, inodes = list[str](), list[str](), array("Q")
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_foreign(entry.name):
                continue
            if not entry.is_dir():
                files.append(entry.name)
                inodes.append(entry.inode())
            elif not entry.is_symlink():
                folders.append(entry.name)
    for place in sorted(range(len(files)), key=inodes.__getitem__):
        yield prefix + files[place]
    for name in folders:
        yield from _names(f"{folder}{os.sep}{name}", f"{prefix}{name}/")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _rename(source: Path, target: Path) -> None:
    """Give a file or a folder of files another name, which may be on another disk: a user may replace
    ``videos/`` by a link to a larger one."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_to_disk(source, target)


def _move_to_disk(source: Path, target: Path) -> None:
    """Copy to a hidden name beside the target, which gets its name when it is whole; delete the source."""
    copy = target.with_name(f".{uuid.uuid4().hex}")
    try:
        if source.is_dir():
            shutil.copytree(source, copy)
            for file in copy.iterdir():
                _sync(file)
        else:
            shutil.copyfile(source, copy)
            _sync(copy)
        copy.replace(target)
    except BaseException:
        _delete(copy)
        raise
    _delete(source)


def _delete_in(folder: int, names: Sequence[str]) -> None:
    """Delete files below an open folder."""
    for name in names:
        os.unlink(checked_name(name), dir_fd=folder)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _merge(source: Path, target: Path) -> None:
    """Move the files of a folder into another one, which keeps its files with other names."""
    for file in source.iterdir():
        _rename(file, target / file.name)
    source.rmdir()
    _sync_folder(target)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _make_folder(path: Path) -> None:
    """Make a folder and its parents, each of them on the disk before anything is written to it."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        with contextlib.suppress(PermissionError):  # of the folder of the output: it need not be readable
            _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """Write the folder to the disk: after a power cut, a record must not exist without its video."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network filesystems cannot sync a folder
            os.fsync(handle)
    finally:
        os.close(handle)
