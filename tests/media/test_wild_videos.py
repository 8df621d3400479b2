"""Videos of editors, broadcasters, cameras and streams: the frames and rates of ffmpeg, or the reason."""

import io
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from t2vbatch.errors import EncodeError
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.presentation import on_background
from t2vbatch.media.reading import DEFAULT, Reading
from tests.media.test_decoding import H264, SCENE, ffmpeg, reference

CODECS = {
    "ProRes": "-c:v prores_ks -pix_fmt yuv422p10le a.mov",
    "ProRes with alpha": "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le a.mov",
    "DNxHD": "-c:v dnxhd -profile:v dnxhr_sq -pix_fmt yuv422p -s 256x120 -r 25 a.mxf",
    "MPEG-2 in MXF": "-c:v mpeg2video -s 720x576 -r 25 a.mxf",
    "planar RGB of 16 bits": "-c:v ffv1 -pix_fmt gbrp16le a.mkv",
    "planar RGB of 10 bits": "-c:v ffv1 -pix_fmt gbrp10le a.mkv",
    "colours of half the lines": "-c:v ffv1 -pix_fmt yuv440p a.mkv",
    "colours of a quarter": "-c:v ffv1 -pix_fmt yuv410p a.mkv",
    "colours of a quarter, odd sides": "-c:v ffv1 -pix_fmt yuv410p -s 63x47 a.mkv",
    "grey of 10 bits": "-c:v ffv1 -pix_fmt gray10le a.mkv",
    "grey of 12 bits": "-c:v ffv1 -pix_fmt gray12le a.mkv",
    "grey with alpha": "-c:v ffv1 -pix_fmt ya8 a.mkv",
    "HuffYUV": "-c:v huffyuv -pix_fmt yuv422p a.avi",
    "HuffYUV with alpha": "-c:v huffyuv -pix_fmt bgra a.avi",
    "Ut Video": "-c:v utvideo -pix_fmt gbrp a.avi",
    "QuickTime Animation": "-c:v qtrle -pix_fmt rgb24 a.mov",
    "QuickTime Animation with alpha": "-c:v qtrle -pix_fmt argb a.mov",
    "PNG in mov": "-c:v png -pix_fmt rgba a.mov",
    "raw RGB of odd width": "-c:v rawvideo -pix_fmt bgr24 -s 63x47 a.avi",
    "raw YUV of odd sides": "-c:v rawvideo -pix_fmt yuv420p -s 63x47 a.avi",
    "raw palette": "-c:v rawvideo -pix_fmt pal8 a.avi",
    "raw RGB of 16 bits a pixel": "-c:v rawvideo -pix_fmt rgb565le a.avi",
    "v210": "-c:v v210 a.mov",
    "r210": "-c:v r210 -pix_fmt gbrp10le a.mov",
    "Cinepak": "-c:v cinepak a.avi",
    "Sorenson": "-c:v svq1 a.mov",
    "motion JPEG of a camera": "-c:v mjpeg -pix_fmt yuvj420p a.avi",
    "motion JPEG in mov": "-c:v mjpeg -pix_fmt yuvj422p a.mov",
    "lossless JPEG": "-c:v ljpeg -strict -1 -pix_fmt yuv420p a.avi",
    "JPEG 2000": "-c:v jpeg2000 -pix_fmt rgb24 a.mov",
    "VC-2": "-c:v vc2 -strict -1 -pix_fmt yuv420p a.mov",
    "screen capture": "-c:v zmbv -pix_fmt bgr0 a.avi",
    "TIFF in mkv": "-c:v tiff -pix_fmt rgb24 a.mkv",
    "MPEG-4 of a phone": "-c:v mpeg4 a.3gp",
    "VOB": "-c:v mpeg2video -r 25 a.vob",
    "fragments": f"{H264} -movflags frag_keyframe+empty_moov+default_base_moof a.mp4",
    "a live recording": f"{H264} -live 1 a.mkv",
}


