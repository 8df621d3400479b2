"""Frames that show nothing are told from those that may show something."""

import numpy as np
import pyarrow as pa
import pytest

from t2vbatch.media.degenerate import degenerate_reason, ignored_seeds
from t2vbatch.media.video import Video

_RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("value", "name"), [(0, "black"), (255, "white"), (90, "90,90,90")])
def test_one_colour_is_named(value: int, name: str) -> None:
    """Also with the noise that a decoder leaves."""
    frames = np.full((4, 8, 8, 3), value, np.uint8)
    frames[1, 2, 3] = min(255, value + 1)
    assert name in (degenerate_reason(Video(frames, 8.0)) or "")


def test_a_frozen_video_is_found() -> None:
    """Every frame is the first one, to the bit."""
    frame = _RANDOM.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    assert "nothing moves" in (degenerate_reason(Video(np.repeat(frame, 5, axis=0), 8.0)) or "")


def test_a_single_frame_is_not_frozen() -> None:
    """A picture is a video of one frame."""
    assert degenerate_reason(Video(_RANDOM.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8), 8.0)) is None


def test_the_smallest_movement_counts() -> None:
    """One pixel in one frame is not nothing."""
    frames = np.repeat(_RANDOM.integers(0, 200, (1, 8, 8, 3), dtype=np.uint8), 5, axis=0)
    frames[3, 0, 0] += 10
    assert degenerate_reason(Video(frames, 8.0)) is None


def _samples(*rows: tuple[str, str, int, str, str]) -> pa.Table:
    names = ("model", "row_id", "seed", "status", "frames_sha256")
    return pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) | {"sample_index": index} for index, row in enumerate(rows)]
    )


def test_two_seeds_with_equal_frames_are_found() -> None:
    """The sentence names model, row and both samples."""
    found = ignored_seeds(
        _samples(("m", "r", 1, "ok", "x"), ("m", "r", 2, "ok", "y"), ("m", "r", 3, "ok", "x"))
    )
    assert found == ["model m, row r: samples 0, 2 have different seeds and equal frames"]


@pytest.mark.parametrize(
    "other",
    [
        ("m", "r", 1, "ok", "x"),
        ("m", "other", 2, "ok", "x"),
        ("other", "r", 2, "ok", "x"),
        ("m", "r", 2, "degenerate", "x"),
    ],
    ids=["same seed", "another row", "another model", "counted already"],
)
def test_equal_frames_are_right_elsewhere(other: tuple[str, str, int, str, str]) -> None:
    """One seed, or what differs in more than its seed, may well look the same."""
    assert ignored_seeds(_samples(("m", "r", 1, "ok", "x"), other)) == []
