"""Input images of rows, as small copies beside the page and in its detail view."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from t2vbatch.errors import RowError
from t2vbatch.report.inputs import InputImage, write_inputs
from t2vbatch.storage.files import open_folder
from tests.browsers import wait_until
from tests.report.outputs import add_videos, results, write_output


def picture(width: int, height: int) -> bytes:
    """A red PNG."""
    out = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), (200, 30, 30), np.uint8)).save(out, "PNG")
    return out.getvalue()


def lost() -> bytes:
    """A file that is not on this machine."""
    raise RowError("image: no file at s3://gone")


def test_copies_are_small_and_made_once(tmp_path: Path) -> None:
    """A wide image has a copy of 320 pixels; unreadable files and videos have none; stale copies go."""
    reads = []

    def read() -> bytes:
        reads.append(1)
        return picture(1000, 500)

    files = {
        "row0": [InputImage("image", "a" * 64, read)],
        "row1": [InputImage("image", "b" * 64, lost), InputImage("video", "c" * 64, lambda: b"no image")],
    }
    folder = open_folder(tmp_path)
    (tmp_path / "report" / "inputs").mkdir(parents=True)
    (tmp_path / "report" / "inputs" / "old.jpg").write_bytes(b"old")
    for _ in range(2):
        found = write_inputs(folder, files, lambda row_id: files[row_id])
        assert found == {"row0": [["image", f"inputs/{'a' * 20}.jpg"]]}
    assert len(reads) == 1
    copies = list((tmp_path / "report" / "inputs").iterdir())
    assert [Image.open(copy).size for copy in copies] == [(320, 160)]


def test_the_detail_view_shows_the_input_image(page: Page, tmp_path: Path) -> None:
    """The image of the row is displayed with the name of its column."""
    rows = results(["a"], ["a red square rolls"], 1)
    add_videos(tmp_path, rows)
    file = InputImage("image", "d" * 64, lambda: picture(640, 320))
    page.goto(write_output(tmp_path, rows, inputs=lambda row_id: [file]).as_uri())
    page.locator("#strip .tile").click()
    expect(page.locator(".inputs figcaption")).to_have_text("image")
    wait_until(page, "document.querySelector('.inputs img').naturalWidth === 320")
