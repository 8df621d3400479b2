"""What a container says about a video, and the library that decodes does not show.

These are the crop (``clap`` of mp4 and mov, ``PixelCrop`` of Matroska and WebM), and whether Dolby Vision has
a base that other decoders show. Crops that fit no frame are ignored, as in players.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT, _TRACKS, _CLUSTER = b"\x1a\x45\xdf\xa3", 0x18538067, 0x1654AE6B, 0x1F43B675
_TRACK_ENTRY, _VIDEO, _SIDES = 0xAE, 0xE0, (0xB0, 0xBA)
_ADDITION_MAPPING, _ADDITION_TYPE, _ADDITION_DATA = 0x41E4, 0x41E7, 0x41ED
_DOLBY_BOXES = (b"dvcC", b"dvvC", b"dvwC")
"""Boxes with the configuration record of Dolby Vision; Matroska names its own after them."""

_PIXEL_CROP = (0x54CC, 0x54BB, 0x54DD, 0x54AA)
"""Matroska's elements for the left, top, right and bottom margin."""

_HEADER_BYTES = 64 << 20
"""Headers beyond this are not read: those of an hour of video have about a megabyte."""

_MOST_PARTS = 10_000
"""Most boxes or elements of one level that are looked at, so that a hostile file costs little."""

_VISUAL_ENTRY_BYTES = 78
"""Fields of a video's sample entry before its boxes."""


@dataclass(frozen=True)
class Crop:
    """Columns and lines at the sides of each frame that are not shown."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what is shown of a frame."""
        return width - self.left - self.right, height - self.top - self.bottom

    def fits(self, width: int, height: int) -> bool:
        """Whether a frame of this size has such margins, and something between them."""
        return min(self.left, self.top, self.right, self.bottom) >= 0 and min(self.size(width, height)) > 0


WHOLE = Crop()


@dataclass(frozen=True)
class Tags:
    """What a container says about a video track.

    Attributes:
        dolby_only: whether only decoders of Dolby Vision can show its colours.
    """

    crop: Crop = WHOLE
    dolby_only: bool = False


def container_tags(file: Path | bytes, track: int, place: int) -> Tags:
    """The tags of a video track. Raises OSError.

    Args:
        track: number of the track in an mp4 or mov.
        place: its place among the video tracks of a Matroska file, from 0.
    """
    with io.BytesIO(file) if isinstance(file, bytes) else file.open("rb") as stream:
        head = stream.read(12)
        end = stream.seek(0, io.SEEK_END)
        try:
            if head.startswith(_EBML):
                return _matroska(stream, end, place)
            return _mp4(stream, end, track) if head[4:8] in (b"ftyp", b"moov", b"wide", b"mdat") else Tags()
        except (struct.error, ZeroDivisionError, IndexError):
            return Tags()  # A damaged header, which the decoder reports.


def _mp4(stream: BinaryIO, end: int, track: int) -> Tags:
    for name, start, stop in _boxes(stream, 0, end):
        if name == b"moov" and stop - start <= _HEADER_BYTES:
            stream.seek(start)
            return _movie(stream.read(stop - start), track)
    return Tags()


def _movie(data: bytes, track: int) -> Tags:
    movie = io.BytesIO(data)
    for start, stop in _named(movie, 0, len(data), b"trak"):
        header = next(_named(movie, start, stop, b"tkhd"), None)
        if header is not None and _track_id(data[header[0] : header[1]]) == track:
            return _sample_entry(data, movie, (start, stop))
    return Tags()


def _sample_entry(data: bytes, movie: BinaryIO, place: tuple[int, int]) -> Tags:
    """The tags in the first sample entry of a track."""
    for name in (b"mdia", b"minf", b"stbl", b"stsd"):
        place = next(_named(movie, *place, name), (0, 0))
    for _, start, stop in _boxes(movie, place[0] + 8, place[1]):
        boxes = {name: data[at:end] for name, at, end in _boxes(movie, start + _VISUAL_ENTRY_BYTES, stop)}
        dolby = next((boxes[name] for name in _DOLBY_BOXES if name in boxes), None)
        crop = _aperture(data[start:stop], boxes[b"clap"]) if b"clap" in boxes else WHOLE
        return Tags(crop, dolby is not None and _is_dolby_only(dolby))
    return Tags()


