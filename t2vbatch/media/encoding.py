"""Encoding frames as an mp4, webm or gif in this process, by PyAV.

Frames pass one by one through a filter graph, an encoder and a muxer, so memory is bounded for any length.
All three release Python's lock, so several threads encode at the same time. They use one thread and no
processor-dependent assembly and write no times, so the bytes depend on the frames and the settings only.
"""

import errno
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.job import VideoFile
from t2vbatch.media.colours import BT709, SCALE_EXACT, TV_RANGE
from t2vbatch.media.packed import packed_pixels

Frames = Iterable[npt.NDArray[np.uint8]]
"""Frames of shape (H, W, 3), RGB."""

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""System errors that are failures of the disk and not of a video."""

_CODECS = {"mp4": "libx264", "webm": "libvpx-vp9", "gif": "gif"}
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "mp4": {"preset": "veryfast", "x264-params": "cpu-independent=1"},
    "webm": {"row-mt": "0", "deadline": "good", "cpu-used": "4"},
    "gif": {},
}
_CONVERT = (
    ("scale", f"out_color_matrix=bt709:out_range=tv:{SCALE_EXACT}"),
    ("format", "{pixels}"),
    ("setparams", "colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"),
)
_PROGRESSIVE = 1


@dataclass(frozen=True)
class Shape:
    """Size of the frames in pixels, and their rate per second."""

    width: int
    height: int
    rate: Fraction


def write_frames(frames: Frames, shape: Shape, path: Path, settings: VideoFile, pixels: str) -> None:
    """Write an mp4 or a webm of these frames. ``pixels``: ffmpeg's pixel format of the file.

    Raises:
        StoreError: the disk is full or not writable.
        EncodeError: the file cannot be written for another reason.
    """
    steps = [(name, arguments.format(pixels=pixels)) for name, arguments in _CONVERT]
    with _errors_explained():
        _write(_Filters(shape, steps).applied(frames), shape, path, settings, pixels)


def write_gif(frames: npt.NDArray[np.uint8], shape: Shape, path: Path, settings: VideoFile) -> None:
    """Write a GIF with one palette for all frames (T, H, W, 3). Raises like ``write_frames``."""
    with _errors_explained():
        [palette] = _Filters(shape, [("palettegen", "reserve_transparent=0")]).applied(frames)
        _write(_Filters(shape, [("paletteuse", "")], palette).applied(frames), shape, path, settings, "pal8")


@cache
def encoder_versions() -> Mapping[str, str]:
    """Versions of the libraries that encode videos, such as ``libavcodec: 62.28.102``, ``x264: core 165``."""
    numbers = {name: ".".join(map(str, av.library_versions[name])) for name in ("libavcodec", "libswscale")}
    return {**numbers, "x264": _x264_version()}


class _Filters:
    """A chain of filters from raw frames to frames for an encoder.

    Args:
        palette: of a ``paletteuse``, which is the first step then.
    """

    def __init__(
        self, shape: Shape, steps: Iterable[tuple[str, str]], palette: VideoFrame | None = None
    ) -> None:
        self._shape, self._graph = shape, Graph()  # The graph is kept: its filters do not keep it alive.
        self._graph.threads = 1
        size = f"video_size={shape.width}x{shape.height}:pixel_aspect=0/1"
        timing = f"time_base={1 / shape.rate}:frame_rate={shape.rate}"
        self._source = self._graph.add("buffer", f"{size}:pix_fmt=rgb24:{timing}")
        first, *more = (self._graph.add(name, arguments or None) for name, arguments in steps)
        self._sink = self._graph.add("buffersink")
        self._graph.link_nodes(self._source, first, *more, self._sink)
        if palette is None:
            self._graph.configure()
            return
        size = f"video_size={palette.width}x{palette.height}:pixel_aspect=0/1"
        second = self._graph.add("buffer", f"{size}:pix_fmt={palette.format.name}:time_base=1/1")
        second.link_to(first, 0, 1)
        self._graph.configure()
        palette.pts, palette.time_base = 0, Fraction(1)
        second.push(palette)
        second.push(None)

    def applied(self, frames: Frames) -> Iterator[VideoFrame]:
        """The filtered frames, in order, each as soon as it is complete."""
        for index, pixels in enumerate(frames):
            self._source.push(self._raw(pixels, index))
            yield from self._complete()
        self._source.push(None)
        yield from self._complete()

    def _complete(self) -> Iterator[VideoFrame]:
        while True:
            try:
                frame = self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(frame, VideoFrame)
            yield frame

    def _raw(self, pixels: npt.NDArray[np.uint8], index: int) -> VideoFrame:
        # A copy into ffmpeg's own memory, whose rows end with the padding that its filters read beyond them.
        frame = VideoFrame(self._shape.width, self._shape.height, "rgb24")
        packed_pixels(frame, 3)[:] = pixels
        frame.pts, frame.duration, frame.time_base = index, 1, 1 / self._shape.rate
        return frame


def _write(frames: Iterator[VideoFrame], shape: Shape, path: Path, settings: VideoFile, pixels: str) -> None:
    options = {"fflags": "+bitexact"}
    if settings.format == "mp4":
        # A finer time scale if thousandths of a second cannot express the rate.
        options |= {"movflags": "+faststart", "movie_timescale": str(max(1000, shape.rate.numerator))}
    # Name the format: a temporary file's name has no extension.
    with av.open(str(path), "w", format=settings.format, container_options=options) as container:
        codec = _CODECS[settings.format]
        stream = container.add_stream(codec, rate=shape.rate)
        assert isinstance(stream, av.VideoStream)
        # The ffmpeg program writes this tag too; without it the bytes would differ from older files.
        stream.metadata["encoder"] = f"Lavc {codec}"
        encoder = stream.codec_context
        _set_up(encoder, shape, settings, pixels)
        for frame in frames:
            container.mux(encoder.encode(frame))
        container.mux(encoder.encode(None))


def _set_up(encoder: VideoCodecContext, shape: Shape, settings: VideoFile, pixels: str) -> None:
    encoder.width, encoder.height, encoder.pix_fmt = shape.width, shape.height, pixels
    encoder.time_base, encoder.thread_count = 1 / shape.rate, 1
    encoder.flags |= Flags.bitexact | Flags.frame_duration
    encoder.options = dict(_OPTIONS[settings.format])
    if settings.format != "gif":
        encoder.options |= {"crf": str(settings.crf)}
        encoder.colorspace = encoder.color_primaries = encoder.color_trc = BT709
        encoder.color_range, encoder.field_order = TV_RANGE, _PROGRESSIVE


@contextmanager
def _errors_explained() -> Iterator[None]:
    """Raise a library's error as ours: with the system's reason, without the path."""
    try:
        yield
    except av.error.FFmpegError as error:
        reason = error.strerror or type(error).__name__
        if error.errno in DISK_ERRORS:
            raise StoreError(f"cannot write a video: {reason}; fix it, then run again") from error
        raise EncodeError(f"the video cannot be encoded: {reason}") from error


def _x264_version() -> str:
    """The version that x264 writes into the first frame of each stream; no function returns it."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width = encoder.height = 16
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1), 1
    packets = [*encoder.encode(VideoFrame(16, 16, "yuv420p")), *encoder.encode(None)]
    found = re.search(rb"x264 - (core [^-]*?) -", b"".join(map(bytes, packets)))
    return found[1].decode() if found else "unknown"
