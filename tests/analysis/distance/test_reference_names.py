"""Which files of a folder are the videos of a reference set."""

from pathlib import Path

import pytest

from t2vbatch.analysis.distance.reference import videos_in
from t2vbatch.manifest import read_manifest


@pytest.mark.parametrize(
    "name", ["a.MP4", "a.3gp", "a.mxf", "a.MTS", "a.m2ts", "a.wmv", "a.vob", "a.y4m", "a.gif"]
)
def test_every_kind_of_video_is_of_the_set(tmp_path: Path, name: str) -> None:
    """The extension counts in capital and small letters."""
    (tmp_path / name).write_bytes(b"12")
    assert videos_in(str(tmp_path)) == [(name, 2)]


@pytest.mark.parametrize(
    "name", ["._a.mp4", ".hidden/a.mp4", "__MACOSX/._a.mp4", ".ipynb_checkpoints/0.png", "a.txt"]
)
def test_files_of_the_system_are_left_out(tmp_path: Path, name: str) -> None:
    """Attributes of macOS and copies of notebooks are not videos."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"12")
    (tmp_path / "b.mp4").write_bytes(b"1")
    assert videos_in(str(tmp_path)) == [("b.mp4", 1)]


@pytest.mark.parametrize("name", ["a.3gp", "A.MTS", "a.mxf", "a.mp4"])
def test_the_file_name_of_a_video_is_a_video(tmp_path: Path, name: str) -> None:
    """The column file_name of a dataset is the video, whatever camera wrote it."""
    (tmp_path / name).write_bytes(b"12")
    (tmp_path / "m.csv").write_text(f"file_name,text\n{name},x\n")
    row = read_manifest(str(tmp_path / "m.csv")).row(0)
    assert list(row.media) == ["video"]
