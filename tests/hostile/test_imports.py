"""Untrusted prompt lists and shards: an import reads only its own folder, and its expansion is bounded."""

import bz2
import gzip
import io
import json
import lzma
import os
import resource
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from t2vbatch.errors import UsageError
from t2vbatch.exchange import import_manifest
from tests.hostile.media import tar_circle

BLOCK = bytes(16 << 20)


def _tar(size: int) -> bytes:
    """A tar that begins with a member of ``size`` bytes, without its content."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo("a.mp4")
        member.size = size
        sink.write(member.tobuf(tarfile.GNU_FORMAT))
        tar.offset = sink.tell()
    return sink.getvalue()[:512]


def _header_of(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("header")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def gzip_bomb() -> Iterator[bytes]:
    """Half a megabyte that expands to 1 GiB."""
    yield gzip.compress(_tar(1 << 30))
    yield gzip.compress(BLOCK) * 64


def bzip2_bomb() -> Iterator[bytes]:
    """Some kilobytes that expand to 1 GiB."""
    yield bz2.compress(_tar(1 << 30))
    yield bz2.compress(BLOCK) * 64


def xz_bomb() -> Iterator[bytes]:
    """Half a megabyte that expands to 1 GiB."""
    yield lzma.compress(_tar(1 << 30))
    yield lzma.compress(BLOCK) * 64


def pax_header() -> Iterator[bytes]:
    """A header of 1 GiB, which a reader would hold in memory."""
    yield gzip.compress(_header_of(tarfile.XHDTYPE, 1 << 30))
    yield gzip.compress(BLOCK) * 64


def long_name() -> Iterator[bytes]:
    """A name of 512 MiB."""
    yield gzip.compress(_header_of(tarfile.GNUTYPE_LONGNAME, 1 << 29))
    yield gzip.compress(BLOCK) * 32


def missing_content() -> Iterator[bytes]:
    """A member of a terabyte in a file of 512 bytes."""
    yield _tar(1 << 40)


def negative_size() -> Iterator[bytes]:
    """A member of fewer than zero bytes: the next header is its own."""
    yield tar_circle()


@pytest.mark.parametrize(
    "attack", [gzip_bomb, bzip2_bomb, xz_bomb, pax_header, long_name, missing_content, negative_size]
)
def test_a_shard_expands_within_bounds(tmp_path: Path, attack: Callable[[], Iterator[bytes]]) -> None:
    """One message, nothing is left behind, and the memory stays far below what the shard claims."""
    (tmp_path / "a.tar").write_bytes(b"".join(attack()))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UsageError, match=r"a\.tar"):
        import_manifest(tmp_path / "a.tar", "webdataset", tmp_path / "m.jsonl")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 256 << 20
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_a_large_text_of_a_shard_is_left_out(tmp_path: Path) -> None:
    """A prompt of 64 MiB is reported, and the picture beside it is a row."""
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in (("a.txt", bytes(64 << 20)), ("a.png", b"pixels")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    left: list[str] = []
    assert import_manifest(tmp_path / "a.tar", "webdataset", tmp_path / "m.jsonl", leave=left.append) == 1
    assert left == ["a.tar: a.txt"]
    (row,) = map(json.loads, (tmp_path / "m.jsonl").read_text().splitlines())
    assert row == {"id": "a", "image": "m/a.png"}


@pytest.mark.parametrize("form", ["captions", "lines"])
def test_links_of_a_folder_lead_nowhere_else(tmp_path: Path, form: str) -> None:
    """Neither an image nor a text of the folder is a link to a file outside, a FIFO or a device."""
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "secret").write_text("the secret")
    for name in ("a.png", "a.txt", "b.txt"):
        (folder / name).symlink_to(tmp_path / "secret")
    (folder / "c.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "d.png")
    os.mkfifo(folder / "d.txt")
    (folder / "good.png").write_bytes(b"pixels")
    (folder / "good.txt").write_text("a cat")
    left: list[str] = []
    assert import_manifest(folder, form, tmp_path / "m.jsonl", leave=left.append) == 1
    written = [path for path in (tmp_path / "m.jsonl", *(tmp_path / "m").glob("*")) if path.is_file()]
    assert not any(b"secret" in path.read_bytes() for path in written)
    assert "a.png: a link to a file outside the folder" in left
    assert "d.txt: not a file" in left


@pytest.mark.parametrize("form", ["json", "vbench"])
def test_a_list_names_regular_files_alone(tmp_path: Path, form: str) -> None:
    """A FIFO, which would never end, and a folder are one message."""
    os.mkfifo(tmp_path / "x.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("x.png", "folder.png"):
        entry = {"prompt_en": "a cat", "dimension": ["x"], "image_name": name}
        (tmp_path / "list.json").write_text(json.dumps([entry]))
        with pytest.raises(UsageError, match="no image"):
            import_manifest(tmp_path / "list.json", form, tmp_path / "m.jsonl")