@pytest.mark.parametrize("name", CODECS)
def test_frames_are_those_of_ffmpeg(tmp_path: Path, name: str) -> None:
    """Codecs, depths and odd sizes give bit-equal frames to ffmpeg's own conversion."""
    arguments, _, file = CODECS[name].rpartition(" ")
    path = ffmpeg(tmp_path / file, f"-f lavfi -i {SCENE}", arguments)
    decoded = decode_file(path, DEFAULT)
    assert decoded.fps == (25 if "-r 25" in arguments else 10)
    if "720x576" in arguments:  # Its pixels are not square.
        assert decoded.frames.shape[1:3] == (576, 720 * 16 // 15)
    else:
        assert np.array_equal(decoded.frames, reference(path))


def moving(path: Path, *options: str) -> Path:
    """Three seconds of H.264 with frames that refer to later ones."""
    return ffmpeg(path, "-f lavfi -i testsrc2=size=64x48:rate=10:duration=3", H264, "-bf 3 -g 30", *options)


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ("-ss 0.35 -i {} -c copy", "a.mp4"),
        ("-ss 1.05 -i {} -c copy -avoid_negative_ts disabled", "a.mp4"),
        ("-ss 1.05 -i {} -c copy", "a.mkv"),
        ("-ss 1.05 -i {} -c copy", "a.ts"),
        ("-i {} -t 1 -c copy", "a.mp4"),
        ("-i {} -c copy -output_ts_offset 5", "a.mp4"),
        ("-i {} -c copy -bsf:v h264_metadata=video_full_range_flag=1", "a.mp4"),
    ],
)
def test_cut_videos_have_the_frames_that_ffmpeg_shows(tmp_path: Path, options: str, file: str) -> None:
    """Edit lists, negative times, late starts and contradicting ranges change no frame."""
    whole = moving(tmp_path / "whole.mp4")
    path = ffmpeg(tmp_path / file, options.format(whole))
    assert np.array_equal(decode_file(path, DEFAULT).frames, reference(path))


@pytest.mark.parametrize(
    ("source", "options", "file", "fps"),
    [
        ("rate=1/10:duration=30", H264, "a.mp4", 0.1),
        ("rate=120:duration=0.1", H264, "a.mp4", 120),
        ("rate=24000/1001:duration=1", H264, "a.mkv", 24000 / 1001),
        ("rate=10:duration=0.1", H264, "a.mp4", 10),
        ("rate=10:duration=0.1", "-c:v libvpx-vp9", "a.webm", 10),
        ("rate=30000/1001:duration=1", "-c:v dvvideo -pix_fmt yuv411p -s 720x480", "a.dv", 30000 / 1001),
        ("rate=10:duration=1", "-vf setpts=(N-5)/10/TB -avoid_negative_ts disabled -c:v ffv1", "a.mkv", 10),
    ],
)
def test_the_rate_is_that_of_the_file(
    tmp_path: Path, source: str, options: str, file: str, fps: float
) -> None:
    """Slow, fast and fractional rates, one frame, negative times, and raw DV, which states its time base."""
    path = ffmpeg(tmp_path / file, f"-f lavfi -i testsrc2=size=64x48:{source}", options)
    assert decode_file(path, DEFAULT).fps == pytest.approx(fps, rel=1e-3)


@pytest.mark.parametrize("flip", ["-display_hflip", "-display_vflip", "-display_rotation 90 -display_hflip"])
def test_a_mirrored_video_is_that_of_ffmpeg(tmp_path: Path, flip: str) -> None:
    """Mirrors of the display matrix are applied; only colours of half the size differ by rounding."""
    path = ffmpeg(tmp_path / "a.mp4", f"{flip} -i {moving(tmp_path / 'b.mp4')} -c copy")
    difference = np.abs(decode_file(path, DEFAULT).frames.astype(int) - reference(path))
    assert difference.mean() < 0.5


def interlaced_reference(path: Path, size: str) -> npt.NDArray[np.uint8]:
    """The frames by ffmpeg's yadif and scale."""
    chain = f"yadif=deint=interlaced,scale={size}:out_range=pc:flags=bitexact+accurate_rnd+full_chroma_int"
    command = f"-v error -i {path} -vf {chain},format=rgb24 -fps_mode passthrough -f rawvideo -"
    done = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), *command.split()], capture_output=True, check=True
    )
    width, height = map(int, size.split(":"))
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


