"""Folders on any filesystem: read, replace, create once, list, delete.

This module hides the difference between a local disk and an object store. It does not know what the files
mean; ``output.store`` does. Both kinds of folder keep two promises. A reader never sees half of a file: it
appears under its name whole or not at all. When several callers ``create`` one name, one of them succeeds.

A URI is a local path, ``file:///path``, ``s3://bucket/prefix``, ``gs://bucket/prefix`` or
``az://container/prefix``; single files are also read from ``https://`` and ``http://``. Names in a URI are
not percent-encoded: ``%`` and ``#`` mean themselves. Credentials come from the environment variables that
each cloud's own tools read: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION`` (or an instance
role); ``GOOGLE_APPLICATION_CREDENTIALS``; ``AZURE_STORAGE_ACCOUNT_NAME``, ``AZURE_STORAGE_ACCOUNT_KEY``.
``AWS_ENDPOINT_URL`` selects another S3 server, such as MinIO or Ceph; a server without TLS also needs
``AWS_ALLOW_HTTP=true``.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, NotFoundError
from obstore.store import from_url

from t2vbatch.errors import StoreError
from t2vbatch.storage.errors import explained
from t2vbatch.storage.web import fetch

if TYPE_CHECKING:
    from obstore.store import RetryConfig


class Folder(Protocol):
    """A folder. Names are relative to it, with ``/`` between their parts.

    Every method raises StoreError when the storage fails, and for a name that not every storage accepts
    (empty parts, ``.``, ``..``, control characters). Methods that read raise FileNotFoundError for a missing
    name.
    """

    @property
    def uri(self) -> str:
        """Path or URI of the folder."""

    def read(self, name: str) -> bytes:
        """The bytes of the file ``name``."""

    def size(self, name: str) -> int | None:
        """Size of the file in bytes; None if it does not exist."""

    def write(self, name: str, data: bytes) -> None:
        """Write the file ``name``, replacing an existing one."""

    def create(self, name: str, data: bytes) -> bool:
        """Write the file ``name`` if it does not exist; return whether this call wrote it."""

    def publish(self, name: str, local: Path) -> None:
        """Move a local file to ``name``, replacing an existing one."""

    def delete(self, name: str) -> None:
        """Delete ``name``; a missing file is not an error."""

    def names(self, prefix: str) -> Iterator[str]:
        """All names in the folder ``prefix`` and below it, in any order; ``""`` lists every name."""

    def local(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A local path to the file or folder of files; a temporary copy when the storage is remote."""

    def staging(self) -> Path:
        """A local folder for files that wait for ``publish``."""


def open_folder(uri: str | Path) -> Folder:
    """The folder at a path or URI. A local folder is created by the first write into it."""
    text = str(uri)
    path = local_path(text)
    return LocalFolder(path) if path is not None else ObjectFolder(text)


