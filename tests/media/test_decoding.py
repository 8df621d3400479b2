"""Videos of cameras, phones and editors: frames are what a good player shows, or the reason is named."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest

from t2vbatch.errors import EncodeError
from t2vbatch.job import Limits, VideoFile
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.reading import DEFAULT, TRUSTED, Reading
from t2vbatch.media.video import Video, decode, encode

SCENE = "testsrc2=size=64x48:rate=10:duration=1"
H264 = "-c:v libx264 -pix_fmt yuv420p"
H265 = "-c:v libx265 -x265-params log-level=0"


def ffmpeg(path: Path, *arguments: str) -> Path:
    """Make a file with ffmpeg; a blank in an argument separates two."""
    words = [word for argument in arguments for word in argument.split(" ")]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *words, str(path)], check=True)
    return path


def reference(path: Path) -> npt.NDArray[np.uint8]:
    """The frames as ffmpeg's own command line converts them."""
    exact = "flags=bitexact+accurate_rnd+full_chroma_int"
    command = (
        f"-v error -i {path} -map 0:v:0 -vf scale=out_range=pc:{exact},format=rgb24 -fps_mode passthrough"
    )
    command += " -f rawvideo -"
    done = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), *command.split()], capture_output=True, check=True
    )
    frames = decode_file(path, TRUSTED).frames
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, *frames.shape[1:])


PLAIN = {
    "mp4": f"{H264} a.mp4",
    "HEVC": f"{H265} a.mp4",
    "AV1": "-c:v libsvtav1 -svtav1-params lp=1 a.mp4",
    "VP9": "-c:v libvpx-vp9 a.webm",
    "mkv": f"{H264} a.mkv",
    "MPEG-2": "-c:v mpeg2video a.mpg",
    "MPEG-TS": f"{H264} a.ts",
    "MPEG-4 in avi": "-c:v mpeg4 a.avi",
    "motion JPEG": "-c:v mjpeg -pix_fmt yuvj422p a.avi",
    "uncompressed": "-c:v rawvideo -pix_fmt yuv420p a.avi",
    "wmv": "-c:v wmv2 a.wmv",
    "flv": "-c:v flv a.flv",
    "Theora": "-c:v libtheora a.ogv",
    "raw H.264": f"{H264} a.h264",
    "y4m": "-pix_fmt yuv420p a.y4m",
    "gif": "a.gif",
    "10 bits": f"{H265} -pix_fmt yuv420p10le a.mp4",
    "12 bits, full chroma": f"{H265} -pix_fmt yuv444p12le a.mkv",
    "RGB": "-c:v libx264rgb a.mp4",
    "grey": "-c:v libx264 -pix_fmt gray a.mp4",
    "16-bit grey": "-c:v ffv1 -pix_fmt gray16le a.mkv",
    "palette": "-c:v png -pix_fmt pal8 a.mkv",
    "full range": f"-vf scale=out_range=pc,setparams=range=pc {H264} a.mp4",
    "BT.709": f"-vf scale=out_color_matrix=bt709,setparams=colorspace=bt709 {H264} a.mkv",
    "BT.601": f"-vf setparams=colorspace=smpte170m {H264} a.mkv",
    "SMPTE 240M": f"-vf scale=out_color_matrix=smpte240m,setparams=colorspace=smpte240m {H264} a.mkv",
    "BT.2020 matrix": f"-vf scale=out_color_matrix=bt2020,setparams=colorspace=bt2020nc {H264} a.mkv",
    "variable rate": f"-vf select=not(eq(mod(n\\,3)\\,1)) -fps_mode vfr {H264} a.mp4",
}


@pytest.mark.parametrize("name", PLAIN)
def test_frames_are_those_of_ffmpeg(tmp_path: Path, name: str) -> None:
    """Every container, codec, depth, range and matrix gives bit-equal frames to ffmpeg's own conversion."""
    arguments, _, file = PLAIN[name].rpartition(" ")
    path = ffmpeg(tmp_path / file, f"-f lavfi -i {SCENE}", *([arguments] if arguments else []))
    frames = decode_file(path, DEFAULT).frames
    assert len(frames) == (7 if name == "variable rate" else 10)
    assert np.array_equal(frames, reference(path))
    assert np.array_equal(decode_file(path.read_bytes(), DEFAULT).frames, frames)


