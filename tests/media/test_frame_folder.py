"""Folders of frames: order, bytes, and refused contents."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from t2vbatch.errors import RowError
from t2vbatch.manifest import Media, read_manifest
from t2vbatch.media.frame_folder import unpack_frames
from tests.hostile.media import tar_circle
from tests.pictures import manifest, picture


def test_folder_of_frames(tmp_path: Path) -> None:
    """Frames are packed in natural order; the digest depends on their bytes and order only."""
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


def test_bytes_of_a_folder_of_frames_are_fixed(tmp_path: Path) -> None:
    """The bytes are a plain tar without any value of the machine."""
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


def test_frames_outside_the_manifest_folder(tmp_path: Path) -> None:
    """Frames that are folders, or links to files outside the manifest's folder, are refused."""
    (tmp_path / "secret.png").write_bytes(picture())
    frames = tmp_path / "set" / "frames"
    frames.mkdir(parents=True)
    (frames / "0.png").symlink_to(tmp_path / "secret.png")
    source = manifest(tmp_path / "set", {"control": "frames"})
    with pytest.raises(RowError, match="outside the manifest's folder"):
        read_manifest(source).row(0).media["control"].read()
    assert unpack_frames(read_manifest(source, allow_paths=True).row(0).media["control"].read()) == (
        picture(),
    )
    (frames / "0.png").unlink()
    (frames / "0.png").mkdir()
    with pytest.raises(RowError, match=r"entry 0\.png is a folder"):
        read_manifest(source).row(0).media["control"].read()


def test_other_bytes_are_not_a_folder_of_frames() -> None:
    """Videos, truncated archives and sparse members give no frames."""
    assert unpack_frames(b"a video") is None
    assert unpack_frames(bytes(257) + b"ustar" + bytes(1000)) in (None, ())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        sparse = tarfile.TarInfo("0.png")
        sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 0
        tar.addfile(sparse)
    assert unpack_frames(packed.getvalue()) in (None, ())


def test_a_tar_that_leads_back_to_itself_is_no_folder() -> None:
    """A member of a negative size, after which the same member follows, ends the reading."""
    assert unpack_frames(tar_circle()) is None
