"""Video files: decoded frames, reproducible bytes, and colours."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.job import VideoFile
from t2vbatch.media.audio import Audio
from t2vbatch.media.encoding import encoder_versions
from t2vbatch.media.playable import file_notes, written_fps, written_frames
from t2vbatch.media.video import Video, decode, digest_file, encode, ffmpeg_version, suffix

_FORMATS = ("mp4", "webm", "gif", "png")


def _frames(count: int = 9, height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    frames = np.empty((count, height, width, 3), np.uint8)
    frames[...] = (220, 60, 40)
    for index, frame in enumerate(frames):
        frame[8:24, 4 * index : 4 * index + 16] = (20, 200, 90)
    return frames


@pytest.mark.parametrize("name", _FORMATS)
def test_a_video_reads_back_as_it_was_written(tmp_path: Path, name: str) -> None:
    """Every format keeps the frame count, the size, and colours to 4 of 255."""
    settings = VideoFile.model_validate({"format": name})
    path = tmp_path / f"video{suffix(settings)}"
    frames = _frames()
    encode(Video(frames, 10.0), path, settings)
    read_back = decode(path)
    assert read_back.frames.shape == frames.shape
    # Away from edges, where half-size chroma bleeds.
    for row, column in ((40, 60), (16, 4)):
        difference = read_back.frames[0, row, column].astype(int) - frames[0, row, column]
        assert np.abs(difference).max() <= 4


@pytest.mark.parametrize("name", _FORMATS)
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    """Encoding twice gives bit-equal files."""
    settings = VideoFile.model_validate({"format": name})
    video = Video(_frames(), 8.0)
    encode(video, tmp_path / "a", settings)
    encode(video, tmp_path / "b", settings)
    assert digest_file(tmp_path / "a") == digest_file(tmp_path / "b")


@pytest.mark.parametrize("fps", [1.0, 8.0, 12.5, 23.976, 29.97, 60.0])
def test_the_rate_is_kept(tmp_path: Path, fps: float) -> None:
    """The decoded rate equals the encoded one, for broadcast rates too."""
    encode(Video(_frames(), fps), tmp_path / "v", VideoFile.model_validate({}))
    assert decode(tmp_path / "v").fps == pytest.approx(fps, abs=0.006)


def test_files_say_which_colours_they_mean(tmp_path: Path) -> None:
    """Matrix, primaries, transfer and range are tagged, so that players need not guess."""
    path = tmp_path / "v.mp4"
    encode(Video(_frames(), 8.0), path, VideoFile.model_validate({}))
    shown = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)], capture_output=True, text=True, check=False
    )
    assert "yuv420p(tv, bt709" in shown.stderr


@pytest.mark.parametrize("size", [(33, 64), (32, 65), (1, 1), (33, 65), (47, 1)])
@pytest.mark.parametrize("name", ["mp4", "webm"])
def test_a_file_of_any_size_plays_everywhere(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    """Half-size chroma at any size: an mp4 repeats the last row and column, a webm keeps an odd side."""
    frames = (
        np.random.default_rng(0)
        .integers(0, 256, (3, 1, 1, 3), dtype=np.uint8)
        .repeat(size[0], 1)
        .repeat(size[1], 2)
    )
    encode(Video(frames, 8.0), tmp_path / "v", VideoFile.model_validate({"format": name, "crf": 1}))
    with av.open(str(tmp_path / "v")) as container:
        assert container.streams.video[0].pix_fmt == "yuv420p"
        assert container.streams.video[0].profile in ("High", "Constrained Baseline", "Profile 0")
    read_back = decode(tmp_path / "v").frames
    even = tuple(side + side % 2 for side in size)
    assert read_back.shape[1:3] == (even if name == "mp4" else size)
    assert np.abs(read_back.astype(int) - frames[:, :1, :1]).max() <= 6


@pytest.mark.parametrize(("odd_sides", "shape"), [("pad", (34, 66)), ("crop", (32, 64)), ("keep", (33, 65))])
def test_the_job_decides_about_odd_sides(tmp_path: Path, odd_sides: str, shape: tuple[int, int]) -> None:
    """pad, crop and keep give an mp4 of 33 x 65 frames these sizes."""
    frames = np.full((2, 33, 65, 3), 90, np.uint8)
    encode(Video(frames, 8.0), tmp_path / "v", VideoFile.model_validate({"odd_sides": odd_sides}))
    assert decode(tmp_path / "v").frames.shape[1:3] == shape


def test_padding_repeats_the_last_row_and_column() -> None:
    """The added pixels equal their neighbours, and no other pixel changes."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3), dtype=np.uint8)
    [first, _] = written_frames(frames, VideoFile.model_validate({}))
    assert np.array_equal(first[:3, :5], frames[0])
    assert np.array_equal(first[3, :5], frames[0, 2])
    assert np.array_equal(first[:3, 5], frames[0, :, 4])