@pytest.mark.parametrize("height", [480, 576, 578, 720])
def test_untagged_colours_depend_on_the_size(tmp_path: Path, height: int) -> None:
    """Without a tag, a video up to 576 lines is BT.601 and a larger one is BT.709."""
    colour = f"color=0xdc3c28:size=640x{height}:rate=8:duration=0.25"
    matrix = "bt709" if height > 576 else "bt601"
    path = ffmpeg(tmp_path / "a.avi", f"-f lavfi -i {colour} -vf scale=out_color_matrix={matrix}", H264)
    shown = decode_file(path, DEFAULT).frames[0, 100, 100].astype(int)
    assert np.abs(shown - (220, 60, 40)).max() <= 3


def corners(tmp_path: Path, *arguments: str) -> Path:
    """A video of 64x48 whose quarters are red, green, blue and white, in reading order."""
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:24, :32], frame[:24, 32:] = (200, 30, 30), (30, 160, 30)
    frame[24:, :32], frame[24:, 32:] = (30, 30, 200), (220, 220, 220)
    encode(
        Video(np.repeat(frame[None], 3, axis=0), 8.0), tmp_path / "plain.mp4", VideoFile.model_validate({})
    )
    return ffmpeg(tmp_path / "turned.mp4", *arguments, f"-i {tmp_path / 'plain.mp4'} -c copy")


def named(frame: npt.NDArray[np.uint8]) -> str:
    """The colours of the quarters, in reading order."""
    height, width = frame.shape[:2]
    found = [frame[y, x].astype(int) for y in (height // 4, -height // 4) for x in (width // 4, -width // 4)]
    return "".join("W" if pixel.min() > 150 else "RGB"[int(pixel.argmax())] for pixel in found)


@pytest.mark.parametrize(
    ("arguments", "quarters"),
    [
        ("-display_rotation 90", "GWRB"),
        ("-display_rotation 180", "WBGR"),
        ("-display_rotation 270", "BRWG"),
        ("-display_hflip", "GRWB"),
        ("-display_vflip", "BWRG"),
        ("-display_rotation 90 -display_hflip", "WGBR"),
    ],
)
def test_a_turned_video_is_upright(tmp_path: Path, arguments: str, quarters: str) -> None:
    """A phone's display matrix is applied, mirrors included."""
    frame = decode_file(corners(tmp_path, arguments), DEFAULT).frames[0]
    assert named(frame) == quarters
    assert frame.shape == ((64, 48, 3) if "90" in arguments or "270" in arguments else (48, 64, 3))


def test_a_slanted_video_is_refused(tmp_path: Path) -> None:
    """An angle between the axes has no frame of pixels."""
    with pytest.raises(EncodeError, match="multiple of 90 degrees"):
        decode_file(corners(tmp_path, "-display_rotation 45"), DEFAULT)


@pytest.mark.parametrize(
    ("aspect", "size"), [("4/3", (85, 48)), ("8/9", (64, 54)), ("1/1", (64, 48)), ("0/1", (64, 48))]
)
@pytest.mark.parametrize("file", ["a.mp4", "a.mkv"])
def test_pixels_become_square(tmp_path: Path, file: str, aspect: str, size: tuple[int, int]) -> None:
    """A sample aspect ratio enlarges one side, as in browsers."""
    path = ffmpeg(tmp_path / file, f"-f lavfi -i {SCENE} -vf setsar={aspect}", H264)
    assert decode_file(path, DEFAULT).frames.shape[1:3] == size[::-1]


ALPHA = "format={},geq=r='r(X\\,Y)':g='g(X\\,Y)':b='b(X\\,Y)':a='255*gt(X\\,31)'"


@pytest.mark.parametrize(
    "target",
    [
        "-c:v libvpx-vp9 -pix_fmt yuva420p a.webm",
        "-c:v libvpx -auto-alt-ref 0 -pix_fmt yuva420p a.webm",
        "-c:v prores_ks -pix_fmt yuva444p10le a.mov",
        "-c:v qtrle a.mov",
        "-c:v png a.mov",
        "-c:v libwebp_anim -lossless 1 a.webp",
        "-f apng a.png",
    ],
)
@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (10, 200, 90)])
def test_transparent_video_shows_the_background(
    tmp_path: Path, target: str, background: tuple[int, int, int]
) -> None:
    """The colour hidden behind alpha 0 never shows; opaque pixels do."""
    arguments, _, file = target.rpartition(" ")
    source = f"-f lavfi -i color=0xc81e1e:size=64x48:rate=10:duration=0.3 -vf {ALPHA.format('rgba')}"
    frames = decode_file(ffmpeg(tmp_path / file, source, arguments), Reading(background=background)).frames
    assert frames.shape[1:] == (48, 64, 3)
    assert np.abs(frames[0, 20, 10].astype(int) - background).max() <= 3
    assert np.abs(frames[0, 20, 50].astype(int) - (200, 30, 30)).max() <= 4


