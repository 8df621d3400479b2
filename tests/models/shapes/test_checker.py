import random
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from t2vbatch.models.shapes.checker import UNREADABLE, read
from t2vbatch.models.shapes.evaluate import draw_scenes, judge, wilson
from t2vbatch.models.shapes.outlines import SHAPES
from t2vbatch.models.shapes.world import COLOURS, MOTIONS, Scene, render, sample_scene


def through_h264(video: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    """Encode at the quality that jobs use by default, and decode."""
    count, height, width, _ = video.shape
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "8", "-i", "-"]
    encode = [ffmpeg, "-y", "-v", "error", *raw, "-c:v", "libx264", "-crf", "23", "-pix_fmt", "yuv420p"]
    subprocess.run([*encode, "-threads", "1", str(path)], input=video.tobytes(), check=True)
    decode = [ffmpeg, "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    frames = subprocess.run(decode, capture_output=True, check=True).stdout
    return np.frombuffer(frames, np.uint8).reshape(count, height, width, 3)


def test_it_reads_real_clips() -> None:
    """At least 98% of 300 drawn clips, with held-out combinations, are read correctly."""
    scenes = [*draw_scenes(200, seed=1), *draw_scenes(100, seed=1, held_out=True)]
    figures = judge(scenes, list(render(scenes).numpy()), "real")
    assert figures["real all"]["share"] >= 0.98


def test_it_reads_compressed_clips(tmp_path: Path) -> None:
    """Of 40 clips that went through H.264 at most one is misread."""
    scenes = draw_scenes(40, seed=2)
    videos = [through_h264(video, tmp_path / "clip.mp4") for video in render(scenes).numpy()]
    assert judge(scenes, videos, "h264")["h264 all"]["share"] >= 0.97


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_not_guessed(seed: int) -> None:
    """Pure noise shows no colour, no shape and no motion."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
    reading = read(noise)
    assert (reading.colour, reading.shape, reading.motion) == (None, None, None)


def test_an_empty_video_shows_nothing() -> None:
    """A video of one colour that is not a background is read as nothing."""
    assert read(np.full((9, 64, 64, 3), (90, 200, 40), np.uint8)) == UNREADABLE


def test_shuffled_frames_are_no_motion() -> None:
    """Frames in a random order are read with colour and shape and without motion."""
    scene = Scene("red", "circle", "left")
    video = render([scene])[0].numpy()
    order = [4, 0, 8, 2, 6, 1, 7, 3, 5]
    reading = read(video[order])
    assert (reading.colour, reading.shape) == ("red", "circle")
    assert reading.motion != "left"


def test_time_reversed_is_the_opposite_motion() -> None:
    """A clip played backwards is read with the opposite motion: the path decides, not the trail."""
    video = render([Scene("blue", "square", "up")])[0].numpy()
    assert read(video[::-1].copy()).motion == "down"


def test_two_shapes_at_once_are_not_one() -> None:
    """A picture of two shapes far apart is read without a motion."""
    left, right = render([Scene("red", "circle", "up"), Scene("red", "circle", "down")]).numpy()
    both = np.concatenate([left[:, :, 16:48], right[:, :, 16:48]], axis=2)
    assert read(both).motion is None


def test_every_answer_is_reachable() -> None:
    """Every colour, shape and motion is named for some clip."""
    rng = random.Random(3)
    readings = [read(video) for video in render([sample_scene(rng) for _ in range(150)]).numpy()]
    assert {r.colour for r in readings} >= set(COLOURS)
    assert {r.shape for r in readings} >= set(SHAPES)
    assert {r.motion for r in readings} >= set(MOTIONS)


def test_wilson_matches_the_textbook() -> None:
    """The interval of 0 of 10 is [0, 0.28], of 95 of 100 [0.888, 0.978]."""
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-3)
    assert wilson(95, 100) == pytest.approx((0.8882, 0.9785), abs=1e-3)
