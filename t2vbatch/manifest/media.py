"""Media of a manifest's rows: their location, whether the manifest may read it, and their bytes.

A manifest is untrusted. It may name files in its own folder (after symbolic links are resolved) and explicit
URIs: ``s3://``, ``gs://``, ``az://``, and ``https://`` or ``http://`` at public addresses. Other local paths
are read only when the caller allows them.
"""

import ast
import hashlib
import json
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from t2vbatch.errors import RowError, StoreError, shown_path
from t2vbatch.media.frame_folder import frame_names, pack_frames
from t2vbatch.storage.files import local_path, open_folder
from t2vbatch.storage.inputs import Take, is_inside, local_bytes, local_input, stored_input
from t2vbatch.storage.object_folder import SCHEMES
from t2vbatch.storage.outages import Outages
from t2vbatch.storage.web import MAX_BYTES, Permits, fetch_to, is_public, names_private_host

WEB = ("http", "https")

_OUTAGES = Outages()
"""Of this process: a host that does not answer would otherwise hold each row for a minute."""


@dataclass(frozen=True)
class Media:
    """An image, video or control sequence of a row: bytes in the manifest, or a path or URI.

    Several images of one cell are like a folder with these images in the order of the cell.

    Attributes:
        name: the manifest column: one of MEDIA, or an argument whose cell names an array.
        uri: absolute path or URI; for several images their JSON list; None when the manifest holds the bytes.
        data: the bytes, when they are already in memory.
        within: the manifest's folder, when ``uri`` must be inside it. A local path outside it is not read
            then. A web server that holds the manifest may have a private address. For several images a JSON
            list with an entry for each of them, which is empty in place of None.
    """

    name: str
    uri: str | None = None
    data: bytes | None = field(default=None, repr=False)
    within: str | None = None

    @classmethod
    def several(cls, name: str, files: "Sequence[Media]") -> "Media":
        """The media of a cell that names several files."""
        uris, folders = zip(*((file.uri or "", file.within or "") for file in files), strict=True)
        return cls(name, list_cell(uris), within=list_cell(folders))

    def read(self) -> bytes:
        """The bytes of the file; for a folder of frames, the tar that ``media.frame_folder`` describes.

        A folder is a local path to one, or the URI of a store that ends with ``/``.

        Raises:
            RowError: the bytes cannot be read; the message has the reason.
        """
        if self.data is not None:
            return self.data
        if parts := self._parts():
            files = {f"{index}{_suffix(part.uri)}": part for index, part in enumerate(parts)}
            return pack_frames(files, _bounded(lambda name: files[name].read()))
        with self._explained():
            if self._is_folder():
                return self._frames(self.uri or "")
            data = bytearray()
            self._pass(data.extend, self.uri or "")
            return bytes(data)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            with self._watched():
                yield
        except FileNotFoundError as error:
            raise RowError(f"{self.name}: no file at {shown_path(self.uri)}") from error
        except (StoreError, OSError, ValueError) as error:
            raise RowError(f"{self.name} at {shown_path(self.uri)}: {error}") from error

    def _watched(self) -> AbstractContextManager[None]:
        """Watches the answers of the host; a local file has none."""
        remote = self.uri is not None and local_path(self.uri) is None
        return _OUTAGES.watched(self.uri or "") if remote else nullcontext()

    def sha256(self) -> str:
        """Digest of the bytes, as 64 hexadecimal digits; a large file is not held in memory.

        Raises:
            RowError: as ``read``.
        """
        digest = hashlib.sha256()
        if self.data is None and not self._parts():
            with self._explained():
                if not self._is_folder():
                    self._pass(digest.update, self.uri or "")
                    return digest.hexdigest()
        return hashlib.sha256(self.read()).hexdigest()

    def version(self) -> str | None:
        """What changes when the file does, without reading it: size and time, or ETag; None if unknown."""
        if parts := self._parts():
            versions = [part.version() for part in parts]
            return None if None in versions else json.dumps(versions)
        if not self.uri:
            return None
        if (path := local_path(self.uri)) is not None:
            return _local_version(path, self.within)
        if self.uri.endswith("/") or urlsplit(self.uri).scheme in WEB:
            return None
        parent, _, name = self.uri.rpartition("/")
        try:
            with _OUTAGES.watched(self.uri):
                return open_folder(parent).version(name)
        except StoreError:
            return None  # ``read`` reports why.

    def loaded(self) -> "Media":
        """The same media with its bytes in memory, to send it to a worker on another machine."""
        return self if self.data is not None else replace(self, data=self.read())

    def _parts(self) -> "list[Media]":
        """The files of a list, each to be read like a file of its own; empty for one file."""
        uris = paths_of(self.uri) if self.uri is not None and self.data is None else ()
        if len(uris) < 2:
            return []
        folders = zip(uris, paths_of(self.within or ""), strict=True)
        return [Media(self.name, uri, within=folder or None) for uri, folder in folders]

    def _is_folder(self) -> bool:
        """Whether the cell names a folder of frames."""
        uri = self.uri or ""
        path = local_path(uri)
        return path.is_dir() if path else uri.endswith("/") and urlsplit(uri).scheme not in WEB

    def _pass(self, take: Take, uri: str) -> None:
        """Pass the bytes of the file to ``take``, a part at a time."""
        path = local_path(uri)
        if path is not None:
            local_input(take, path, self.within)
        elif urlsplit(uri).scheme in WEB:
            fetch_to(take, uri, self._permits())
        else:
            stored_input(take, uri)

    def _frames(self, uri: str) -> bytes:
        path = local_path(uri)
        if path is not None:
            return _local_frames(path, self.within)
        folder = open_folder(uri)
        return pack_frames(_some_frames(folder.names("")), _bounded(folder.read))

    def _permits(self) -> Permits | None:
        """Which addresses a URL may have: any beside the manifest, else public ones."""
        beside = self.within is not None and self.uri is not None and self.uri.startswith(f"{self.within}/")
        return None if beside else is_public


