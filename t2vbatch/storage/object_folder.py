"""A prefix of an object store: see Folder."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError, NotFoundError, PreconditionError
from obstore.store import from_url

from t2vbatch.errors import StoreError
from t2vbatch.storage.errors import explained
from t2vbatch.storage.local_folder import Durable
from t2vbatch.storage.names import checked_name, is_foreign
from t2vbatch.storage.scratch import scratch_folder

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutResult
    from obstore.store import ObjectStore, RetryConfig

SCHEMES = ("s3", "gs", "az")

_PATIENCE_S = 60.0
"""A store that is unreachable for a minute must not end a run of several days."""
_RETRIES: "RetryConfig" = {"max_retries": 100, "retry_timeout": timedelta(seconds=_PATIENCE_S)}
_LONGEST_PAUSE_S = 5.0
_CONNECTION_BROKE = "HTTP error: "
"""What obstore's message contains if a request got no answer, rather than one with an error status."""

_CONFLICT_PAUSES_S = (0.0, 0.05, 0.5, 5.0)
"""Pauses before each try of a creation that is refused although the file does not exist: S3 answers 409 to
one that meets another request for the same name, and wants it repeated."""

_PART_BYTES = 1 << 20

T = TypeVar("T")


class ObjectFolder:
    """A prefix of an object store."""

    def __init__(self, uri: str) -> None:
        self._uri = uri.rstrip("/")
        if self._uri.partition("://")[0] not in SCHEMES:
            raise StoreError(f"cannot open {uri}: a folder is a local path or an s3://, gs:// or az:// URI")
        with explained("open", uri):
            self._store = open_object_store(self._uri, _RETRIES)

    def __reduce__(self) -> tuple[type["ObjectFolder"], tuple[str]]:
        return (ObjectFolder, (self._uri,))

    @property
    def uri(self) -> str:
        return self._uri

    def read(self, name: str) -> bytes:
        with explained("read", self._name(name), missing=True):
            return bytes(obstore.get(self._store, checked_name(name)).bytes())

    def read_to(self, take: Callable[[bytes], object], name: str, max_bytes: int) -> None:
        """Pass the bytes of the file to ``take``, a part at a time.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: it cannot be read, or has more than ``max_bytes``.
        """
        with explained("read", self._name(name), missing=True):
            found = obstore.get(self._store, checked_name(name))
            if found.meta["size"] > max_bytes:
                raise StoreError(f"cannot read {self._name(name)}: it has more than {max_bytes:,} bytes")
            for part in found.stream(_PART_BYTES):
                take(bytes(part))

    def size(self, name: str) -> int | None:
        with explained("look up", self._name(name)):
            try:
                return int(obstore.head(self._store, checked_name(name))["size"])
            except (NotFoundError, FileNotFoundError):
                return None

    def write(self, name: str, data: bytes, durable: Durable = "name") -> None:
        with explained("write", self._name(name)):
            obstore.put(self._store, checked_name(name), data)

    def create(self, name: str, data: bytes, durable: Durable = "name") -> bool:
        with explained("create", self._name(name)):
            for pause_s in _CONFLICT_PAUSES_S:
                time.sleep(pause_s)
                try:
                    _repeated(lambda: obstore.put(self._store, checked_name(name), data, mode="create"))
                    return True
                except (AlreadyExistsError, FileExistsError):
                    with contextlib.suppress(FileNotFoundError):
                        # Equal bytes: an earlier try of this write succeeded without an answer.
                        return self.read(name) == data
        raise StoreError(f"cannot create {self._name(name)}: the storage refuses it, and has no such file")

    def read_version(self, name: str) -> tuple[bytes, str]:
        with explained("read", self._name(name), missing=True):
            found = obstore.get(self._store, checked_name(name))
            return bytes(found.bytes()), _version(found.meta)

    def replace(self, name: str, data: bytes, version: str) -> str | None:
        e_tag, _, generation = version.partition("\n")
        known = {key: text for key, text in (("e_tag", e_tag), ("version", generation)) if text}
        with explained("write", self._name(name)):
            try:
                written = _repeated(lambda: obstore.put(self._store, checked_name(name), data, mode=known))  # type: ignore[arg-type]
                return _version(written)
            except (PreconditionError, NotFoundError, FileNotFoundError):
                return self.version(name) if self._contains(name, data) else None

    def version(self, name: str) -> str | None:
        with explained("look up", self._name(name)):
            try:
                return _version(obstore.head(self._store, checked_name(name)))
            except (NotFoundError, FileNotFoundError):
                return None

    def move(self, old: str, new: str) -> None:
        files = [old] if self.size(old) is not None else list(self.names(old))
        if not files:
            raise FileNotFoundError(self._name(old))
        with explained("move", self._name(old)):
            for file in files:
                obstore.copy(self._store, checked_name(file), checked_name(new + file[len(old) :]))
                self.delete(file)

    def publish(self, name: str, local: Path) -> None:
        with explained("write", self._name(name)):
            obstore.put(self._store, checked_name(name), local)
        if self.size(name) != local.stat().st_size:
            raise StoreError(
                f"{self._name(name)}: the upload has another size than the local file; run again"
            )
        local.unlink()

    def delete(self, name: str) -> None:
        with explained("delete", self._name(name)), contextlib.suppress(NotFoundError, FileNotFoundError):
            _repeated(lambda: obstore.delete(self._store, checked_name(name)))

    def delete_all(self, names: Sequence[str]) -> None:
        with explained("delete files in", self._uri):
            checked = [checked_name(name) for name in names]
            _repeated(lambda: obstore.delete(self._store, checked))

    def names(self, prefix: str) -> Iterator[str]:
        with explained("list", self._name(prefix)):
            yield from _repeated(lambda: self._listed(prefix))

    def children(self, folder: str) -> list[str]:
        with explained("list", self._name(folder)):
            found = _repeated(lambda: obstore.list_with_delimiter(self._store, prefix=checked_name(folder)))
            files = [entry["path"] for entry in found["objects"] if self._is_file(entry, folder)]
        folders = (name for name in found["common_prefixes"] if not is_foreign(name[len(folder) :]))
        return [*(f"{name}/" for name in folders), *files]

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
        return scratch_folder()

    def clean_staging(self) -> None:
        """Nothing to delete: each process has its own scratch folder, and deletes it when it ends."""

    def _listed(self, prefix: str) -> list[str]:
        """The names of the whole listing, so that one whose connection breaks can be repeated."""
        pages = obstore.list(self._store, prefix=checked_name(prefix) if prefix else None)
        return [entry["path"] for page in pages for entry in page if self._is_file(entry, prefix)]

    def _is_file(self, entry: "ObjectMeta", folder: str) -> bool:
        """Whether a listed object is a file: no foreign one, and not the empty object ``FOLDER/`` with which
        the consoles of clouds make a folder. obstore lists that one as ``FOLDER``, and does not find it."""
        name = entry["path"]
        if is_foreign(name[len(folder) :]):
            return False
        return entry["size"] > 0 or (name != folder and self.size(name) is not None)

    def _contains(self, name: str, data: bytes) -> bool:
        """Whether the file has these bytes: then an earlier try of this write succeeded without an answer."""
        try:
            return self.read(name) == data
        except FileNotFoundError:
            return False

    def _name(self, name: str) -> str:
        return f"{self._uri}/{name}"


def open_object_store(uri: str, retries: "RetryConfig") -> "ObjectStore":
    """The store of obstore at a URI. Raises an error of obstore for a URI or settings that it cannot use."""
    scheme, _, place = uri.rstrip("/").partition("://")
    # Quote the name: URL rules would decode '%' and end the prefix at '#'.
    return from_url(f"{scheme}://{quote(place)}", retry_config=retries)


def _repeated(request: Callable[[], T]) -> T:
    """Repeat a request while its connection breaks, for a minute.

    obstore repeats reads and plain writes itself. It does not repeat conditional writes and deletions,
    because only their caller can find out whether a request without an answer succeeded.
    """
    until, pause = time.monotonic() + _PATIENCE_S, 0.05
    while True:
        try:
            return request()
        except GenericError as error:
            if _CONNECTION_BROKE not in str(error) or time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def _version(found: "PutResult | ObjectMeta") -> str:
    """What a store compares before a conditional write: the ETag of S3 and Azure, the generation of GCS."""
    return f"{found['e_tag'] or ''}\n{found['version'] or ''}"