@pytest.mark.parametrize("count", [1, 2, 9])
@pytest.mark.parametrize("fps", [1.0, 8.0, 23.976, 60.0])
@pytest.mark.parametrize("name", ["mp4", "webm"])
def test_the_duration_is_frames_over_rate(tmp_path: Path, name: str, fps: float, count: int) -> None:
    """A video of one frame lasts one frame."""
    video = Video(np.full((count, 32, 32, 3), 90, np.uint8), fps)
    encode(video, tmp_path / "v", VideoFile.model_validate({"format": name}))
    with av.open(str(tmp_path / "v")) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(video.duration_s, abs=0.001)


@pytest.mark.parametrize("fps", [1.0, 8.0, 10.0, 12.5, 24.0, 30.0, 45.0, 50.0, 60.0, 100.0, 240.0])
def test_a_gif_has_delays_that_browsers_keep(tmp_path: Path, fps: float) -> None:
    """Every delay is 20 ms or more, and the delays add up to the duration at the rate of the record."""
    settings = VideoFile.model_validate({"format": "gif"})
    encode(Video(_frames(12), fps), tmp_path / "v", settings)
    with Image.open(tmp_path / "v") as image:
        delays = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            delays.append(image.info["duration"])
    assert min(delays) >= 20
    assert sum(delays) == pytest.approx(12_000 / written_fps(fps, settings), abs=10)


@pytest.mark.parametrize(
    ("settings", "fps", "size", "says"),
    [
        ({}, 8.0, (65, 47), "65 x 47 frames are written as 66 x 48"),
        ({"odd_sides": "crop"}, 8.0, (65, 47), "65 x 47 frames are written as 64 x 46"),
        ({"format": "gif"}, 60.0, (65, 47), "60 fps are written as 50 fps"),
    ],
)
def test_a_file_that_differs_from_its_frames_is_a_note(
    settings: dict[str, str], fps: float, size: tuple[int, int], says: str
) -> None:
    """The note has both values; a file like its frames, or of an unknown size, has none."""
    [note] = file_notes(VideoFile.model_validate(settings), fps, *size)
    assert says in note
    assert list(file_notes(VideoFile.model_validate(settings), 8.0, 64, None)) == []


def test_a_folder_of_frames_is_exact(tmp_path: Path) -> None:
    """PNG is lossless."""
    encode(Video(_frames(), 8.0), tmp_path / "frames", VideoFile.model_validate({"format": "png"}))
    assert np.array_equal(decode(tmp_path / "frames").frames, _frames())


def test_a_folder_of_frames_is_in_natural_order(tmp_path: Path) -> None:
    """``frame1.png`` to ``frame12.png`` are the same video as ``frame01.png`` to ``frame12.png``."""
    for folder, name in (("plain", "frame{}.png"), ("padded", "frame{:02}.png")):
        (tmp_path / folder).mkdir()
        for index in range(1, 13):
            Image.new("RGB", (8, 6), (20 * index, 0, 0)).save(tmp_path / folder / name.format(index))
    plain, padded = decode(tmp_path / "plain"), decode(tmp_path / "padded")
    assert plain.sha256() == padded.sha256()
    assert plain.frames[:, 0, 0, 0].tolist() == [20 * index for index in range(1, 13)]


