"""Compressed text: gzip, bzip2 and Zstandard, by the first bytes of the file and not by its name.

A server or a store may compress a file, or unpack it, and keep its name.
"""

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from t2vbatch.manifest.text import BadText

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SUFFIXES = (".gz", ".bz2", ".zst", ".zstd")
"""Extensions that follow the extension of the format."""

_HEAD_BYTES = 10
_CODECS = (("gzip", rb"\x1f\x8b"), ("zstd", rb"\x28\xb5\x2f\xfd"), ("bz2", rb"BZh[1-9]1AY&SY"))
_EXPANSION = 100
_LEAST_EXPANDED = 256 << 20
"""Tables of text shrink to a third or a tenth; only tables that repeat themselves shrink further."""

_BUFFER_BYTES = 1 << 20


def unpacked(open_file: Callable[[], BinaryIO]) -> Callable[[], BinaryIO]:
    """A function that opens the same file and decompresses it, if it is compressed.

    What it returns is not seekable, and a read raises BadText if the data are damaged or expand to more than
    256 MiB and more than 100 times their size.
    """

    def opened() -> BinaryIO:
        file = open_file()
        head = file.read(_HEAD_BYTES)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        codec = next((name for name, magic in _CODECS if re.match(magic, head)), None)
        return file if codec is None else io.BufferedReader(_Unpacked(file, codec, size), _BUFFER_BYTES)

    return opened


class _Unpacked(io.RawIOBase):
    """The decompressed bytes of a file of ``size`` bytes."""

    def __init__(self, file: BinaryIO, codec: str, size: int) -> None:
        self._file, self._codec = file, codec
        self._stream = pa.CompressedInputStream(pa.PythonFile(file, "r"), codec)
        self._left = max(_LEAST_EXPANDED, _EXPANSION * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._stream.read(len(view))
        except OSError as error:
            if error.errno is not None:
                raise  # The disk is at fault; errors of compressed data have no number.
            found = f"damaged {self._codec}-compressed data ({error})"
            raise BadText(found, "a complete file", "copy or compress it again") from None
        view[: len(data)] = data
        self._left -= len(data)
        if self._left < 0:
            found = f"{self._codec}-compressed data that expand to more than {_EXPANSION} times their size"
            raise BadText(found, "a table that shrinks less", "unpack it first")
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()
