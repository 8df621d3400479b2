"""Folders of frames: their order, their byte form, and what is refused."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from t2vbatch.errors import RowError
from t2vbatch.manifest import Media, read_manifest, unpack_frames
from tests.pictures import manifest, picture


def test_folder_of_frames(tmp_path: Path) -> None:
    """Frames are packed in natural order; only frames, their bytes and their order make the digest."""
    for folder, names in {
        "a": ["1.png", "2.png", "10.png"],
        "b": ["f001.PNG", "f002.PNG", "f010.PNG"],
    }.items():
        (tmp_path / folder).mkdir()
        for color, name in enumerate(names):
            (tmp_path / folder / name).write_bytes(picture(color=color))
            os.utime(tmp_path / folder / name, (color, color))
    (tmp_path / "a" / ".hidden.png").write_bytes(b"x")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "a" / "deeper").mkdir()
    first, second = read_manifest(manifest(tmp_path, {"control": "a"}, {"control": "b/"}))
    assert unpack_frames(first.media["control"].read()) == tuple(picture(color=color) for color in range(3))
    assert first.media["control"].sha256() == second.media["control"].sha256()
    (tmp_path / "b" / "f003.png").write_bytes(picture(color=9))
    assert first.media["control"].sha256() != second.media["control"].sha256()


def test_byte_form_of_frames_is_fixed(tmp_path: Path) -> None:
    """The byte form is a plain tar that any program reads, with nothing of the machine in it."""
    (tmp_path / "x.JPG").write_bytes(b"frame")
    with tarfile.open(fileobj=io.BytesIO(Media("control", str(tmp_path)).read())) as tar:
        (member,) = tar.getmembers()
    assert (member.name, member.mode, member.mtime, member.uid, member.gid) == (
        "00000000.jpg",
        0o644,
        0,
        0,
        0,
    )
    assert (member.uname, member.gname) == ("", "")


def test_frames_that_lead_out(tmp_path: Path) -> None:
    """Frames that are links out of the manifest's folder, or folders themselves, are refused."""
    (tmp_path / "secret.png").write_bytes(picture())
    frames = tmp_path / "set" / "frames"
    frames.mkdir(parents=True)
    (frames / "0.png").symlink_to(tmp_path / "secret.png")
    source = manifest(tmp_path / "set", {"control": "frames"})
    with pytest.raises(RowError, match="out of the manifest's folder"):
        read_manifest(source).row(0).media["control"].read()
    assert unpack_frames(read_manifest(source, allow_paths=True).row(0).media["control"].read()) == (
        picture(),
    )
    (frames / "0.png").unlink()
    (frames / "0.png").mkdir()
    with pytest.raises(RowError, match=r"0\.png in it is a folder"):
        read_manifest(source).row(0).media["control"].read()


def test_what_is_no_folder_of_frames() -> None:
    """Videos, cut-off archives and members that pretend to be long give no frames beyond their bytes."""
    assert unpack_frames(b"a video") is None
    assert unpack_frames(bytes(257) + b"ustar" + bytes(1000)) in (None, ())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        sparse = tarfile.TarInfo("0.png")
        sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 0
        tar.addfile(sparse)
    assert unpack_frames(packed.getvalue()) in (None, ())
