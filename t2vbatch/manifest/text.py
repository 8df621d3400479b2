"""One reader of text files, for manifests, imports and prompt lists.

Reads UTF-8, and UTF-16 and UTF-32 with a byte order mark or an obvious pattern of zero bytes. Lines end with
``\\n``, ``\\r\\n`` or ``\\r`` and with nothing else: U+2028 is a character of a line. Any other encoding is
refused, because a wrong guess would change the text silently.
"""

import codecs
import io
import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO, cast

from t2vbatch.storage.file_kinds import HEAD_BYTES, file_kind

LINE_CHARS = 64 << 20
"""The largest number of characters of a line, because a line is read as a whole."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_END_OF_FILE = "\x1a"
"""The character that old programs write after the last line."""

_ENDS = re.compile(rb"\r\n|\r|\n")


class BadText(ValueError):  # noqa: N818 - it never leaves the package, and is caught where the file is known
    """A file that cannot be read as text: found, expected, and what to do."""

    def __init__(self, found: str, expected: str, fix: str = "") -> None:
        super().__init__(found, expected, fix)
        self.found, self.expected, self.fix = found, expected, fix


def text_lines(file: BinaryIO, keep_ends: bool = False, whole: bool = True) -> Iterator[str]:
    """The lines of a binary file, which is closed at the end.

    Args:
        keep_ends: whether lines keep their own end; otherwise they have none.
        whole: whether a line of LINE_CHARS or more is refused; otherwise it comes in parts.

    Raises:
        BadText: the bytes are not text in a known encoding, or a line is too long.
    """
    with io.BufferedReader(cast(io.RawIOBase, file)) as buffered:
        head = buffered.peek(HEAD_BYTES)[:HEAD_BYTES]
        if (kind := file_kind(head, media=False)) is not None:
            raise BadText(kind.name, "text", kind.fix)
        encoding = _encoding(head[:4])
        text = io.TextIOWrapper(buffered, encoding, newline="" if keep_ends else None)
        number = 0
        while True:
            try:
                line = text.readline(LINE_CHARS)
            except UnicodeDecodeError as error:
                raise _undecodable(error, number) from None
            if not line:
                return
            number += 1
            line = line.lstrip("\ufeff")  # Joined files have the mark of each, and tools add a second one.
            if line == _END_OF_FILE:
                return
            if "\0" in line:
                raise BadText(f"a zero byte on line {number}", "text", "write the file again")
            if whole and len(line) == LINE_CHARS:
                found = f"a line of {LINE_CHARS:,} characters or more, line {number}"
                raise BadText(found, "shorter lines")
            yield line if keep_ends else line.removesuffix("\n")


def decode_text(data: bytes) -> str:
    """The text of a whole file, without a byte order mark and with its own line ends. Raises BadText."""
    return "".join(text_lines(io.BytesIO(data), keep_ends=True))


def _encoding(head: bytes) -> str:
    """The encoding that the first four bytes of a file show."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    zeros = tuple(byte == 0 for byte in head)
    return _ZEROS.get(zeros, "utf-8")


_ZEROS: Mapping[tuple[bool, ...], str] = {
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
}
"""Which of the first four bytes are zero, for a text that begins with a Latin letter."""


def _undecodable(error: UnicodeDecodeError, lines: int) -> BadText:
    line = lines + 1 + len(_ENDS.findall(error.object[: error.start]))
    expected = "text in UTF-8"
    if not error.encoding.startswith("utf-8"):
        return BadText(f"invalid {error.encoding.upper()} on line {line}", expected, "save the file as UTF-8")
    if b"\0" in error.object:
        fix = "save the file as UTF-8; if it is in UTF-16: iconv -f UTF-16LE -t UTF-8 FILE > NEW"
        return BadText(f"zero bytes and bytes that are not UTF-8, line {line}", expected, fix)
    found = f"the byte 0x{error.object[error.start]:02x} on line {line}, which is not UTF-8"
    fix = "save the file as UTF-8; if it is in Latin-1 or Windows-1252: iconv -f CP1252 -t UTF-8 FILE > NEW"
    return BadText(found, expected, fix)