@pytest.mark.parametrize(("primaries", "shown"), [("smpte432", (194, 72, 76)), ("bt709", (180, 80, 80))])
def test_wide_colours_become_srgb(tmp_path: Path, primaries: str, shown: tuple[int, int, int]) -> None:
    """Display P3 (180, 80, 80) is sRGB (194, 72, 76), in videos as in images."""
    colour = "-f lavfi -i color=0xb45050:size=64x48:rate=8:duration=0.25"
    tags = (
        f"scale=out_color_matrix=bt709,setparams=color_primaries={primaries}:color_trc=bt709:colorspace=bt709"
    )
    path = ffmpeg(tmp_path / "a.mp4", colour, f"-vf {tags} {H264}")
    assert np.abs(decode_file(path, DEFAULT).frames[0, 20, 20].astype(int) - shown).max() <= 4


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("colorspace=ictcp", "colour matrix .ICtCp."),
        ("colorspace=ycgco", "colour matrix .YCgCo."),
        ("colorspace=bt2020c", "colour matrix .BT.2020 with constant luminance."),
        ("color_trc=log100", "unsupported colours .logarithmic"),
        ("color_primaries=smpte428", "unsupported colours .CIE XYZ."),
    ],
)
def test_colours_without_a_conversion_are_refused_by_name(tmp_path: Path, tags: str, found: str) -> None:
    """Colours without a conversion are refused, and never shown as if they were BT.709."""
    path = ffmpeg(tmp_path / "a.mkv", f"-f lavfi -i {SCENE} -vf format=yuv444p,setparams={tags} -c:v ffv1")
    with pytest.raises(EncodeError, match=found):
        decode_file(path, DEFAULT)


def test_the_gamma_of_cinema_is_converted(tmp_path: Path) -> None:
    """DCI-P3 of a cinema has a gamma of 2.6: half of the signal is darker than half of sRGB."""
    tags = "setparams=color_primaries=smpte431:color_trc=smpte428:colorspace=bt709"
    grey = "-f lavfi -i color=0x808080:size=64x48:rate=8:duration=0.25"
    path = ffmpeg(tmp_path / "a.mkv", f"{grey} -vf format=yuv444p,{tags} -c:v ffv1")
    expected = 255 * (1.055 * (128 / 255) ** (2.6 / 2.4) - 0.055)
    assert np.abs(decode_file(path, DEFAULT).frames[0, 20, 20].astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    "target", ["-disposition:v:0 attached_pic a.mp4", "-disposition:v:0 attached_pic a.mkv"]
)
def test_a_cover_picture_is_not_the_video(tmp_path: Path, target: str) -> None:
    """A cover that comes first is passed over; a file with nothing else has no video."""
    arguments, _, file = target.rpartition(" ")
    cover = ffmpeg(tmp_path / "cover.png", "-f lavfi -i color=red:size=32x32 -frames:v 1")
    scene = ffmpeg(tmp_path / "scene.mp4", f"-f lavfi -i {SCENE}", H264)
    both = ffmpeg(tmp_path / file, f"-i {cover} -i {scene} -map 0 -map 1 -c copy {arguments}")
    assert np.array_equal(decode_file(both, DEFAULT).frames, decode_file(scene, DEFAULT).frames)
    song = ffmpeg(
        tmp_path / "song.m4a", f"-f lavfi -i sine=d=1 -i {cover} -map 0 -map 1 -c:v copy {arguments}"
    )
    with pytest.raises(EncodeError, match="without a video stream"):
        decode_file(song, DEFAULT)


def test_the_default_stream_is_shown(tmp_path: Path) -> None:
    """Of several video streams the default one counts, wherever it stands; sound may come first."""
    small = f"-f lavfi -i color=red:size=32x32:rate=10:duration=1 -f lavfi -i sine=d=1 -f lavfi -i {SCENE}"
    path = ffmpeg(
        tmp_path / "a.mkv",
        small,
        f"-map 1 -map 0 -map 2 {H264} -disposition:v:0 0 -disposition:v:1 default",
    )
    assert decode_file(path, DEFAULT).frames.shape == (10, 48, 64, 3)


@pytest.mark.parametrize("title", ["No space left on device", "Video: x 7x13, 1 fps", "Input/output error"])
def test_a_title_is_only_a_title(tmp_path: Path, title: str) -> None:
    """Text in a file changes neither its size, nor its rate, nor the kind of its error."""
    path = tmp_path / "a.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", SCENE, *H264.split()]
    subprocess.run([*command, "-metadata", f"title={title}", str(path)], check=True)
    decoded = decode(path)
    assert (decoded.frames.shape, decoded.fps) == ((10, 48, 64, 3), 10.0)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(EncodeError, match=r"not a complete video|damaged"):
        decode(path)


