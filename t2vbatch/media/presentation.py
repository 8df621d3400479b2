"""Decoded frames as a player presents them: colours, background, size, upright."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.filter.context import FilterContext
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from t2vbatch.media.colours import SCALE_EXACT, matrix_option, tagged_conversion
from t2vbatch.media.container_tags import WHOLE, Crop
from t2vbatch.media.hdr import PEAK_NITS, HdrConversion, HdrPixels
from t2vbatch.media.packed import packed_pixels
from t2vbatch.media.reading import Colour

Array = npt.NDArray[np.uint8]

_FORMATS = (("rgb24", "rgba"), ("rgb48", "rgba64"))
"""ffmpeg's pixel formats of the machine's byte order, by depth and alpha."""

_FULL_TOP, _LIMITED_TOP = 65535, 255 << 8
"""White in 16 bits as ffmpeg's ``scale`` makes it of full and of limited range."""

DOLBY_ONLY = "Dolby Vision without an HDR10 or SDR base (profile 5); convert the file to SDR first"
"""Why a video is refused whose colours only decoders of Dolby Vision can show."""

_DOLBY_TAGS = ("dvh1", "dvhe", "dav1")
"""Codec tags of streams that only a decoder of Dolby Vision can show."""

_UNSPECIFIED = 2

_NEWER_KINDS = 32
"""Kinds of data, after those that PyAV knows, that are left out."""

_MASTERING = struct.Struct("=20i")
"""ffmpeg's AVMasteringDisplayMetadata: three primaries, white, least and most light, each a fraction."""


