"""Small files that decode to much, or that claim what they do not hold; each is made when it is tried."""

import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator

from PIL import Image

SIDE = 60_000
"""Claimed by headers: 3.6 billion pixels."""


def _saved(kind: str, side: int = 8, **options: object) -> bytes:
    sink = io.BytesIO()
    Image.new("L", (side, side), 128).save(sink, kind, **options)
    return sink.getvalue()


def jpeg_scans() -> bytes:
    """A progressive JPEG whose last scan is repeated a thousand times."""
    head, *scans = _saved("JPEG", 512, progressive=True).split(b"\xff\xda")
    scans[-1] = scans[-1][:-2]
    return b"\xff\xda".join([head, *scans, *[scans[-1]] * 1000]) + b"\xff\xd9"


def jpeg_size() -> bytes:
    """A JPEG that claims 60,000 x 60,000 pixels."""
    data = bytearray(_saved("JPEG"))
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, SIDE, SIDE)
    return bytes(data)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(*chunks: bytes, side: int = SIDE) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"".join([b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), *chunks, _chunk(b"IEND", b"")])


def png_size() -> bytes:
    """A PNG of 3.6 billion pixels in a few kilobytes."""
    return _png(_chunk(b"IDAT", zlib.compress(bytes(1 << 20))))


def png_text() -> bytes:
    """A PNG with 200 MB of text in 200 KB."""
    text = b"x\0\0" + zlib.compress(bytes(200 << 20))
    return _png(_chunk(b"zTXt", text), _chunk(b"IDAT", zlib.compress(bytes(25 * 8))), side=8)


def png_profile() -> bytes:
    """A PNG with a colour profile of 200 MB."""
    profile = b"x\0\0" + zlib.compress(bytes(200 << 20))
    return _png(_chunk(b"iCCP", profile), _chunk(b"IDAT", zlib.compress(bytes(5))), side=8)


def apng_frames() -> bytes:
    """An APNG that claims four billion frames."""
    return _png(_chunk(b"acTL", struct.pack(">II", 0xFFFFFFFF, 0)), _chunk(b"IDAT", b""), side=8)


def gif_size() -> bytes:
    """A GIF whose frame is larger than its screen."""
    data = bytearray(_saved("GIF"))
    struct.pack_into("<HH", data, data.index(b"\x2c") + 5, 0xFFFF, 0xFFFF)
    return bytes(data)


def gif_frames() -> bytes:
    """A GIF of twenty thousand frames."""
    data = _saved("GIF", 1)
    frame = data[data.index(b"\x2c") : -1]
    return data[:-1] + frame * 20_000 + b"\x3b"


def _tiff(*tags: tuple[int, int, int, int], after: int = 0) -> bytes:
    """A TIFF with one directory; ``after``: where the next one is said to be."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", after) + bytes(64)


def tiff_size() -> bytes:
    """A TIFF that claims 3.6 billion pixels."""
    return _tiff((256, 4, 1, SIDE), (257, 4, 1, SIDE), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8))


def tiff_tiles() -> bytes:
    """A small TIFF whose tiles have 65,520 x 65,520 pixels."""
    size = ((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1))
    return _tiff(*size, (322, 4, 1, 65_520), (323, 4, 1, 65_520), (324, 4, 1, 8), (325, 4, 1, 64))


def tiff_circle() -> bytes:
    """A TIFF whose next page is itself."""
    return _tiff((256, 4, 1, SIDE), (257, 4, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8), after=8)


def tiff_tag() -> bytes:
    """A TIFF with four billion strips."""
    return _tiff((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 0xFFFFFFFF, 8))


def webp_size() -> bytes:
    """An animated WebP with a canvas of 16,384 x 16,384 pixels."""
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff\x3f\0" * 2
    body = b"WEBP" + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp_size() -> bytes:
    """A BMP that claims 3.6 billion pixels."""
    data = bytearray(_saved("BMP"))
    struct.pack_into("<ii", data, 18, SIDE, SIDE)
    return bytes(data)


def other_formats() -> Iterator[bytes]:
    """Formats that Pillow opens and t2vbatch does not: one of them starts a program."""
    yield b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) print\nshowpage\n"
    yield b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, SIDE, SIDE, 8, 3) + bytes(64)
    yield b"\0\0\1\0\1\0" + bytes(16) + b"\x89PNG"
    yield b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64)
    yield b"P6 60000 60000 255\n"
    yield b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><image href='file:///etc/passwd'/></svg>"


IMAGES: tuple[Callable[[], bytes], ...] = (
    jpeg_scans,
    jpeg_size,
    png_size,
    png_profile,
    apng_frames,
    gif_size,
    tiff_size,
    tiff_tiles,
    tiff_circle,
    tiff_tag,
    webp_size,
    bmp_size,
)


def _boxes(*boxes: tuple[bytes, bytes]) -> bytes:
    return b"".join(struct.pack(">I", 8 + len(data)) + kind + data for kind, data in boxes)


def mp4_playlist() -> bytes:
    """A playlist of HLS, which would make ffmpeg open other files."""
    return b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


def concat_list() -> bytes:
    """A list of ffmpeg's concat demuxer."""
    return b"ffconcat version 1.0\nfile '/etc/passwd'\n"


