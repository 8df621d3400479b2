"""Contact sheets show the frames of the videos."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image

from t2vbatch.job import VideoFile
from t2vbatch.media.video import encode
from t2vbatch.output.records import results_schema
from t2vbatch.report.sheet import write_sheets
from t2vbatch.storage.files import open_folder
from tests.report.outputs import COLOURS, SCORES, add_videos, results, rolling


@pytest.fixture
def table(tmp_path: Path) -> pa.Table:
    """Results of two models and three prompts with videos; one video is missing."""
    prompts = ["a red square " + "that is described at great length " * 9, "a green square", "a blue one"]
    rows = results(["a", "b"], prompts, 1)
    add_videos(tmp_path, rows)
    rows[1]["video"] = None
    return pa.Table.from_pylist(rows, results_schema(SCORES, pa.schema([("category", pa.string())])))


def test_every_video_is_on_a_page_of_its_model(tmp_path: Path, table: pa.Table) -> None:
    """Three videos fill two pages of two; the model with a missing video has one page."""
    folder = open_folder(tmp_path)
    names = write_sheets(folder, table, rows=2)
    assert names == ["sheets/a-001.png", "sheets/a-002.png", "sheets/b-001.png"]
    assert write_sheets(folder, table, model="b") == ["sheets/b-001.png"]


def test_a_row_of_frames_shows_the_video(tmp_path: Path, table: pa.Table) -> None:
    """The square has its colour and moves to the right from frame to frame."""
    only = table.filter(pc.equal(table["row_id"], "row00001"))
    (name, _) = write_sheets(open_folder(tmp_path), only, frames=4)
    page = np.asarray(Image.open(io.BytesIO((tmp_path / name).read_bytes())), int)
    assert page.shape[1] == 2 * 16 + 4 * 160 + 3 * 4
    green = np.abs(page[16 + 40 :] - np.array(COLOURS["green"])).sum(axis=2) < 60
    starts = [np.flatnonzero(green[:, 16 + 164 * k : 16 + 164 * k + 160].any(axis=0))[0] for k in range(4)]
    assert starts == sorted(set(starts))


def test_a_folder_of_frames_is_a_video_too(tmp_path: Path, table: pa.Table) -> None:
    """The sheet of a folder of frames has the exact pixels of the frames."""
    rows = table.to_pylist()[:1]
    rows[0]["video"] = "videos/a/frames"
    encode(rolling(COLOURS["red"]), tmp_path / rows[0]["video"], VideoFile(format="png"))
    (name,) = write_sheets(open_folder(tmp_path), pa.Table.from_pylist(rows, table.schema), frames=4)
    page = np.asarray(Image.open(io.BytesIO((tmp_path / name).read_bytes())), int)
    assert (np.abs(page - np.array(COLOURS["red"])).sum(axis=2) == 0).sum() > 4 * 50 * 50


def test_a_sheet_says_how_many_characters_have_no_font(tmp_path: Path, table: pa.Table) -> None:
    """The note is below the videos; a sheet without missing characters has no note."""
    heights = []
    for prompt in ("a cat", "a cat \U0010fffd"):
        rows = table.to_pylist()[:1]
        rows[0]["prompt"] = prompt
        (name,) = write_sheets(open_folder(tmp_path), pa.Table.from_pylist(rows, table.schema), frames=4)
        heights.append(Image.open(tmp_path / name).height)
    assert heights[1] == heights[0] + 40