@dataclass(frozen=True)
class FrameView:
    """What a player shows of each frame: its part inside the container's crop, on a background."""

    crop: Crop
    background: Colour

    def square_size(self, frame: VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
        """Width and height with square pixels. One direction is enlarged, so that no pixel is lost."""
        width, height = self.part(frame).size(frame.width, frame.height)
        if not pixel_aspect or pixel_aspect == 1 or pixel_aspect < 0:
            return width, height
        if pixel_aspect > 1:
            return round(width * pixel_aspect), height
        return width, round(height / pixel_aspect)

    def part(self, frame: VideoFrame) -> Crop:
        """The crop of this frame: none if the stream changed to a size that it does not fit."""
        return self.crop if self.crop.fits(frame.width, frame.height) else WHOLE


class Converter:
    """Turns decoded frames of one kind into shown ones: colours and size by ffmpeg's ``scale``, then turned.

    Interlaced frames go through ffmpeg's ``yadif`` first, which needs the next frame, so they come one later.

    Attributes:
        size: (width, height) with square pixels, before turning.
    """

    def __init__(self, frame: VideoFrame, size: tuple[int, int], how: FrameView) -> None:
        self._colours = tagged_conversion(frame.color_primaries, frame.color_trc, _peak_nits(frame))
        self._deep = isinstance(self._colours, HdrConversion)  # 8 bits would show bands.
        if isinstance(self._colours, HdrConversion):
            self._colours = replace(self._colours, top=_top(frame))
        self.size, self._background = size, how.background
        self._crop = how.part(frame)
        self._turn = Turn.of(frame)
        self._alpha = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
        self._kind, self._deinterlaces = _kind(frame), frame.interlaced_frame
        self._graph = Graph()  # Kept here: its filters do not keep it alive.
        self._graph.threads = 1
        self._source, self._sink = _chain(self._graph, frame, self._steps(frame))

    def _steps(self, frame: VideoFrame) -> list[tuple[str, str]]:
        """The filters between a decoded frame and a shown one, with their arguments."""
        colours = _rgb_option(frame)
        packed = ("format", _FORMATS[self._deep][self._alpha])
        size = f"{self.size[0]}:{self.size[1]}"
        fields = [("yadif", "deint=interlaced")] if self._deinterlaces else []
        inside = (*self._crop.size(frame.width, frame.height), self._crop.left, self._crop.top)
        crop = [("crop", ":".join(map(str, inside)))] if self._crop != WHOLE else []
        if any(side % 2 for side in inside) and crop:
            # Colours have half the resolution: an odd crop of them would shift them.
            return [*fields, ("scale", colours), packed, *crop, ("scale", f"{size}:{SCALE_EXACT}")]
        return [*fields, *crop, ("scale", f"{size}:{colours}"), packed]

    def fits(self, frame: VideoFrame) -> bool:
        """Whether this frame is of the same kind as the first one: streams may change in the middle."""
        return _kind(frame) == self._kind and (self._deinterlaces or not frame.interlaced_frame)

    def shown(self, frame: VideoFrame) -> Iterator[Array]:
        """The frames that are ready after this one, as (H, W, 3)."""
        self._source.push(frame)
        return self._ready()

    def rest(self) -> Iterator[Array]:
        """The frames that are left after the last one."""
        self._source.push(None)
        return self._ready()

    def _ready(self) -> Iterator[Array]:
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                converted = self._sink.pull()
                assert isinstance(converted, VideoFrame)
                yield self._pixels(converted)

    def _pixels(self, converted: VideoFrame) -> Array:
        pixels = packed_pixels(converted, 4 if self._alpha else 3, self._deep)
        alpha = (pixels[..., 3] >> (8 if self._deep else 0)).astype(np.uint8) if self._alpha else None
        if self._colours:
            pixels = self._colours.applied(pixels[..., :3])
        if alpha is not None:
            pixels = on_background(pixels[..., :3], alpha, self._background)
        return self._turn.applied(pixels)


def hdr_pixels(frame: VideoFrame) -> HdrPixels:
    """A frame of an HDR image as RGB of 16 bits, as it is stored: neither turned nor cropped."""
    graph = Graph()
    graph.threads = 1
    steps = [("scale", _rgb_option(frame)), ("format", _FORMATS[True][False])]
    source, sink = _chain(graph, frame, steps)
    source.push(frame)
    source.push(None)
    converted = sink.pull()
    assert isinstance(converted, VideoFrame)
    return HdrPixels(packed_pixels(converted, 3, deep=True), _top(frame), _peak_nits(frame))


def _rgb_option(frame: VideoFrame) -> str:
    """Options of ffmpeg's ``scale`` filter that turn a frame into RGB."""
    return f"out_range=pc{matrix_option(frame.colorspace, frame.width, frame.height)}:{SCALE_EXACT}"


def _chain(
    graph: Graph, frame: VideoFrame, steps: Sequence[tuple[str, str]]
) -> tuple[FilterContext, FilterContext]:
    """The source and the sink of a graph for frames of this kind. ``steps``: filters with their arguments."""
    # The graph needs some time base and pixel aspect; both are the caller's business.
    source = (
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1000:"
        f"pixel_aspect=1/1:colorspace={frame.colorspace}:range={frame.color_range}"
    )
    filters = [("buffer", source), *steps, ("buffersink", None)]
    chain = [graph.add(name, arguments) for name, arguments in filters]
    graph.link_nodes(*chain)
    graph.configure()
    return chain[0], chain[-1]


def _kind(frame: VideoFrame) -> tuple[int | str, ...]:
    return (
        frame.width,
        frame.height,
        frame.format.name,
        frame.colorspace,
        frame.color_range,
        frame.color_trc,
        frame.color_primaries,
    )


@dataclass(frozen=True)
class Turn:
    """How a player turns the frames of a file: first transposed, then mirrored."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> "Turn":
        """Read the display matrix, whose rows (a, b), (c, d) map x and y of a pixel to (ax + cy, bx + dy)."""
        found = [data for data in _side_data(frame) if data.type == Type.DISPLAYMATRIX]
        if not found:
            return cls()
        a, b, _, c, d = np.frombuffer(bytes(found[0]), "<i4")[:5].tolist()
        if a and d and not b and not c:
            return cls(False, a < 0, d < 0)
        if b and c and not a and not d:
            return cls(True, c < 0, b < 0)
        raise ValueError("a video turned by an angle that is not a multiple of 90 degrees")

    def applied(self, frame: Array) -> Array:
        """The frame (H, W, 3) as shown."""
        turned = frame.swapaxes(0, 1) if self.transposed else frame
        return turned[:: -1 if self.mirrored_y else 1, :: -1 if self.mirrored_x else 1]


def _top(frame: VideoFrame) -> int:
    """White in 16 bits. Black and white of YUV are 16 and 235 of 256, unless a tag says otherwise."""
    is_limited = not frame.format.is_rgb and frame.color_range != ColorRange.JPEG
    return _LIMITED_TOP if is_limited else _FULL_TOP


def _peak_nits(frame: VideoFrame) -> float:
    """The brightest light of an HDR file in cd/m2: of its content, else of the display of its studio."""
    data = {one.type: bytes(one) for one in _side_data(frame)}
    content = struct.unpack_from("=II", data.get(Type.CONTENT_LIGHT_LEVEL, bytes(8)))[0]
    if content:
        return float(content)
    display = data.get(Type.MASTERING_DISPLAY_METADATA, b"")
    if len(display) < _MASTERING.size:
        return PEAK_NITS
    *_, number, by = _MASTERING.unpack_from(display)
    return float(number / by) if number > 0 and by > 0 else PEAK_NITS


def refuse_dolby_vision(frame: VideoFrame, codec_tag: str) -> None:
    """Refuse profile 5 of Dolby Vision, which only its own decoders can show; the others have a common base.

    Raises:
        ValueError: the stream has Dolby Vision's metadata or codec tag, and names no transfer function.
    """
    kinds = {one.type for one in _side_data(frame)}
    marked = codec_tag in _DOLBY_TAGS or kinds & {Type.DOVI_METADATA, Type.DOVI_RPU_BUFFER}
    if marked and frame.color_trc == _UNSPECIFIED:
        raise ValueError(DOLBY_ONLY)


def _side_data(frame: VideoFrame) -> Any:
    """The data beside a frame, such as its display matrix."""
    try:
        return frame.side_data
    except ValueError:
        return _with_known_data(frame).side_data


def _with_known_data(frame: VideoFrame) -> VideoFrame:
    """The frame without data of newer kinds, such as EXIF and the views of spatial videos.

    PyAV gives none of a frame's data if it does not know the kind of one of them.
    """
    kinds: Any = Type  # The types of PyAV say that its values are kinds themselves.
    last = max(kind.value for kind in kinds)
    steps = [("sidedata", f"mode=delete:type={last + number}") for number in range(1, _NEWER_KINDS)]
    graph = Graph()
    source, sink = _chain(graph, frame, steps)
    source.push(frame)
    known = sink.pull()
    assert isinstance(known, VideoFrame)
    return known


def on_background(frame: Array, alpha: Array, background: Colour) -> Array:
    """A frame (H, W, 3) with straight alpha (H, W) on a colour."""
    share = alpha[..., None].astype(np.uint16)
    mixed = frame * share + np.array(background, np.uint16) * (255 - share)
    return ((mixed + 127) // 255).astype(np.uint8)