@pytest.mark.parametrize(
    "file", ["a.mp4", "a.mkv", "a.webm", "a.avi", "a.gif", "a.flv", "a.ogv", "a.png", "a.webp"]
)
@pytest.mark.parametrize("share", [0.3, 0.66, 0.95])
def test_a_truncated_video_is_never_a_shorter_one(tmp_path: Path, file: str, share: float) -> None:
    """Whatever the container, a missing end is an error with the same text each time."""
    kind = {"a.png": "-f apng", "a.webm": "-c:v libvpx-vp9", "a.webp": "-c:v libwebp_anim"}.get(file)
    scene = "-f lavfi -i testsrc2=size=96x72:rate=10:duration=3"
    path = ffmpeg(tmp_path / file, scene, *([kind] if kind else []))
    data = path.read_bytes()[: int(path.stat().st_size * share)]
    said = set()
    for name in ("b", "c"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(EncodeError) as error:
            decode_file(tmp_path / name, DEFAULT)
        said.add(str(error.value))
    with pytest.raises(EncodeError):
        decode_file(data, DEFAULT)
    assert len(said) == 1
    assert str(tmp_path) not in said.pop()


def test_other_files_are_refused_with_the_kinds_that_are_read(tmp_path: Path) -> None:
    """Text, an empty file and a playlist are not read as a video."""
    for data in (b"no video", b"", b"#EXTM3U\n#EXTINF:1,\nv.mp4\n", b"ffconcat version 1.0\nfile v.mp4\n"):
        with pytest.raises(EncodeError, match="expected mp4, mov, mkv"):
            decode_file(data, DEFAULT)


def test_an_unknown_codec_is_refused(tmp_path: Path) -> None:
    """A stream that no decoder knows is not a video."""
    data = ffmpeg(tmp_path / "a.mkv", f"-f lavfi -i {SCENE}", H264).read_bytes()
    with pytest.raises(EncodeError, match="without a known codec"):
        decode_file(data.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/AVC"), DEFAULT)


def bomb(tmp_path: Path) -> Path:
    """A video of some kilobytes that decodes to 100 MB."""
    black = "-f lavfi -i color=black:size=640x640:rate=30:duration=3"
    return ffmpeg(tmp_path / "a.mp4", f"{black} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -crf 51")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("media_pixels", 640 * 640 - 1),
        ("media_frames", 89),
        ("media_bytes", 100_000_000),
        ("media_decode_s", 1e-4),
        ("media_decode_s", 1e-6),
    ],
)
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_video_beyond_a_limit_names_the_limit(
    tmp_path: Path, container: str, key: str, value: float
) -> None:
    """Each limit is refused by its own name, whether or not the header states the number of frames."""
    path = bomb(tmp_path)
    if container == "mkv":
        path = ffmpeg(tmp_path / "a.mkv", f"-i {path} -c copy")
    with pytest.raises(EncodeError, match=f"limits.{key} in the job raises this"):
        decode_file(path, Reading(Limits.model_validate({key: value})))
    assert len(decode_file(path, DEFAULT).frames) == 90


def test_a_pixel_limit_counts_square_pixels(tmp_path: Path) -> None:
    """A sample aspect ratio cannot make a frame larger than the limit."""
    path = ffmpeg(tmp_path / "a.mkv", f"-f lavfi -i {SCENE} -vf setsar=4/3", H264)
    with pytest.raises(EncodeError, match=r"85 x 48 pixels; .*limits\.media_pixels"):
        decode_file(path, Reading(Limits(media_pixels=64 * 48)))


@pytest.mark.parametrize("file", ["a.mp4", "a.webm", "a.gif", "a.avi", "a.png"])
def test_damaged_bytes_raise_only_the_error_of_decoding(tmp_path: Path, file: str) -> None:
    """Whatever bytes change, the file is decoded or refused by a text without addresses and paths."""
    kind = {"a.png": "-f apng", "a.webm": "-c:v libvpx-vp9"}.get(file)
    data = ffmpeg(tmp_path / file, f"-f lavfi -i {SCENE}", *([kind] if kind else [])).read_bytes()
    random = np.random.default_rng(0)
    how, texts = Reading(Limits(media_pixels=1_000_000, media_frames=100)), set()
    for _ in range(40):
        damaged = bytearray(data)
        for place in random.integers(0, random.choice([64, 600, len(data)]), 4):
            damaged[place] = random.integers(256)
        try:
            decode_file(bytes(damaged), how)
        except EncodeError as error:
            texts.add(str(error))
    assert texts
    assert [text for text in texts if " at 0x" in text or "/" in text] == []
