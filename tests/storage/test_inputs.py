"""Input files are regular, in their folder and of bounded size, also if they change while they are read."""

import hashlib
import os
from pathlib import Path

import pytest

from t2vbatch.errors import RowError, StoreError
from t2vbatch.manifest import Media
from t2vbatch.storage import inputs
from t2vbatch.storage.files import open_folder
from t2vbatch.storage.inputs import local_bytes, stored_input


def test_a_file_that_is_swapped_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was a link to a secret while it was opened is not read."""
    (tmp_path / "secret").write_text("the secret")
    place = tmp_path / "set" / "a.png"
    place.parent.mkdir()
    place.symlink_to(tmp_path / "secret")

    def swapping(path: Path, flags: int) -> int:
        handle = opened(path, flags)
        place.unlink()
        place.write_text("good")
        return handle

    opened = os.open
    monkeypatch.setattr("t2vbatch.storage.inputs.os.open", swapping)
    with pytest.raises(StoreError, match="outside the manifest's folder"):
        local_bytes(place, str(place.parent))
    monkeypatch.undo()
    assert local_bytes(place, str(place.parent)) == b"good"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file(tmp_path: Path, make: object) -> None:
    """A FIFO is refused without a wait for a writer, and a folder is refused too."""
    assert callable(make)
    make(tmp_path / "a.png")
    with pytest.raises((StoreError, OSError)):
        local_bytes(tmp_path / "a.png", str(tmp_path))


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs Linux's /proc")
def test_a_file_that_has_more_bytes_than_it_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that grows while it is read, or whose size is unknown, ends at the limit."""
    assert Path("/proc/version").stat().st_size == 0
    assert len(local_bytes(Path("/proc/version"))) > 10
    monkeypatch.setattr(inputs, "MAX_BYTES", 10)
    with pytest.raises(StoreError, match="more than 10 bytes"):
        local_bytes(Path("/proc/version"))


def test_a_sparse_file_of_a_tebibyte(tmp_path: Path) -> None:
    """The size of a sparse file is checked before a byte is read."""
    (tmp_path / "a.mp4").touch()
    os.truncate(tmp_path / "a.mp4", 1 << 40)
    media = Media("video", str(tmp_path / "a.mp4"), within=str(tmp_path))
    for read in (media.read, media.sha256):
        with pytest.raises(RowError, match="it has more than"):
            read()


def test_a_large_file_in_a_store(tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file in a store is digested a part at a time, and refused by its size beyond the limit."""
    folder = open_folder(f"{s3}/{tmp_path.name}")
    folder.write("large.mp4", bytes(40 << 20))
    media = Media("video", f"{folder.uri}/large.mp4")
    sizes: list[int] = []
    stored_input(lambda part: sizes.append(len(part)), str(media.uri))
    assert (sum(sizes), max(sizes) <= 8 << 20) == (40 << 20, True)
    assert media.sha256() == hashlib.sha256(bytes(40 << 20)).hexdigest()
    monkeypatch.setattr(inputs, "MAX_BYTES", 1 << 20)
    for read in (media.read, media.sha256):
        with pytest.raises(RowError, match="more than 1,048,576 bytes"):
            read()


def test_frames_in_a_store_have_a_limit_together(
    tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small frames of one folder are refused as one large file is."""
    folder = open_folder(f"{s3}/{tmp_path.name}")
    for index in range(3):
        folder.write(f"frames/{index}.png", bytes(500))
    media = Media("control", f"{folder.uri}/frames/")
    assert len(media.read()) > 1500
    monkeypatch.setattr("t2vbatch.manifest.media.MAX_BYTES", 1200)
    with pytest.raises(RowError, match="frames have more than 1,200 bytes"):
        media.read()
