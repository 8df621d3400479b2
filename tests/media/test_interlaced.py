"""Interlaced videos of cameras, tapes and broadcasts."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from t2vbatch.media.decoding import decode_file
from t2vbatch.media.reading import DEFAULT
from tests.media.test_decoding import ffmpeg

SCENE = "testsrc2=size=720x576:rate=50:duration=0.2"
FILES = {
    "H.264": "-vf interlace -c:v libx264 -pix_fmt yuv420p -flags +ilme+ildct a.mp4",
    "H.264, lower field first": "-vf interlace=scan=bff -c:v libx264 -pix_fmt yuv420p -flags +ildct a.mkv",
    "MPEG-2": "-vf interlace -c:v mpeg2video -flags +ilme+ildct a.mpg",
    "DV": "-vf interlace=scan=bff -c:v dvvideo -pix_fmt yuv420p a.avi",
    "raw DV": "-vf interlace=scan=bff -c:v dvvideo -pix_fmt yuv420p a.dv",
}


@pytest.mark.parametrize("name", FILES)
def test_interlaced_frames_are_those_of_yadif(tmp_path: Path, name: str) -> None:
    """There are as many frames as in the file, each without the comb of two fields."""
    *arguments, file = FILES[name].split()
    path = ffmpeg(tmp_path / file, "-f lavfi -i", SCENE, *arguments)
    frames = decode_file(path, DEFAULT).frames
    assert len(frames) == 5
    exact = "flags=bitexact+accurate_rnd+full_chroma_int"
    height, width = frames.shape[1:3]
    chain = f"yadif=deint=interlaced,scale={width}:{height}:out_range=pc:{exact},format=rgb24"
    command = [
        "-v",
        "error",
        "-i",
        str(path),
        "-vf",
        chain,
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-",
    ]
    done = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *command], capture_output=True, check=True)
    assert np.array_equal(np.frombuffer(done.stdout, np.uint8).reshape(frames.shape), frames)


def test_progressive_frames_stay_as_they_are(tmp_path: Path) -> None:
    """A stream that becomes interlaced in the middle keeps its first frames, and loses none."""
    first = ffmpeg(tmp_path / "a.m2v", "-f lavfi -i", SCENE, "-c:v mpeg2video -pix_fmt yuv420p -r 25")
    second = ffmpeg(
        tmp_path / "b.m2v", "-f lavfi -i", SCENE, "-vf interlace -c:v mpeg2video -flags +ilme+ildct"
    )
    (tmp_path / "both.m2v").write_bytes(first.read_bytes() + second.read_bytes())
    alone, both = (decode_file(path, DEFAULT).frames for path in (first, tmp_path / "both.m2v"))
    assert len(both) == len(alone) + 5
    assert np.array_equal(both[: len(alone)], alone)
