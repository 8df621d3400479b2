"""Decoding the frames of a video file, as a good player shows them.

PyAV reads the file in this process. Nothing is taken from a log: sizes, rates and colours are values of the
decoder. The file is untrusted: only known containers are opened; the size of a frame, the number of frames,
their bytes and the time are limited; and an error has the same text in every run.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from t2vbatch.errors import BrokenInputError, EncodeError
from t2vbatch.media.container_tags import container_tags
from t2vbatch.media.deadline import in_time
from t2vbatch.media.decode_budget import DecodeBudget
from t2vbatch.media.images import decode_animation, is_image
from t2vbatch.media.presentation import DOLBY_ONLY, Converter, FrameView, refuse_dolby_vision
from t2vbatch.media.reading import Reading
from t2vbatch.media.truncation import truncated
from t2vbatch.storage.file_kinds import HEAD_BYTES, file_kind

READ = (
    "mp4, mov, mkv, webm, avi, gif, ts, mpeg, flv, ogg, wmv, mxf, y4m, dv, ivf, raw H.264, HEVC, "
    "MPEG or motion JPEG, or an image (apng, avif, bmp, heic, jpeg, png, tiff, webp)"
)
"""The kinds of video files that are read."""

CONTAINERS = (
    "mov,matroska,avi,gif,mpegts,mpeg,flv,ogg,asf,mpegvideo,h264,hevc,apng,webp_anim,webp_pipe,png_pipe,"
    "yuv4mpegpipe,mjpeg,dv,ivf,mxf"
)
"""ffmpeg's containers that are read. No playlists: they name other files."""

Array = npt.NDArray[np.uint8]
_NOT_SHOWN = Disposition.attached_pic | Disposition.timed_thumbnails
_MPF_BYTES = 1 << 16
_GROWTH = 64
"""Frames by which a buffer of unknown length grows."""


@dataclass(frozen=True)
class Decoded:
    """Frames of shape (T, H, W, 3), uint8, RGB, and their average rate per second."""

    frames: Array
    fps: float


def decode_file(file: Path | bytes, how: Reading) -> Decoded:
    """Decode every frame of a video or an image once, in the order of presentation.

    Frames come upright, with square pixels, in sRGB; transparent ones on the background. A variable rate does
    not change them.

    Args:
        file: its path, or its bytes.

    Raises:
        EncodeError: the file is not a video, is damaged, exceeds a limit, or has unsupported colours.
    """
    with _explained(file) as head:
        return in_time(how.limits, lambda: _decoded_file(file, head, how))


def _decoded_file(file: Path | bytes, head: bytes, how: Reading) -> Decoded:
    if not is_image(head):
        return _video(file, how)
    data = file if isinstance(file, bytes) else file.read_bytes()
    return _video(data, how, "mjpeg") if _is_motion_jpeg(data) else _animation(data, how)


def iter_frames(path: Path, how: Reading) -> Iterator[Array]:
    """The frames of a video file, (H, W, 3) each, as ``decode_file`` gives them, one in memory at a time.

    Raises:
        EncodeError: as ``decode_file``; after the frames before the damage.
    """
    budget = DecodeBudget(how.limits)
    with _explained(path), _opened(path, how, budget) as (container, stream, shown):
        yield from _shown(container, stream, shown, budget)


@contextmanager
def _explained(file: Path | bytes) -> Iterator[bytes]:
    """The first bytes of a file, and an EncodeError for each error of its decoders."""
    head = b""
    try:
        head = file[:HEAD_BYTES] if isinstance(file, bytes) else _head(file)
        yield head
    except av.error.FFmpegError as error:
        raise EncodeError(_not_read(head, error)) from error
    except (ValueError, OSError, BrokenInputError) as error:
        raise EncodeError(str(error)) from error


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _not_read(head: bytes, error: av.error.FFmpegError) -> str:
    """Why the demuxer or the decoder gave up: the kind of a file that is not a video, else its own reason."""
    kind = file_kind(head)
    if kind is not None:
        return f"{kind.name}, not a complete video; expected {READ}" + (f"; {kind.fix}" if kind.fix else "")
    reason = (error.strerror or type(error).__name__) if head else "an empty file"
    if isinstance(error, av.error.ArgumentError):
        reason = "a file of another kind"  # The list of containers leaves it out.
    return f"not a complete video ({reason}); expected {READ}"


def _is_motion_jpeg(data: bytes) -> bool:
    """Whether a file is one JPEG after another. A camera's further pictures are listed in its MPF segment."""
    return data.startswith(b"\xff\xd8") and b"\xff\xd9\xff\xd8" in data and b"MPF\0" not in data[:_MPF_BYTES]


def _animation(data: bytes, how: Reading) -> Decoded:
    images, fps = decode_animation(data, how)
    if len({image.size for image in images}) > 1:
        raise ValueError("pages of different sizes; expected one size")
    return Decoded(np.stack([np.asarray(image) for image in images]), fps)


def _video(file: Path | bytes, how: Reading, form: str | None = None) -> Decoded:
    """Decode a video. ``form``: ffmpeg's name of the container; None: the file shows it."""
    budget = DecodeBudget(how.limits)
    with _opened(file, how, budget, form) as (container, stream, shown):
        return _stream_frames(container, stream, shown, budget)


