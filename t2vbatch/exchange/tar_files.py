"""Opening an untrusted tar: its expansion, headers and members are bounded."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from t2vbatch.errors import UsageError

_MOST_AT_ONCE = 16 << 20
"""Most bytes that are read at once: members are copied in smaller parts, and a header has a few kilobytes."""

_EXPANSION = 20
_LEAST_EXPANDED = 256 << 20
"""Media are compressed already, so that a compressed shard of media is about as large as its content."""

_OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}


@contextmanager
def opened_tar(path: Path) -> Iterator[tarfile.TarFile]:
    """A tar, plain or compressed by gzip, bzip2 or xz.

    Raises:
        UsageError: the file is not a tar, is damaged, or expands to far more bytes than it has; also while
            it is read.
    """
    try:
        with path.open("rb") as file:
            opener = _OPENERS.get(file.read(2))
        limit = max(_LEAST_EXPANDED, _EXPANSION * path.stat().st_size)
        with (opener or open)(path, "rb") as content:
            bounded = _Bounded(cast(BinaryIO, content), limit if opener else None)
            with tarfile.open(fileobj=cast(BinaryIO, bounded), mode="r:") as tar:
                yield tar
    except _ExpandsError as error:
        fix = "unpack it to a plain .tar first"
        raise UsageError(str(path), str(error), "at most 20 times its own size", fix) from None
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # The disk is at fault; errors of a compressed file have no number.
        found = f"a file that is not a tar ({error})"
        raise UsageError(str(path), found, "a WebDataset shard, .tar") from None


class _ExpandsError(Exception):
    """A compressed file that expands to too many bytes."""


class _Bounded:
    """A binary file for ``tarfile``, which bounds the position and the bytes of one read."""

    def __init__(self, file: BinaryIO, limit: int | None) -> None:
        self._file, self._limit = file, limit

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise tarfile.ReadError("a header of more than 16 MiB")
        data = self._file.read(size)
        self._check(self._file.tell())
        return data

    def seek(self, position: int, whence: int = 0) -> int:
        if whence == 0:
            self._check(position)
        return self._file.seek(position, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def _check(self, position: int) -> None:
        if self._limit is not None and position > self._limit:
            raise _ExpandsError(f"a compressed file that expands to more than {self._limit:,} bytes")