def test_a_folder_of_frames_is_read_like_images(tmp_path: Path) -> None:
    """Sixteen bits, alpha and EXIF orientation mean the same in a folder as in a single image."""
    deep = Image.fromarray(np.full((6, 8), 65535 // 2, np.uint16))
    for index, image in enumerate(
        [deep, Image.new("RGBA", (8, 6), (9, 9, 9, 0)), Image.new("L", (8, 6), 127)]
    ):
        image.save(tmp_path / f"{index}.png")
    assert decode(tmp_path).frames[:, 0, 0].tolist() == [[127] * 3, [255] * 3, [127] * 3]


def test_a_smaller_crf_is_truer_and_larger(tmp_path: Path) -> None:
    """A smaller crf has less error and more bytes."""
    noise = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    found = {}
    for crf in (5, 40):
        path = tmp_path / str(crf)
        encode(Video(noise, 8.0), path, VideoFile.model_validate({"crf": crf}))
        error = np.abs(decode(path).frames.astype(int) - noise).mean()
        found[crf] = (error, path.stat().st_size)
    assert found[5][0] < found[40][0]
    assert found[5][1] > found[40][1]


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "missing", "no frames"])
def test_a_broken_file_is_an_error(tmp_path: Path, damage: str) -> None:
    """A broken file raises, and never gives an empty or partial video."""
    path = tmp_path / "v.mp4"
    encode(Video(_frames(), 8.0), path, VideoFile.model_validate({}))
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("no video")
        case "cut":
            path.write_bytes(path.read_bytes()[:-400])
        case "missing":
            path.unlink()
        case _:
            path.unlink()
            path.mkdir()
    with pytest.raises(EncodeError):
        decode(path)


def test_a_playlist_is_not_a_video(tmp_path: Path) -> None:
    """A playlist names other files, possibly outside the manifest's folder, and is refused."""
    encode(Video(_frames(), 8.0), tmp_path / "v.mp4", VideoFile.model_validate({}))
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile v.mp4\n")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nv.mp4\n#EXT-X-ENDLIST\n")
    for name in ("list.mp4", "list.m3u8"):
        with pytest.raises(EncodeError):
            decode(tmp_path / name)


@pytest.mark.parametrize("frames", [_frames(), np.zeros((40, 512, 512, 3), np.uint8)], ids=["few", "many"])
@pytest.mark.parametrize("name", ["mp4", "gif"])
def test_an_unwritable_target_is_an_error(tmp_path: Path, name: str, frames: npt.NDArray[np.uint8]) -> None:
    """The error has the system's reason without the path."""
    target = tmp_path / "no" / "folder" / "v"
    with pytest.raises(EncodeError, match="No such file or directory") as error:
        encode(Video(frames, 8.0), target, VideoFile.model_validate({"format": name}))
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("name", ["mp4", "webm", "gif"])
def test_a_full_disk_is_an_error_of_the_store(tmp_path: Path, name: str) -> None:
    """The system's error number decides, not a file name with the words of another error."""
    settings = VideoFile.model_validate({"format": name})
    path = tmp_path / "No space left on device" / "v.mp4"
    with pytest.raises(EncodeError, match="No such file"):
        encode(Video(_frames(), 8.0), path, settings)
    with pytest.raises(StoreError, match="No space left on device"):
        encode(Video(_frames(), 8.0), Path("/dev/full"), settings)