@contextmanager
def _opened(
    file: Path | bytes, how: Reading, budget: DecodeBudget, form: str | None = None
) -> Iterator[tuple[InputContainer, VideoStream, FrameView]]:
    if reason := truncated(file):
        raise ValueError(f"a damaged video: {reason}")
    source = io.BytesIO(file) if isinstance(file, bytes) else str(file)
    options = {"format_whitelist": CONTAINERS, **_decoder_options(budget)}
    try:
        with av.open(source, "r", form, options=options, timeout=budget.seconds) as container:
            stream = _shown_stream(container)
            tags = container_tags(file, stream.id, container.streams.video.index(stream))
            if tags.dolby_only:
                raise ValueError(DOLBY_ONLY)
            yield container, stream, FrameView(tags.crop, how.background)
    except av.error.ExitError:
        budget.time()  # The library stops at the deadline, and does not give the reason.
        raise


def _stream_frames(
    container: InputContainer, stream: VideoStream, how: FrameView, budget: DecodeBudget
) -> Decoded:
    budget.frame(stream.width, stream.height)
    budget.frames(stream.frames, stream.width, stream.height)
    frames = _collected(_shown(container, stream, how, budget), stream.frames, budget)
    return Decoded(frames, float(_rate(stream)))


def _rate(stream: VideoStream) -> Fraction:
    """The average frames per second. ffmpeg gives that of the beginning of a GIF, and raw DV's time base."""
    if stream.codec_context.name == "gif" and stream.frames and stream.duration and stream.time_base:
        return Fraction(stream.frames) / (stream.duration * stream.time_base)
    rates = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    if rates[0] and stream.time_base and rates[0] * stream.time_base == 1:
        rates = rates[1:] + rates[:1]
    return next((rate for rate in rates if rate), Fraction(1))


def _decoder_options(budget: DecodeBudget) -> dict[str, str]:
    return {} if budget.pixels is None else {"max_pixels": str(budget.pixels)}


def _shown_stream(container: InputContainer) -> VideoStream:
    """The stream that a player shows: not a cover picture; the default one, then the largest."""
    shown = [stream for stream in container.streams.video if not stream.disposition & _NOT_SHOWN]
    # A stream of an unknown codec has no decoder, and then no size either.
    known = [stream for stream in shown if getattr(stream, "codec_context", None) is not None]
    if not known:
        missing = "a known codec" if shown else "a video stream"
        raise ValueError(f"a file without {missing}; expected {READ}")
    return max(known, key=lambda one: (bool(one.disposition & Disposition.default), one.width * one.height))


def _shown(
    container: InputContainer, stream: VideoStream, how: FrameView, budget: DecodeBudget
) -> Iterator[Array]:
    converter: Converter | None = None
    for frame in _decoded(container, stream, budget):
        budget.time()
        if converter is None or not converter.fits(frame):
            refuse_dolby_vision(frame, stream.codec_context.codec_tag)
            yield from converter.rest() if converter else ()
            budget.frame(frame.width, frame.height)
            size = converter.size if converter else how.square_size(frame, stream.sample_aspect_ratio)
            budget.frame(*size)
            converter = Converter(frame, size, how)
        yield from converter.shown(frame)
    yield from converter.rest() if converter else ()


def _decoded(container: InputContainer, stream: VideoStream, budget: DecodeBudget) -> Iterator[VideoFrame]:
    decoder = _decoder(stream)
    decoder.thread_count = 1
    decoder.options = {**decoder.options, **_decoder_options(budget)}
    for packet in container.demux(stream):
        if packet.is_corrupt:
            budget.time()  # A packet that the deadline cut is corrupt too.
            raise ValueError(f"a damaged video: a part of a frame is missing{_joined(container)}")
        for frame in decoder.decode(packet if packet.size else None):
            if frame.is_corrupt:
                raise ValueError("a damaged video: a frame cannot be decoded")
            yield frame


def _joined(container: InputContainer) -> str:
    """What to do about MPEG-TS files that were joined as bytes: the numbers of their packets jump."""
    is_ts = container.format.name == "mpegts"
    return "; or several files were joined: ffmpeg -i FILE NEW.mp4 converts them" if is_ts else ""


def _decoder(stream: VideoStream) -> VideoCodecContext:
    """The stream's decoder; for VP8 and VP9 with alpha libvpx, since ffmpeg's own one ignores the alpha."""
    library = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if library is None or stream.metadata.get("alpha_mode") != "1":
        return stream.codec_context
    decoder = av.CodecContext.create(library, "r")
    assert isinstance(decoder, VideoCodecContext)
    return decoder


def _collected(frames: Iterator[Array], expected: int, budget: DecodeBudget) -> Array:
    """The frames in one array, which grows in place so that no second copy of them exists."""
    first = next(frames, None)
    if first is None:
        raise ValueError("a video without frames, or one that is damaged at its start")
    height, width = first.shape[:2]
    count, room = 1, max(1, expected)
    budget.frames(room, width, height)
    held = np.empty((room, *first.shape), np.uint8)
    held[0] = first
    for frame in frames:
        budget.frames(count + 1, width, height)
        if count == len(held):
            held.resize((count + _GROWTH, *first.shape), refcheck=False)
        held[count] = frame
        count += 1
    held.resize((count, *first.shape), refcheck=False)
    return held
