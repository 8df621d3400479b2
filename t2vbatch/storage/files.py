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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from t2vbatch.storage.errors import explained
from t2vbatch.storage.local_folder import Durable, LocalFolder
from t2vbatch.storage.object_folder import ObjectFolder
from t2vbatch.storage.web import fetch

__all__ = [
    "Durable",
    "Folder",
    "LocalFolder",
    "ObjectFolder",
    "expanded",
    "local_path",
    "open_folder",
    "read_uri",
]


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

    def write(self, name: str, data: bytes, durable: Durable = "name") -> None:
        """Write the file ``name``, replacing an existing one."""

    def create(self, name: str, data: bytes, durable: Durable = "name") -> bool:
        """Write the file ``name`` if it does not exist; return whether this call wrote it."""

    def read_version(self, name: str) -> tuple[bytes, str]:
        """The bytes of the file, and a text that names this version of it."""

    def replace(self, name: str, data: bytes, version: str) -> str | None:
        """Write the file if it is still this version; return the new version, or None if it was not."""

    def version(self, name: str) -> str | None:
        """Changes when the file does, without reading it: its size and time, or its ETag; None: no file."""

    def move(self, old: str, new: str) -> None:
        """Move a file, or a folder of files, to another name in this folder.

        It replaces a file of that name; a folder of that name keeps its files with other names.
        """

    def publish(self, name: str, local: Path) -> None:
        """Move a local file to ``name``, replacing an existing one."""

    def delete(self, name: str) -> None:
        """Delete ``name``; a missing file is not an error."""

    def delete_all(self, names: Sequence[str]) -> None:
        """Delete existing files, many at once; after an error some may be left (see ``delete_many``)."""

    def names(self, prefix: str) -> Iterator[str]:
        """All names in the folder ``prefix`` and below it, in any order; ``""`` lists every name.

        Files that file managers and copy programs leave in any folder are left out: see ``is_foreign``.
        """

    def children(self, folder: str) -> list[str]:
        """What is directly in a folder, without foreign files: names of files, and of sub-folders with a
        ``/`` at their end."""

    def local(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """A local path to the file or folder of files; a temporary copy when the storage is remote."""

    def staging(self) -> Path:
        """A local folder for files that wait for ``publish``; only this user can open it."""

    def clean_staging(self) -> None:
        """Delete what dead processes left in the staging folder; for the holder of the lease."""


def open_folder(uri: str | Path) -> Folder:
    """The folder at a path or URI. A local folder is created by the first write into it."""
    text = str(uri)
    path = local_path(text)
    return LocalFolder(path) if path is not None else ObjectFolder(text)


def local_path(uri: str) -> Path | None:
    """The local path of a URI; None for a remote one."""
    if ":" not in uri:
        return Path(uri)  # As nearly always: a manifest may have a million paths.
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    # A single letter before the colon is a Windows drive, not a scheme.
    return Path(uri) if len(parts.scheme) <= 1 or "://" not in uri else None


def expanded(path: str | Path) -> Path:
    """The path with ``~`` as the home folder; unchanged if the user does not exist."""
    with contextlib.suppress(RuntimeError):
        return Path(path).expanduser()
    return Path(path)


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
