"""Written files as players and notebooks read them: start, order, duration, rate, colour tags, sound."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from t2vbatch.job import VideoFile
from t2vbatch.media.audio import Audio
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.reading import DEFAULT
from t2vbatch.media.video import Video, encode

PARENTS = (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl")
SHAPES = {
    "several frames": (12, 64, 48, 8.0),
    "one frame": (1, 64, 48, 8.0),
    "one frame in two seconds": (1, 64, 48, 0.5),
    "one pixel": (2, 1, 1, 8.0),
    "odd sides": (5, 65, 47, 8.0),
    "film on television": (30, 64, 48, 23.976),
    "television": (30, 64, 48, 29.97),
    "fast television": (30, 64, 48, 59.94),
    "a fraction": (9, 64, 48, 12.5),
    "slow": (4, 64, 48, 1 / 3),
    "very fast": (4, 64, 48, 1000.0),
}


def made(path: Path, count: int, width: int, height: int, fps: float, sound_s: float | None = None) -> Path:
    """A file of noise, so that frames refer to others; its format is the ending of its name."""
    noise = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    sound = None
    if sound_s is not None:
        tone = np.sin(np.arange(round(sound_s * 44_100)) / 20) * 9000
        sound = Audio(tone.astype(np.int16)[None], 44_100)
    encode(Video(noise, fps, sound), path, VideoFile.model_validate({"format": path.suffix[1:]}))
    return path


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of an mp4, those inside others too: name and content."""
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        yield name, data[start + 8 : start + size]
        if name in PARENTS:
            yield from boxes(data, start + 8, start + size)
        elif name == b"stsd":
            yield from boxes(data, start + 16, start + size)
        elif name == b"avc1":
            yield from boxes(data, start + 8 + 78, start + size)
        start += size


def box(path: Path, name: bytes) -> bytes:
    """The content of the first box of this name."""
    data = path.read_bytes()
    return next(content for found, content in boxes(data, 0, len(data)) if found == name)


def facts(path: Path) -> dict[str, Any]:
    """What a demuxer finds in the video stream."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [packet.pts for packet in container.demux(stream) if packet.size]
        first = min(time for time in times if time is not None)
        return {
            "start": (container.start_time, stream.start_time, first),
            "distinct": len(set(times)),
            "duration_s": (container.duration or 0) / 1e6,
            "rate": stream.average_rate,
        }


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("kind", ["mp4", "webm", "gif"])
def test_a_file_starts_at_zero_and_lasts_as_long_as_its_frames(tmp_path: Path, kind: str, name: str) -> None:
    """Each frame has its own time, the first is 0, and the last one is shown for its whole time."""
    count, width, height, fps = SHAPES[name]
    found = facts(made(tmp_path / f"a.{kind}", count, width, height, fps))
    assert (found["start"], found["distinct"]) == ((0, 0, 0), count)
    shown_fps = min(fps, 50.0) if kind == "gif" else fps
    # A GIF has hundredths of a second, a webm thousandths.
    tolerance = {"mp4": 2e-6, "webm": 1.1e-3, "gif": 0.011}[kind]
    assert found["duration_s"] == pytest.approx(count / shown_fps, abs=tolerance + count / fps * 2e-6)


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (23.976, Fraction(24000, 1001)),
        (24000 / 1001, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (119.88, Fraction(120000, 1001)),
        (23.98, Fraction(1199, 50)),
        (24.0, Fraction(24)),
        (1000.0, Fraction(1000)),
        (7.3, Fraction(73, 10)),
        (1 / 3, Fraction(1, 3)),
    ],
)
def test_rates_of_television_are_exact(tmp_path: Path, fps: float, rate: Fraction) -> None:
    """23.976 is a short form of 24000/1001, as the field writes it; a webm states nanoseconds for a frame."""
    assert facts(made(tmp_path / "a.mp4", 3, 64, 48, fps))["rate"] == rate
    found = facts(made(tmp_path / "a.webm", 3, 64, 48, fps))["rate"]
    assert float(found) == pytest.approx(float(rate), rel=1e-5)


@pytest.mark.parametrize("fps", [7.3, 8.0, 23.976, 12.5])
def test_the_rate_of_a_gif_is_that_of_all_its_frames(tmp_path: Path, fps: float) -> None:
    """Delays of 12 and 13 hundredths alternate; their average is the rate."""
    assert decode_file(made(tmp_path / "a.gif", 40, 16, 16, fps), DEFAULT).fps == pytest.approx(
        fps, rel=0.005
    )


@pytest.mark.parametrize("count", [1, 12])
def test_the_edit_list_of_an_mp4_begins_at_its_first_frame(tmp_path: Path, count: int) -> None:
    """Players that ignore no edit list skip the delay of reordered frames, and nothing else."""
    path = made(tmp_path / "a.mp4", count, 64, 48, 8.0)
    version, entries, duration, start, speed = struct.unpack(">IIIiI", box(path, b"elst"))
    assert (version, entries, speed) == (0, 1, 1 << 16)
    delay = struct.unpack_from(">II", box(path, b"ctts"), 8)[1] if count > 1 else 0
    (scale,) = struct.unpack_from(">I", box(path, b"mvhd"), 12)
    assert (start, duration / scale) == (delay, count / 8)


def test_the_tags_of_container_and_stream_agree(tmp_path: Path) -> None:
    """The box colr and the stream's own parameters are BT.709 of limited range."""
    path = made(tmp_path / "a.mp4", 2, 64, 48, 8.0)
    assert box(path, b"colr") == b"nclx" + struct.pack(">HHHB", 1, 1, 1, 0)
    for kind in ("mp4", "webm"):
        with av.open(str(made(tmp_path / f"b.{kind}", 2, 64, 48, 8.0))) as container:
            frame = next(container.decode(video=0))
            tags = (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range)
            assert (tags, frame.format.name) == ((1, 1, 1, 1), "yuv420p")


@pytest.mark.parametrize("sound_s", [0.2, 1.0, 3.0])
@pytest.mark.parametrize(("kind", "within_s"), [("mp4", 1e-4), ("webm", 0.01)])
def test_a_sound_is_as_long_as_the_frames(tmp_path: Path, kind: str, within_s: float, sound_s: float) -> None:
    """A longer sound is cut, a shorter one padded, and both start at 0. Opus adds some milliseconds."""
    path = made(tmp_path / f"a.{kind}", 24, 64, 48, 24.0, sound_s)
    assert facts(path)["start"] == (0, 0, 0)
    with av.open(str(path)) as container:
        sound = container.streams.audio[0]
        assert sound.start_time == 0
        assert (container.duration or 0) / 1e6 == pytest.approx(1, abs=within_s)