def _is_dolby_only(record: bytes) -> bool:
    """Whether a configuration record of Dolby Vision names no base that other decoders show."""
    return record[4] >> 4 == 0


def _track_id(header: bytes) -> int:
    return int(struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0])


def _aperture(entry: bytes, clap: bytes) -> Crop:
    """The clean aperture: its size, and the distance of its centre from that of the frame, as fractions."""
    width, height = struct.unpack_from(">HH", entry, 24)
    numbers = struct.unpack(">IIIIiIiI", clap[:32])
    wide, high, across, down = (Fraction(*numbers[at : at + 2]) for at in range(0, 8, 2))
    left, top = int((width - wide) / 2 + across), int((height - high) / 2 + down)
    return _fitting(Crop(left, top, width - int(wide) - left, height - int(high) - top), width, height)


def _named(stream: BinaryIO, start: int, end: int, wanted: bytes) -> Iterator[tuple[int, int]]:
    return ((inner, stop) for name, inner, stop in _boxes(stream, start, end) if name == wanted)


def _boxes(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes in a range: name, start and end of the content."""
    for _ in range(_MOST_PARTS):
        if start + 8 > end:
            return
        stream.seek(start)
        size, name = struct.unpack(">I4s", stream.read(8))
        inner = start + 8
        if size == 1:
            size, inner = struct.unpack(">Q", stream.read(8))[0], start + 16
        stop = end if size == 0 else start + size
        if stop < inner or stop > end:
            return
        yield name, inner, stop
        start = stop


def _matroska(stream: BinaryIO, end: int, place: int) -> Tags:
    for name, start, stop in _elements(stream, 0, end):
        if name != _SEGMENT:
            continue
        for inner, tracks, tracks_end in _elements(stream, start, stop):
            if inner == _CLUSTER:
                break
            if inner == _TRACKS and tracks_end - tracks <= _HEADER_BYTES:
                return _track(stream, tracks, tracks_end, place)
    return Tags()


def _track(stream: BinaryIO, start: int, end: int, place: int) -> Tags:
    entries = [part[1:] for part in _elements(stream, start, end) if part[0] == _TRACK_ENTRY]
    entry = [one for one in entries if _VIDEO in _fields(stream, *one)][place]
    video = _fields(stream, *_fields(stream, *entry)[_VIDEO])
    width, height = (_number(stream, video, side) for side in _SIDES)
    crop = _fitting(Crop(*(_number(stream, video, side) for side in _PIXEL_CROP)), width, height)
    return Tags(crop, any(_is_dolby_only(record) for record in _dolby_records(stream, entry)))


def _dolby_records(stream: BinaryIO, entry: tuple[int, int]) -> Iterator[bytes]:
    for name, *mapping in _elements(stream, *entry):
        if name != _ADDITION_MAPPING:
            continue
        fields = _fields(stream, *mapping)
        kind = _number(stream, fields, _ADDITION_TYPE).to_bytes(8, "big")[4:]
        if kind in _DOLBY_BOXES and _ADDITION_DATA in fields:
            at, stop = fields[_ADDITION_DATA]
            stream.seek(at)
            yield stream.read(min(24, stop - at))


def _fields(stream: BinaryIO, start: int, end: int) -> dict[int, tuple[int, int]]:
    return {name: (inner, stop) for name, inner, stop in _elements(stream, start, end)}


def _number(stream: BinaryIO, fields: dict[int, tuple[int, int]], name: int) -> int:
    start, stop = fields.get(name, (0, 0))
    stream.seek(start)
    return int.from_bytes(stream.read(min(8, stop - start)), "big")


def _elements(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The EBML elements in a range: id, start and end of the content. An unknown size goes to the end."""
    for _ in range(_MOST_PARTS):
        if start >= end:
            return
        stream.seek(start)
        head = stream.read(12)
        named = 9 - head[0].bit_length()
        sized = 9 - head[named].bit_length()
        size = int.from_bytes(head[named : named + sized], "big") & ((1 << 7 * sized) - 1)
        inner = start + named + sized
        stop = end if size == (1 << 7 * sized) - 1 else min(end, inner + size)
        yield int.from_bytes(head[:named], "big"), inner, stop
        start = stop


def _fitting(crop: Crop, width: int, height: int) -> Crop:
    return crop if crop.fits(width, height) else WHOLE