@pytest.mark.parametrize("name", ["mp4", "webm", "gif"])
@pytest.mark.parametrize("shape", [(4200, 4, 4, 3), (3, 4, 4, 3)])
def test_many_frames_are_all_written(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    """No frame is lost, however many there are; a view of other frames is written like a copy."""
    frames = np.zeros(shape, np.uint8)
    frames[:, :2] = (np.arange(len(frames)) % 200)[:, None, None, None]
    encode(Video(frames, 24.0), tmp_path / "v", VideoFile.model_validate({"format": name, "crf": 40}))
    assert decode(tmp_path / "v").frames.shape == frames.shape
    encode(
        Video(np.asfortranarray(frames), 24.0),
        tmp_path / "w",
        VideoFile.model_validate({"format": name, "crf": 40}),
    )
    assert digest_file(tmp_path / "v") == digest_file(tmp_path / "w")


@pytest.mark.parametrize("name", ["mp4", "webm", "gif"])
def test_encoding_holds_few_frames(tmp_path: Path, name: str) -> None:
    """While 190 MB of frames are encoded, the process grows by less than a tenth of that."""
    grown = subprocess.run(
        [sys.executable, "-c", _GROWTH, str(tmp_path / "v"), name], capture_output=True, check=True, text=True
    )
    assert int(grown.stdout) < 19_000_000


_GROWTH = """
import resource, sys
from pathlib import Path
import numpy as np
from t2vbatch.job import VideoFile
from t2vbatch.media.video import Video, encode

def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

one = np.zeros((1, 256, 256, 3), np.uint8)
one[..., 0] = np.arange(256)
settings = VideoFile.model_validate({"format": sys.argv[2]})
for count in (30, 1000):
    before = peak_bytes()
    encode(Video(np.broadcast_to(one, (count, 256, 256, 3)), 24.0), Path(sys.argv[1]), settings)
print(peak_bytes() - before)
"""


@pytest.mark.parametrize("name", ["mp4", "webm", "gif"])
def test_threads_encode_side_by_side(tmp_path: Path, name: str) -> None:
    """Four threads write the bytes that one thread writes."""
    settings = VideoFile.model_validate({"format": name})
    scene = np.random.default_rng(0).integers(0, 4, (6, 96, 160, 3), dtype=np.uint8) * 60
    videos = [Video(np.roll(scene, shift, axis=2), 8.0) for shift in range(4)]

    def written(index: int, folder: str) -> tuple[str, int]:
        path = tmp_path / f"{folder}{index}"
        encode(videos[index], path, settings)
        return digest_file(path)

    alone = [written(index, "alone") for index in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(written, range(4), "abcd")) == alone


@pytest.mark.parametrize("sound", [False, True])
def test_an_mp4_plays_before_it_is_loaded(tmp_path: Path, sound: bool) -> None:
    """The index of an mp4 comes before its frames."""
    audio = Audio(np.zeros((2, 16000), np.int16), 16000) if sound else None
    encode(Video(_frames(), 8.0, audio), tmp_path / "v", VideoFile.model_validate({}))
    data = (tmp_path / "v").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("fps", [8.0, 23.976, 29.97, 60.0])
def test_moving_frames_last_as_long_as_still_ones(tmp_path: Path, fps: float) -> None:
    """Reordered frames do not change the duration of an mp4, to a ten-thousandth of a second."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 34, 66, 3), dtype=np.uint8)
    encode(Video(noise, fps), tmp_path / "v", VideoFile.model_validate({}))
    with av.open(str(tmp_path / "v")) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(3 / fps, abs=0.0001)


@pytest.mark.slow
def test_a_video_beyond_two_gibibytes_is_written(tmp_path: Path) -> None:
    """Raw frames of more than 2^31 bytes reach the file, all of them."""
    frames = np.broadcast_to(np.full((1080, 1920, 3), 90, np.uint8), (520, 1080, 1920, 3))
    encode(Video(frames, 24.0), tmp_path / "v", VideoFile.model_validate({"crf": 40}))
    with av.open(str(tmp_path / "v")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 520


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((2, 8, 8), np.uint8),
        np.zeros((2, 8, 8, 4), np.uint8),
        np.zeros((2, 8, 8, 3), np.float32),
    ],
)
def test_a_video_needs_uint8_frames(frames: npt.NDArray[np.uint8]) -> None:
    """Video checks the shape and type of its frames."""
    with pytest.raises(ValueError, match="uint8 of shape"):
        Video(frames, 8.0)


def test_the_digest_knows_shape_and_pixels() -> None:
    """The digest depends on the shape and the pixels, not on the rate."""
    frames = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
    assert Video(frames, 8.0).sha256() == Video(frames.copy(), 24.0).sha256()
    assert Video(frames, 8.0).sha256() != Video(frames.reshape(8, 4, 8, 3), 8.0).sha256()


def test_the_encoders_have_versions() -> None:
    """The library's encoders and the program for sound each have a version."""
    assert ffmpeg_version()
    assert re.fullmatch(r"\d+\.\d+\.\d+", encoder_versions()["libavcodec"])
    assert re.fullmatch(r"core \d+.*", encoder_versions()["x264"])