def mp4_reference() -> bytes:
    """A QuickTime file whose data are in another file."""
    alias = _boxes(
        (
            b"rmra",
            _boxes((b"rmda", _boxes((b"rdrf", bytes(4) + b"url " + b"\0\0\0\x14file:///etc/passwd\0")))),
        )
    )
    return _boxes((b"ftyp", b"qt  \0\0\0\0qt  "), (b"moov", alias))


def mp4_length() -> bytes:
    """An mp4 whose header claims a box of 2**62 bytes."""
    return _boxes((b"ftyp", b"isom\0\0\0\0isom")) + b"\0\0\0\1mdat" + struct.pack(">Q", 1 << 62) + bytes(100)


def mp4_nested() -> bytes:
    """An mp4 of ten thousand boxes in one another."""
    inner = b""
    for _ in range(10_000):
        inner = _boxes((b"moov", inner))
    return _boxes((b"ftyp", b"isom\0\0\0\0isom")) + inner


def y4m_size() -> bytes:
    """A raw video that claims 3.6 billion pixels a frame."""
    return b"YUV4MPEG2 W60000 H60000 F25:1 Ip A1:1 C420\nFRAME\n"


def y4m_rate() -> bytes:
    """A raw video with two billion frames per second and no frame."""
    return b"YUV4MPEG2 W8 H8 F2000000000:1 Ip A1:1 C420\n"


def y4m_aspect() -> bytes:
    """A raw video whose pixels are a hundred thousand times as wide as high."""
    return b"YUV4MPEG2 W64 H64 F25:1 Ip A100000:1 C420\nFRAME\n" + bytes(64 * 64 * 3 // 2)


def matroska_depth() -> bytes:
    """A Matroska file of a thousand segments in one another."""
    return b"\x1a\x45\xdf\xa3\x80" + b"\x18\x53\x80\x67\x01\0\0\0\0\0\xff\xff" * 1000


def avi_streams() -> bytes:
    """An AVI that claims four billion streams."""
    header = b"avih" + struct.pack("<I", 56) + struct.pack("<14I", *[0xFFFFFFFF] * 14)
    body = b"AVI LIST" + struct.pack("<I", 4 + len(header)) + b"hdrl" + header
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tar_circle() -> bytes:
    """A tar with a member of -512 bytes, after which a reader would read the same member again."""
    good, bad = tarfile.TarInfo("0.png"), tarfile.TarInfo("1.png")
    good.size, bad.size = 512, -512
    content = _saved("PNG").ljust(512, b"\0")
    return good.tobuf(tarfile.GNU_FORMAT) + content + bad.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


VIDEOS: tuple[Callable[[], bytes], ...] = (
    mp4_playlist,
    concat_list,
    mp4_reference,
    mp4_length,
    mp4_nested,
    y4m_size,
    y4m_rate,
    y4m_aspect,
    matroska_depth,
    avi_streams,
    gif_frames,
    tar_circle,
    lambda: b"",
    lambda: b"\0" * 5000,
    lambda: b"<html>not found</html>",
)
