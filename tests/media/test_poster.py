"""Posters: made once per video, named by the digest of the frames."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from t2vbatch.media.poster import FRAMES, poster, poster_name, write_posters
from t2vbatch.media.video import Video
from t2vbatch.output.records import results_schema
from t2vbatch.storage.files import open_folder
from tests.report.outputs import SCORES, add_videos, results


def table(folder: Path, count: int = 3) -> pa.Table:
    """Results with videos, each in another colour."""
    rows = results(["a"], ["a red square", "a green square", "a blue square"][:count], 1)
    add_videos(folder, rows)
    return pa.Table.from_pylist(rows, results_schema(SCORES, pa.schema([("category", pa.string())])))


def test_only_missing_posters_are_made_and_stale_ones_go(tmp_path: Path) -> None:
    """An existing poster is kept unchanged; a poster without a video is deleted."""
    folder, found = open_folder(tmp_path), table(tmp_path)
    names = write_posters(folder, found)
    assert len(names) == 3
    kept = sorted(names)[0]
    folder.write(kept, b"kept")
    folder.write("report/posters/stale.jpg", b"")
    assert write_posters(folder, found) == names
    assert folder.read(kept) == b"kept"
    assert folder.size("report/posters/stale.jpg") is None


def test_a_video_that_cannot_be_read_costs_only_its_poster(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The other posters are made, and a warning names the video."""
    found = table(tmp_path)
    broken = found["video"][0].as_py()
    (tmp_path / broken).write_bytes(b"no video")
    assert len(write_posters(open_folder(tmp_path), found)) == 2
    assert broken in caplog.text


@pytest.mark.parametrize("frames", [1, 4, 40])
def test_a_poster_has_its_frames_side_by_side(frames: int) -> None:
    """A poster has FRAMES equal parts with the first and last frame; a short video repeats its last frame."""
    ramp = np.linspace(0, 250, frames).astype(np.uint8)
    video = Video(np.broadcast_to(ramp[:, None, None, None], (frames, 90, 320, 3)).copy(), fps=8)
    sheet = np.asarray(Image.open(io.BytesIO(poster(video))), int)
    assert sheet.shape == (45, FRAMES * 160, 3)
    assert abs(sheet[20, 80].mean() - ramp[0]) < 4
    assert abs(sheet[20, -80].mean() - ramp[-1]) < 4


def test_a_poster_is_named_by_the_frames() -> None:
    """Two videos of the same frames share a poster."""
    assert poster_name("ab" * 32) == "report/posters/abababababababababab.jpg"