def list_cell(paths: Sequence[str]) -> str:
    """The text of a cell that names several files."""
    return json.dumps(list(paths), ensure_ascii=False)


def paths_of(cell: str) -> tuple[str, ...]:
    """The paths and URIs in a cell: those of a list of texts, in JSON or as Python prints it, or the cell."""
    if not cell.lstrip().startswith("["):
        return (cell,)
    for read in (json.loads, ast.literal_eval):  # pandas writes a list into CSV as Python prints it
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            listed = read(cell)
            if isinstance(listed, list) and all(isinstance(path, str) for path in listed):
                return tuple(listed)
    return (cell,)


def located(cell: str, base: str) -> str:
    """The absolute path or URI of a cell in a manifest whose folder is ``base``."""
    if len(paths := paths_of(cell)) > 1:
        return list_cell([located(path, base) for path in paths])
    if "://" in cell:
        return cell
    if local_path(base) is not None or posixpath.isabs(cell):
        return posixpath.join(base, cell)
    return f"{base}/{posixpath.normpath(cell)}" + ("/" if cell.endswith("/") else "")


def refusal(cell: str, base: str, allow_paths: bool, allow: Sequence[str] = ()) -> str | None:
    """Why a manifest in the folder ``base`` may not name this path or URI; None if it may.

    Args:
        allow: prefixes of URIs that the job allows, besides ``base``.
    """
    scheme, separator, _ = cell.partition("://")
    if separator or cell.startswith("file:"):
        if is_below(cell, (base, *allow)):
            return None
        return _uri_refusal(cell, scheme.lower(), allow_paths)
    if allow_paths:
        return None
    if posixpath.isabs(cell):
        return "an absolute path"
    outside = (
        posixpath.normpath(cell).split("/")[0] == ".."
        if local_path(base) is None
        else not is_inside(posixpath.join(base, cell), base)
    )
    return "a path outside the manifest's folder" if outside else None


def is_below(uri: str, prefixes: Iterable[str]) -> bool:
    """Whether a URI without ``.`` and ``..`` in its path is one of the prefixes, or below one."""
    parts = unquote(uri).replace("\\", "/").split("/")
    if ".." in parts or "." in parts:
        return False
    return any(uri == prefix or uri.startswith(f"{prefix.rstrip('/')}/") for prefix in prefixes if prefix)


def is_frame_folder(path: Path) -> bool:
    """Whether a local folder holds frames. Raises OSError when it cannot be listed."""
    return bool(frame_names(entry.name for entry in path.iterdir()))


def _uri_refusal(uri: str, scheme: str, allow_paths: bool) -> str | None:
    if scheme in WEB:
        try:
            host = urlsplit(uri).hostname
        except ValueError:
            host = None
        if not host:
            return "a URL without a host"
        return (
            "a URL at a private address that media.allow does not name" if names_private_host(uri) else None
        )
    if scheme in SCHEMES:
        return "a place in a store that the job's media.allow does not name"
    if scheme.startswith("file"):
        return None if allow_paths and scheme == "file" else "a local path as a URI"
    return f"a URI with the unknown scheme {scheme[:20]!r}"


def _suffix(uri: str | None) -> str:
    return posixpath.splitext(urlsplit(uri or "").path)[1].lower()[:10]


def _local_version(path: Path, within: str | None) -> str | None:
    if path.is_dir():
        return None if within and not is_inside(str(path), within) else _folder_version(path)
    with suppress(StoreError):  # ``read`` reports it.
        return open_folder(path.parent).version(path.name)
    return None


def _folder_version(folder: Path) -> str:
    files = sorted((entry.name, entry.stat()) for entry in folder.iterdir())
    listed = [f"{name} {found.st_size} {found.st_mtime_ns}" for name, found in files]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def _local_frames(folder: Path, within: str | None) -> bytes:
    if within is not None and not is_inside(str(folder), within):
        raise StoreError("it is outside the manifest's folder")

    def read(name: str) -> bytes:
        if (folder / name).is_dir():
            raise StoreError(f"its entry {name} is a folder, not a frame")
        return local_bytes(folder / name, within)

    return pack_frames(_some_frames(entry.name for entry in folder.iterdir()), _bounded(read))


def _bounded(read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """The same reader of frames, which together have at most MAX_BYTES."""
    total = 0

    def one(name: str) -> bytes:
        nonlocal total
        data = read(name)
        total += len(data)
        if total > MAX_BYTES:
            raise StoreError(f"its frames have more than {MAX_BYTES:,} bytes")
        return data

    return one


def _some_frames(names: Iterable[str]) -> list[str]:
    frames = frame_names(name for name in names if "/" not in name)
    if not frames:
        raise StoreError("it is a folder without frames")
    return frames
