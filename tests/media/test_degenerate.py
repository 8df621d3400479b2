"""Degenerate videos are found, and normal ones pass."""

import numpy as np
import pyarrow as pa
import pytest

from t2vbatch.media.degenerate import degenerate_reason, ignored_seeds
from t2vbatch.media.video import Video

_RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("value", "name"), [(0, "black"), (255, "white"), (90, "90,90,90")])
def test_one_colour_is_named(value: int, name: str) -> None:
    """A video of one colour is reported with the colour, also with a decoder's noise."""
    frames = np.full((4, 8, 8, 3), value, np.uint8)
    frames[1, 2, 3] = min(255, value + 1)
    assert name in (degenerate_reason(Video(frames, 8.0)) or "")


def test_a_frozen_video_is_found() -> None:
    """A video of bit-equal frames is reported as frozen."""
    frame = _RANDOM.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    assert "nothing moves" in (degenerate_reason(Video(np.repeat(frame, 5, axis=0), 8.0)) or "")


def test_a_single_frame_is_not_frozen() -> None:
    """A video of one frame passes."""
    assert degenerate_reason(Video(_RANDOM.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8), 8.0)) is None


def test_the_smallest_movement_counts() -> None:
    """One changed pixel in one frame is enough to pass."""
    frames = np.repeat(_RANDOM.integers(0, 200, (1, 8, 8, 3), dtype=np.uint8), 5, axis=0)
    frames[3, 0, 0] += 10
    assert degenerate_reason(Video(frames, 8.0)) is None


@pytest.mark.parametrize("seed", range(20))
def test_colours_are_compared_over_all_frames(seed: int) -> None:
    """A video has one colour exactly when no channel spans more than 3 steps over all its frames."""
    random = np.random.default_rng(seed)
    frames = (random.integers(0, 250, 3) + random.integers(0, 3 + seed % 3, (5, 6, 7, 3))).astype(np.uint8)
    span = frames.max(axis=(0, 1, 2)).astype(int) - frames.min(axis=(0, 1, 2))
    reason = degenerate_reason(Video(frames[:, :, ::-1], 8.0)) or ""
    assert ("one colour" in reason) == (span.max() <= 3)


def _samples(*rows: tuple[str, str, int, str, str]) -> pa.Table:
    names = ("model", "row_id", "seed", "status", "frames_sha256")
    return pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) | {"sample_index": index} for index, row in enumerate(rows)]
    )


def test_two_seeds_with_equal_frames_are_found() -> None:
    """The sentence names the model, the row and both samples."""
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
    """Equal frames are normal with the same seed, and between rows or models."""
    assert ignored_seeds(_samples(("m", "r", 1, "ok", "x"), other)) == []
