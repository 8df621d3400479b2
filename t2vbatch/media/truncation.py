"""Whether a video file ends too early, for containers where decoders do not report it.  [pure]

Matroska and WebM state the size of their segment, MXF the place of its footer. A GIF ends with a trailer, an
Ogg file with a marked page. YUV4MPEG2 has frames of one size, MPEG-TS packets of one size.
"""

import re
import struct
from pathlib import Path

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_MXF, _FOOTER_FIELD = bytes.fromhex("060e2b34020501010d01020101"), 24
_HEAD_BYTES = 4096
_TAIL_BYTES = 1 << 17
_OGG_HEADER_BYTES = 27
_OGG_LAST_PAGE = 4
_Y4M = re.compile(r"(420|422|444|440|411|410|mono)(alpha)?(?:jpeg|mpeg2|paldv)?p?(\d+)?")
_CHROMA = {"420": (2, 2), "422": (2, 1), "440": (1, 2), "411": (4, 1), "410": (4, 4)}


def truncated(file: Path | bytes) -> str | None:
    """What is missing at the end of a file; None for complete files and other containers. Raises OSError."""
    head, tail, size = _ends(file)
    if head.startswith(_EBML):
        end = _matroska_end(head)
        return "its segment is incomplete" if end is not None and end > size else None
    if head.startswith(b"GIF8"):
        return None if b"\x3b" in tail[-16:] else "its trailer is missing"
    if head.startswith(b"OggS"):
        return None if _ogg_ends(tail) else "its last page is missing"
    if head.startswith(b"YUV4MPEG2 "):
        return "its last frame is incomplete" if _y4m_rest(head, size) else None
    if head.startswith(_MXF):
        footer = _mxf_footer(head)
        return "its footer is missing" if footer is not None and footer >= size else None
    if (packet := _packet_bytes(head)) and size % packet:
        return "its last packet is incomplete"
    return None


def _ends(file: Path | bytes) -> tuple[bytes, bytes, int]:
    if isinstance(file, bytes):
        return file[:_HEAD_BYTES], file[-_TAIL_BYTES:], len(file)
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        stream.seek(max(0, size - _TAIL_BYTES))
        return head, stream.read(), size


def _matroska_end(head: bytes) -> int | None:
    """Where the segment ends, in bytes from the start; None if the file does not state it."""
    found = _varint(head, len(_EBML))
    if found is None:
        return None
    start = found[1] + found[0]
    segment = _varint(head, start + len(_SEGMENT))
    if head[start : start + len(_SEGMENT)] != _SEGMENT or segment is None:
        return None
    return segment[0] + segment[1]


def _varint(data: bytes, at: int) -> tuple[int, int] | None:
    """An EBML number and where it ends; None for an unknown size."""
    if at >= len(data) or not data[at]:
        return None
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    return None if value == (1 << 7 * length) - 1 else (value, at + length)


def _y4m_rest(head: bytes, size: int) -> int:
    """Bytes after the last complete frame; 0 for colours or frame headers that are not known here."""
    line, _, rest = head.partition(b"\n")
    fields = {word[:1]: word[1:].decode("latin-1") for word in line.split()[1:]}
    colours = _Y4M.fullmatch(fields.get(b"C", "420"))
    sides = fields.get(b"W", ""), fields.get(b"H", "")
    if colours is None or not all(side.isdecimal() for side in sides) or not rest.startswith(b"FRAME\n"):
        return 0
    width, height = map(int, sides)
    across, down = _CHROMA.get(colours[1], (1, 1))
    planes = 0 if colours[1] == "mono" else 2 * -(-width // across) * -(-height // down)
    planes += width * height * (2 if colours[2] else 1)
    frame = planes * (2 if int(colours[3] or 8) > 8 else 1) + len(b"FRAME\n")
    return (size - len(line) - 1) % frame


def _mxf_footer(head: bytes) -> int | None:
    """Where the footer of an MXF file is, in bytes from the start; None when the file does not state it."""
    length = _mxf_fields(head)
    if length is None:
        return None
    (footer,) = struct.unpack_from(">Q", head, length + _FOOTER_FIELD)
    return footer or None


def _mxf_fields(head: bytes) -> int | None:
    """Where the fields of the first partition begin: after its key, and a length of one or more bytes."""
    at = 16
    long_form = head[at] & 0x80 if at < len(head) else 0
    start = at + 1 + (head[at] & 0x7F if long_form else 0)
    return start if start + _FOOTER_FIELD + 8 <= len(head) else None


def _packet_bytes(head: bytes) -> int | None:
    """The size of the packets of MPEG-TS, with a time stamp before each in m2ts; None for other files."""
    for size, start in ((188, 0), (192, 4)):
        if all(head[start + size * index : start + size * index + 1] == b"G" for index in range(4)):
            return size
    return None


def _ogg_ends(tail: bytes) -> bool:
    at = tail.rfind(b"OggS")
    if at < 0 or at + _OGG_HEADER_BYTES > len(tail):
        return False
    segments = tail[at + _OGG_HEADER_BYTES - 1]
    table = tail[at + _OGG_HEADER_BYTES : at + _OGG_HEADER_BYTES + segments]
    end = at + _OGG_HEADER_BYTES + segments + sum(table)
    return bool(tail[at + 5] & _OGG_LAST_PAGE) and len(table) == segments and end <= len(tail)
