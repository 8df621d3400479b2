"""The program av_align in its own environment, with videos whose jumps and clicks are at known times."""

import wave
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2vbatch.metrics.process import RunningProgram
from t2vbatch.metrics.program_file import find_program
from t2vbatch.metrics.programs.av_align import count_near, count_pairs, local_maxima
from t2vbatch.metrics.protocol import UnscorableError

FPS = 8.0
SECONDS = 6
JUMPS = [8, 16, 24, 36]
"""Frames at which the square is elsewhere: 1, 2, 3 and 4.5 s."""


@pytest.fixture(scope="module")
def start(installed: Callable[[str], Path]) -> Iterator[Callable[..., RunningProgram]]:
    """Starts the program in its environment, once for each list of arguments."""
    python = installed("av_align")
    started: dict[tuple[str, ...], RunningProgram] = {}

    def run(*arguments: str) -> RunningProgram:
        if arguments not in started:
            command = [str(python), str(find_program("av_align").path), *arguments]
            started[arguments] = RunningProgram("av_align", command)
        return started[arguments]

    yield run
    for process in started.values():
        process.close()


def jumping(path: Path, jumps: Sequence[int], width: int = 64, height: int = 36) -> str:
    """A file with 48 frames in which a textured square moves 5 pixels at each jump and else stands still."""
    texture = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    frames = np.full((int(FPS * SECONDS), height, width, 3), 90, np.uint8)
    for index in range(len(frames)):
        left = 4 + 5 * sum(jump <= index for jump in jumps)
        frames[index, 10:26, left : left + 16] = texture
    np.save(path, frames)
    return str(path)


def clicks(path: Path, times: Sequence[float], rate: int = 44100) -> str:
    """A stereo WAV file of silence with short noises at these times in seconds."""
    sound = np.zeros((SECONDS * rate, 2))
    noise = np.random.default_rng(1).normal(0, 9000, (int(0.03 * rate), 2))
    for time in times:
        start = round(time * rate)
        sound[start : start + len(noise)] += noise * np.linspace(1, 0, len(noise))[:, None]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound.astype("<i2").tobytes())
    return str(path)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", [(64, 36), (67, 41)], ids=str)
@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1, 2, 3, 4.5], 1.0),
        ([1.35, 2.35, 3.35, 4.85], 0.0),
        ([1, 2, 4], 2 / (3 + 4 - 2)),
        ([1, 2, 3, 4.5, 5.5], 4 / 5),
    ],
    ids=["together", "sound too late", "two of three", "one click too many"],
)
def test_the_score_is_the_share_of_events_that_occur_together(
    start: Callable[..., RunningProgram],
    tmp_path: Path,
    size: tuple[int, int],
    times: list[float],
    expected: float,
) -> None:
    """Four jumps and these clicks have the intersection over union that is counted by hand."""
    request = {
        "frames": jumping(tmp_path / "f.npy", JUMPS, *size),
        "fps": FPS,
        "audio": clicks(tmp_path / "a.wav", times),
    }
    assert start().ask(request, 300)["av_align"] == pytest.approx(expected)


@pytest.mark.timeout(900)
def test_the_options_change_what_matches(start: Callable[..., RunningProgram], tmp_path: Path) -> None:
    """Two clicks near one jump count twice in the source's way, and once with --matching pairs."""
    request = {
        "frames": jumping(tmp_path / "f.npy", [16]),
        "fps": FPS,
        "audio": clicks(tmp_path / "a.wav", [1.92, 2.08]),
    }
    assert start().ask(request, 300)["av_align"] == pytest.approx(2 / (2 + 1 - 2))
    assert start("--matching", "pairs").ask(request, 300)["av_align"] == pytest.approx(1 / (2 + 1 - 1))
    late = request | {"audio": clicks(tmp_path / "b.wav", [2.3])}
    assert start().ask(late, 300)["av_align"] == 0
    assert start("--window", "3").ask(late, 300)["av_align"] == 1


@pytest.mark.timeout(900)
def test_a_video_without_events_has_no_score(start: Callable[..., RunningProgram], tmp_path: Path) -> None:
    """A video without sound, frames or events has no score, and the reason says which is missing."""
    process, silent = start(), clicks(tmp_path / "a.wav", [])
    still = jumping(tmp_path / "f.npy", [])
    with pytest.raises(UnscorableError, match="no sound"):
        process.ask({"frames": still, "fps": FPS, "audio": None}, 300)
    with pytest.raises(UnscorableError, match="no onset, and the motion has no peak"):
        process.ask({"frames": still, "fps": FPS, "audio": silent}, 300)
    np.save(tmp_path / "one.npy", np.zeros((1, 36, 64, 3), np.uint8))
    with pytest.raises(UnscorableError, match="single frame"):
        process.ask({"frames": str(tmp_path / "one.npy"), "fps": FPS, "audio": silent}, 300)


times = st.lists(st.integers(0, 20).map(float), max_size=5, unique=True).map(sorted)


@given(times, times, st.sampled_from([1.0, 2.5, 4.0]))
def test_pairs_are_as_many_as_possible(onsets: list[float], peaks: list[float], window: float) -> None:
    """No assignment of onsets to peaks has more pairs, and the source's count has at least as many."""
    shorter, longer = sorted((onsets, peaks), key=len)
    best = max(
        sum(abs(one - other) < window for one, other in zip(shorter, order, strict=True))
        for order in permutations(longer, len(shorter))
    )
    assert count_pairs(onsets, peaks, window) == best <= count_near(onsets, peaks, window)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], []), ([1], []), ([1, 1, 2, 1], [2]), ([3, 3, 1, 2, 2, 1], []), ([0, 5, 0, 5, 0], [1, 3])],
)
def test_a_peak_is_larger_than_both_neighbours(values: list[float], expected: list[int]) -> None:
    """The first value, the last value and plateaus are not peaks."""
    assert local_maxima(values) == expected