def test_wide_dv_of_a_camera_is_deinterlaced_with_square_pixels(tmp_path: Path) -> None:
    """DV PAL of 16:9 has 1024 columns, and no combs."""
    options = "-c:v dvvideo -pix_fmt yuv420p -s 720x576 -r 25 -aspect 16:9 -flags +ilme+ildct"
    path = ffmpeg(tmp_path / "a.avi", f"-f lavfi -i {SCENE}", options)
    assert np.array_equal(decode_file(path, DEFAULT).frames, interlaced_reference(path, "1024:576"))


def sprites() -> list[Image.Image]:
    """Three frames of transparent pixels with one square each; the second is half transparent."""
    images = []
    for index, colour in enumerate([(255, 0, 0, 255), (0, 255, 0, 128), (0, 0, 255, 255)]):
        image = Image.new("RGBA", (32, 24))
        image.paste(colour, (8 * index, 4, 8 * index + 8, 12))
        images.append(image)
    return images


@pytest.mark.parametrize("disposal", [0, 1, 2])
@pytest.mark.parametrize("blend", [0, 1])
@pytest.mark.parametrize("background", [(255, 255, 255), (10, 90, 200)])
def test_frames_of_an_apng_are_drawn_by_its_specification(
    disposal: int, blend: int, background: tuple[int, int, int]
) -> None:
    """A half-transparent frame over nothing is half transparent; earlier squares stay without a disposal."""
    images, out = sprites(), io.BytesIO()
    images[0].save(
        out, "PNG", save_all=True, append_images=images[1:], duration=100, disposal=disposal, blend=blend
    )
    expected, canvas = [], Image.new("RGBA", (32, 24))
    for image in images:
        canvas = Image.alpha_composite(canvas, image) if blend and disposal == 0 else image
        expected.append(on_background(np.asarray(canvas)[..., :3], np.asarray(canvas)[..., 3], background))
    decoded = decode_file(out.getvalue(), Reading(background=background))
    assert decoded.fps == 10
    assert np.abs(decoded.frames.astype(int) - np.stack(expected)).max() <= 1


def test_a_joined_program_stream_has_all_frames(tmp_path: Path) -> None:
    """Two MPEG program streams in one file are read one after the other."""
    path = ffmpeg(tmp_path / "a.mpg", f"-f lavfi -i {SCENE} -c:v mpeg2video -r 25")
    path.write_bytes(path.read_bytes() * 2)
    assert len(decode_file(path, DEFAULT).frames) == 50


def test_a_joined_transport_stream_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Its counters look like lost packets, so the message names both causes."""
    path = moving(tmp_path / "a.ts")
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(EncodeError, match=r"several files were joined: ffmpeg -i FILE NEW\.mp4"):
        decode_file(path, DEFAULT)


def test_a_truncated_mxf_is_refused(tmp_path: Path) -> None:
    """The header names the place of the footer, which is missing."""
    path = ffmpeg(tmp_path / "a.mxf", f"-f lavfi -i {SCENE} -c:v mpeg2video -s 720x576 -r 25")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(EncodeError, match="a damaged video: its footer is missing"):
        decode_file(path, DEFAULT)


@pytest.mark.parametrize(
    ("options", "file", "says"),
    [
        ("-c:v rv10 -s 176x144", "a.rm", "a RealMedia file"),
        ("-c:v flv", "a.swf", "a Flash file"),
        ("-c:v ffv1", "a.nut", "a NUT file"),
        ("-c:v mpeg2video -r 25", "a.wtv", "a recording of Windows"),
        ("-c:v mpeg2video -s 720x576 -r 25", "a.gxf", "a file of another kind"),
    ],
)
def test_another_container_is_refused_by_name(tmp_path: Path, options: str, file: str, says: str) -> None:
    """Containers that are not read are named, with those that are read."""
    path = ffmpeg(tmp_path / file, f"-f lavfi -i {SCENE}", options)
    with pytest.raises(EncodeError, match=f"{says}.*expected mp4"):
        decode_file(path, DEFAULT)
