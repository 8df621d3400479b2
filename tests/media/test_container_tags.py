"""Crops of containers are those of ffmpeg; Dolby Vision is shown by its base, or refused."""

import struct
from pathlib import Path

import numpy as np
import pytest

from t2vbatch.errors import EncodeError
from t2vbatch.media.container_tags import WHOLE, Crop, container_tags
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.reading import DEFAULT
from tests.media.test_decoding import H264, SCENE, ffmpeg, reference

PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")


def clean_aperture(path: Path, *fractions: int) -> Path:
    """Give an mp4 of H.264, whose header is at its end, a box ``clap`` with these eight numbers."""
    return with_box(path, b"clap", struct.pack(">IIIIiIiI", *fractions))


def with_box(path: Path, kind: bytes, content: bytes) -> Path:
    """Add a box to the sample entry of an mp4 of H.264."""
    data = bytearray(path.read_bytes())
    box = struct.pack(">I4s", 8 + len(content), kind) + content
    for name in PARENTS:
        _grow(data, data.index(name, data.index(b"moov")) - 4, len(box))
    start = data.index(b"avcC") - 4
    end = start + struct.unpack_from(">I", data, start)[0]
    data[end:end] = box
    path.write_bytes(data)
    return path


def _grow(data: bytearray, at: int, count: int) -> None:
    struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + count)


def cropped(tmp_path: Path, *fractions: int, options: str = "") -> Path:
    """A small mp4 with a clean aperture."""
    return clean_aperture(
        ffmpeg(tmp_path / "a.mp4", f"-f lavfi -i {SCENE} {options} {H264}".replace("  ", " ")), *fractions
    )


@pytest.mark.parametrize(
    ("fractions", "shape"),
    [
        ((32, 1, 24, 1, 0, 1, 0, 1), (24, 32)),
        ((32, 1, 24, 1, -16, 1, 12, 1), (24, 32)),
        ((640, 10, 40, 1, 0, 1, 0, 1), (40, 64)),
    ],
    ids=["centre", "corner", "fraction"],
)
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_crop_of_the_container_is_applied(
    tmp_path: Path, fractions: tuple[int, ...], shape: tuple[int, int], container: str
) -> None:
    """The cropped frames of both containers are those of ffmpeg."""
    path = cropped(tmp_path, *fractions)
    if container == "mkv":
        path = ffmpeg(tmp_path / "a.mkv", f"-i {path} -c copy")
        assert b"\x54\xaa" in path.read_bytes() or b"\x54\xbb" in path.read_bytes()
    shown = decode_file(path, DEFAULT).frames
    assert shown.shape[1:3] == shape
    assert np.array_equal(shown, reference(path))


def test_an_odd_crop_is_exact(tmp_path: Path) -> None:
    """ffmpeg's own program rounds it to even; the pixels are those of the whole frame."""
    path = cropped(tmp_path, 33, 1, 25, 1, 1, 2, -1, 2)
    whole = decode_file(ffmpeg(tmp_path / "b.mp4", f"-f lavfi -i {SCENE} {H264}"), DEFAULT).frames
    assert np.array_equal(decode_file(path, DEFAULT).frames, whole[:, 11:36, 16:49])


def test_a_crop_counts_before_pixel_aspect_and_turn(tmp_path: Path) -> None:
    """A crop is applied before the pixel aspect, and rotation keeps it."""
    path = cropped(tmp_path, 32, 1, 24, 1, -16, 1, 0, 1, options="-aspect 8:3")
    plain = decode_file(path, DEFAULT).frames
    assert plain.shape[1:3] == (24, 64)
    turned = ffmpeg(tmp_path / "b.mp4", f"-display_rotation 90 -i {path} -c copy")
    assert np.array_equal(decode_file(turned, DEFAULT).frames, np.rot90(plain, axes=(1, 2)))


def test_an_interlaced_video_is_deinterlaced_before_its_crop(tmp_path: Path) -> None:
    """A crop at an odd line does not swap the fields."""
    options = "-flags +ildct+ilme -x264-params tff=1"
    path = cropped(tmp_path, 64, 1, 33, 1, 0, 1, 1, 2, options=options)
    whole = ffmpeg(tmp_path / "b.mp4", f"-f lavfi -i {SCENE} {options} {H264}")
    expected = decode_file(whole, DEFAULT).frames[:, 8:41]
    assert np.array_equal(decode_file(path, DEFAULT).frames, expected)