def local_path(uri: str) -> Path | None:
    """The local path of a URI; None for a remote one."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    # A single letter before the colon is a Windows drive, not a scheme.
    return Path(uri) if len(parts.scheme) <= 1 or "://" not in uri else None


def read_uri(uri: str | Path) -> bytes:
    """The bytes of one file at a path or URI. Raises FileNotFoundError or StoreError."""
    text = str(uri)
    path = local_path(text)
    if path is not None:
        with explained("read", text, missing=True):
            return path.read_bytes()
    if text.startswith(("http://", "https://")):
        return fetch(text)
    parent, _, name = text.rpartition("/")
    return ObjectFolder(parent).read(name)


_STAGING = ".staging"


class LocalFolder:
    """A folder on a mounted filesystem."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def uri(self) -> str:
        return str(self._root)

    def read(self, name: str) -> bytes:
        with explained("read", self._path(name), missing=True):
            return self._path(name).read_bytes()

    def size(self, name: str) -> int | None:
        with explained("look up", self._path(name)):
            try:
                found = self._path(name).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return found.st_size if stat.S_ISREG(found.st_mode) else None

    def write(self, name: str, data: bytes) -> None:
        with explained("write", self._path(name)), self._written(name, data) as temporary:
            temporary.replace(self._path(name))
            _sync_folder(self._path(name).parent)

    def create(self, name: str, data: bytes) -> bool:
        with explained("create", self._path(name)), self._written(name, data) as temporary:
            try:
                os.link(temporary, self._path(name))
            except FileExistsError:
                return False
            _sync_folder(self._path(name).parent)
            return True

    def publish(self, name: str, local: Path) -> None:
        target = self._path(name)
        with explained("write", target):
            target.parent.mkdir(parents=True, exist_ok=True)
            _sync(local)
            try:
                local.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                with self._staged(lambda staged: shutil.copyfile(local, staged)) as staged:
                    staged.replace(target)
                local.unlink()
            _sync_folder(target.parent)

    def delete(self, name: str) -> None:
        with explained("delete", self._path(name)):
            self._path(name).unlink(missing_ok=True)

    def names(self, prefix: str) -> Iterator[str]:
        top = self._path(prefix) if prefix else self._root
        if not top.is_dir():
            return
        with explained("list", top):
            for folder, folders, files in os.walk(top, onerror=_raise):
                if Path(folder) == self._root and _STAGING in folders:
                    folders.remove(_STAGING)
                for file in files:
                    yield (Path(folder) / file).relative_to(self._root).as_posix()

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        path = self._path(name)
        if not path.exists():
            raise FileNotFoundError(path)
        yield path

    def staging(self) -> Path:
        # Inside the output folder, so that publish renames and does not copy across filesystems.
        folder = self._root / _STAGING
        with explained("create", folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _path(self, name: str) -> Path:
        return self._root / _checked(name)

    @contextlib.contextmanager
    def _written(self, name: str, data: bytes) -> Iterator[Path]:
        self._path(name).parent.mkdir(parents=True, exist_ok=True)
        with self._staged(lambda staged: staged.write_bytes(data)) as temporary:
            yield temporary

    @contextlib.contextmanager
    def _staged(self, fill: Callable[[Path], object]) -> Iterator[Path]:
        temporary = self.staging() / uuid.uuid4().hex
        try:
            fill(temporary)
            _sync(temporary)
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


_SCHEMES = ("s3", "gs", "az")

_PATIENCE: "RetryConfig" = {"max_retries": 100, "retry_timeout": timedelta(seconds=60)}
"""A store that is unreachable for a minute must not end a run of several days."""


class ObjectFolder:
    """A prefix of an object store."""

    def __init__(self, uri: str) -> None:
        self._uri = uri.rstrip("/")
        scheme, _, place = self._uri.partition("://")
        if scheme not in _SCHEMES:
            raise StoreError(f"cannot open {uri}: a folder is a local path or an s3://, gs:// or az:// URI")
        with explained("open", uri):
            # Quote the name: URL rules would decode '%' and end the prefix at '#'.
            self._store = from_url(f"{scheme}://{quote(place)}", retry_config=_PATIENCE)

    def __reduce__(self) -> tuple[type["ObjectFolder"], tuple[str]]:
        return (ObjectFolder, (self._uri,))

    @property
    def uri(self) -> str:
        return self._uri

    def read(self, name: str) -> bytes:
        with explained("read", self._name(name), missing=True):
            return bytes(obstore.get(self._store, _checked(name)).bytes())

    def size(self, name: str) -> int | None:
        with explained("look up", self._name(name)):
            try:
                return int(obstore.head(self._store, _checked(name))["size"])
            except (NotFoundError, FileNotFoundError):
                return None

    def write(self, name: str, data: bytes) -> None:
        with explained("write", self._name(name)):
            obstore.put(self._store, _checked(name), data)

    def create(self, name: str, data: bytes) -> bool:
        with explained("create", self._name(name)):
            try:
                obstore.put(self._store, _checked(name), data, mode="create")
            except (AlreadyExistsError, FileExistsError):
                return False
            return True

    def publish(self, name: str, local: Path) -> None:
        with explained("write", self._name(name)):
            obstore.put(self._store, _checked(name), local)
        if self.size(name) != local.stat().st_size:
            raise StoreError(
                f"{self._name(name)}: the upload has another size than the local file; run again"
            )
        local.unlink()

    def delete(self, name: str) -> None:
        with explained("delete", self._name(name)), contextlib.suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self._store, _checked(name))

    def names(self, prefix: str) -> Iterator[str]:
        with explained("list", self._name(prefix)):
            for page in obstore.list(self._store, prefix=_checked(prefix) if prefix else None):
                for entry in page:
                    yield entry["path"]

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / PurePosixPath(name).name
            for file in [name] if self.size(name) is not None else list(self.names(name)):
                copy = path / file[len(name) + 1 :]
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(self.read(file))
            if not path.exists():
                raise FileNotFoundError(self._name(name))
            yield path

    def staging(self) -> Path:
        folder = Path(tempfile.gettempdir()) / f"t2vbatch-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _name(self, name: str) -> str:
        return f"{self._uri}/{name}"


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _checked(name: str) -> str:
    parts = name.split("/")
    if ".." in parts or name.startswith("/"):
        raise StoreError(f"{name!r} points outside its folder")
    if "" in parts or "." in parts or _CONTROL.search(name):
        raise StoreError(
            f"{name!r} is not a valid file name: it has an empty part, '.' or control characters"
        )
    return name


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Write the folder to the disk: after a power cut, a record must not exist without its video."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network filesystems cannot sync a folder
            os.fsync(handle)
    finally:
        os.close(handle)


def _raise(error: OSError) -> None:
    raise error
