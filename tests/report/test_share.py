"""A shared report opens on its own, in a real browser, from a folder and from a ZIP file."""

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect

from t2vbatch.errors import UsageError
from t2vbatch.job import VideoFile
from t2vbatch.media.audio import Audio
from t2vbatch.media.small import write_small
from t2vbatch.media.video import decode, decode_audio, encode
from t2vbatch.output.records import results_schema
from t2vbatch.report.share import share_report
from t2vbatch.storage.files import Folder, open_folder
from tests.browsers import wait_until
from tests.report.outputs import COLOURS, EXTRA, SCORES, add_videos, results, rolling, write_output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, pa.Table]:
    """An output of two models, one video of them a folder of frames, and its results."""
    folder = tmp_path_factory.mktemp("shared")
    rows = results(["small", "large"], ["a red square rolls", "a green square rolls"], 1)
    add_videos(folder, rows)
    rows[1]["video"] = "videos/large/frames"
    encode(rolling(COLOURS["red"]), folder / rows[1]["video"], VideoFile(format="png"))
    write_output(folder, rows)
    return open_folder(folder), pa.Table.from_pylist(rows, results_schema(SCORES, EXTRA))


def test_a_shared_folder_opens_and_plays(page: Page, run: tuple[Folder, pa.Table], tmp_path: Path) -> None:
    """Its index.html leads to the page, and the copied videos and folders of frames play."""
    shared = share_report(*run, tmp_path / "copy")
    assert (shared.videos, shared.missing) == (4, ())
    page.goto((tmp_path / "copy" / "index.html").as_uri())
    expect(page.locator("#strip .tile")).to_have_count(4)
    wait_until(page, "[...document.querySelectorAll('#strip .player')].every((one) => one.currentTime > 0.2)")


def test_a_zip_has_the_same_files_as_a_folder(run: tuple[Folder, pa.Table], tmp_path: Path) -> None:
    """The archive is reproducible and holds what the folder holds."""
    share_report(*run, tmp_path / "copy")
    for name in ("one.zip", "two.zip"):
        share_report(*run, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    copied = {file.relative_to(tmp_path / "copy").as_posix() for file in (tmp_path / "copy").rglob("*.*")}
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert set(archive.namelist()) == copied
        assert archive.testzip() is None
    assert {path.name for path in tmp_path.iterdir()} == {"copy", "one.zip", "two.zip"}


def test_a_page_without_videos_says_so(page: Page, run: tuple[Folder, pa.Table], tmp_path: Path) -> None:
    """With posters only, no video is requested, and the detail view and the vote have a message."""
    assert share_report(*run, tmp_path / "copy", "none").videos == 0
    assert not (tmp_path / "copy" / "videos").exists()
    page.goto((tmp_path / "copy" / "index.html").as_uri())
    page.locator("#strip .tile").first.click()
    expect(page.locator("#stage .note")).to_contain_text("shared without its videos")
    page.keyboard.press("Escape")
    page.locator("#view-vote").click()
    expect(page.locator("#vote")).to_contain_text("shared without its videos")
    assert page.locator(".player").count() == 0


def test_only_shown_samples_are_shared(tmp_path: Path) -> None:
    """A copy has the videos and the posters of the samples that its page shows, and no others."""
    rows = results(["small"], [f"a {colour} square" for colour in COLOURS], 1)
    add_videos(tmp_path / "out", rows)
    write_output(tmp_path / "out", rows, max_videos=1, scores=())
    table = pa.Table.from_pylist(rows, results_schema((), EXTRA))
    assert share_report(open_folder(tmp_path / "out"), table, tmp_path / "copy", max_videos=1).videos == 1
    posters = [len(list((tmp_path / of / "report/posters").iterdir())) for of in ("out", "copy")]
    assert posters == [3, 1]


def test_small_copies_are_small_and_keep_their_sound(tmp_path: Path) -> None:
    """A wide video is scaled to 320 pixels with its rate, its number of frames and its sound."""
    video = rolling(COLOURS["red"], side=640)
    tone = Audio((8000 * np.sin(np.arange(32_000) / 10)).astype(np.int16)[None], 16_000)
    encode(type(video)(video.frames[:, :360], video.fps, tone), tmp_path / "large.mp4", VideoFile())
    write_small(tmp_path / "large.mp4", tmp_path / "small.mp4", sound=True)
    small = decode(tmp_path / "small.mp4")
    assert small.frames.shape == (16, 180, 320, 3)
    assert small.fps == video.fps
    assert decode_audio(tmp_path / "small.mp4", 60.0).rate_hz == 16_000
    assert (tmp_path / "small.mp4").stat().st_size < (tmp_path / "large.mp4").stat().st_size


def test_small_copies_replace_the_videos_of_a_share(run: tuple[Folder, pa.Table], tmp_path: Path) -> None:
    """The names of the files stay; folders of frames are copied as they are."""
    assert share_report(*run, tmp_path / "copy", "small").videos == 4
    original = decode(Path(run[0].uri) / "videos/small/row00000-0.mp4")
    copy = decode(tmp_path / "copy" / "videos/small/row00000-0.mp4")
    assert copy.frames.shape == original.frames.shape
    assert (tmp_path / "copy" / "videos/large/frames/00000.png").is_file()


def test_an_existing_target_is_refused(run: tuple[Folder, pa.Table], tmp_path: Path) -> None:
    """Nothing is overwritten, and no folder gets the name of a file; an empty folder is used."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine", "utf-8")
    (tmp_path / "old.zip").write_bytes(b"mine")
    (tmp_path / "empty").mkdir()
    for name in ("full", "old.zip"):
        with pytest.raises(UsageError, match="a path that exists"):
            share_report(*run, tmp_path / name)
    with pytest.raises(UsageError, match=r"the name of a \.tar file"):
        share_report(*run, tmp_path / "new.tar")
    assert (tmp_path / "old.zip").read_bytes() == b"mine"
    assert share_report(*run, tmp_path / "empty").videos == 4


def test_a_record_cannot_lead_outside_the_target(run: tuple[Folder, pa.Table], tmp_path: Path) -> None:
    """A video name with .. is refused before anything is written, and a missing video is reported."""
    folder, table = run
    rows = table.to_pylist()
    rows[0]["video"] = "videos/none.mp4"
    missing = share_report(folder, pa.Table.from_pylist(rows, table.schema), tmp_path / "a").missing
    assert missing == ("videos/none.mp4",)
    (Path(folder.uri).parent / "outside.mp4").write_bytes(b"secret")
    rows[0]["video"] = "../outside.mp4"
    with pytest.raises(Exception, match=r"\.\."):
        share_report(folder, pa.Table.from_pylist(rows, table.schema), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_files_of_an_older_page_are_deleted(tmp_path: Path) -> None:
    """A report has its own files and its posters, and no scripts of another version."""
    rows = results(["a"], ["a red square"], 1)
    add_videos(tmp_path, rows)
    (tmp_path / "report" / "vendor").mkdir(parents=True)
    (tmp_path / "report" / "vendor" / "old.js").write_text("old", "utf-8")
    write_output(tmp_path, rows)
    found = {path.relative_to(tmp_path / "report").as_posix() for path in (tmp_path / "report").rglob("*.*")}
    assert {"index.html", "data.js", "page.js", "page.css", "uPlot.LICENSE"} == {
        name for name in found if not name.startswith("posters/")
    }
    assert any(name.startswith("posters/") for name in found)