@pytest.mark.parametrize(
    "fractions",
    [
        (0, 1, 24, 1, 0, 1, 0, 1),
        (65, 1, 48, 1, 0, 1, 0, 1),
        (32, 0, 24, 1, 0, 1, 0, 1),
        (32, 1, 24, 1, 100, 1, 0, 1),
    ],
    ids=["nothing", "larger", "no fraction", "outside"],
)
def test_a_crop_that_fits_no_frame_is_ignored(tmp_path: Path, fractions: tuple[int, ...]) -> None:
    """A crop that does not fit its frame is ignored, and the whole frame is shown, as in players."""
    assert decode_file(cropped(tmp_path, *fractions), DEFAULT).frames.shape[1:3] == (48, 64)


@pytest.mark.parametrize("track", [1, 2])
def test_a_crop_is_that_of_its_track(tmp_path: Path, track: int) -> None:
    """Each video track has its own crop, or none."""
    first = cropped(tmp_path, 32, 1, 24, 1, 0, 1, 0, 1)
    both = ffmpeg(
        tmp_path / "b.mp4", f"-i {first} -f lavfi -i {SCENE} -map 0:v -map 1:v -c:v:0 copy -c:v:1 libx264"
    )
    matroska = ffmpeg(tmp_path / "b.mkv", f"-i {both} -map 0 -c copy")
    expected = Crop(16, 12, 16, 12) if track == 1 else WHOLE
    assert container_tags(both, track, track - 1).crop == expected
    assert container_tags(matroska.read_bytes(), track, track - 1).crop == expected


def test_damaged_headers_have_no_crop(tmp_path: Path) -> None:
    """Any bytes give a crop that fits, or none; only the decoder reports the damage."""
    path = cropped(tmp_path, 32, 1, 24, 1, 0, 1, 0, 1)
    files = [path.read_bytes(), ffmpeg(tmp_path / "a.mkv", f"-i {path} -c copy").read_bytes()]
    generator = np.random.default_rng(0)
    for data in files:
        for _ in range(200):
            damaged = bytearray(data)
            for at in generator.integers(0, len(data), 8):
                damaged[at] = generator.integers(0, 256)
            crop = container_tags(bytes(damaged[: generator.integers(0, len(data))]), 1, 0).crop
            assert min(crop.left, crop.top, crop.right, crop.bottom) >= 0


def dolby(profile: int, base: int) -> bytes:
    """A configuration record of Dolby Vision, with the number of the base that other decoders show."""
    return bytes((1, 0, profile << 1, 0b00101101, base << 4)) + bytes(19)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_dolby_vision_without_a_base_is_refused(tmp_path: Path, container: str) -> None:
    """The container of profile 5 names no base."""
    path = with_box(ffmpeg(tmp_path / "a.mp4", f"-f lavfi -i {SCENE} {H264}"), b"dvcC", dolby(5, 0))
    if container == "mkv":
        path = ffmpeg(tmp_path / "a.mkv", f"-i {path} -c copy -strict unofficial")
        assert b"dvcC" in path.read_bytes()
    with pytest.raises(EncodeError, match="Dolby Vision without an HDR10 or SDR base"):
        decode_file(path, DEFAULT)


@pytest.mark.parametrize(("profile", "base"), [(8, 1), (8, 2), (8, 4), (7, 6)])
def test_dolby_vision_with_a_base_shows_it(tmp_path: Path, profile: int, base: int) -> None:
    """HDR10, SDR, HLG or Blu-ray: the base is a video like any other."""
    plain = ffmpeg(tmp_path / "a.mp4", f"-f lavfi -i {SCENE} {H264}")
    expected = decode_file(plain, DEFAULT).frames
    path = with_box(plain, b"dvvC" if profile == 8 else b"dvcC", dolby(profile, base))
    assert np.array_equal(decode_file(path, DEFAULT).frames, expected)
