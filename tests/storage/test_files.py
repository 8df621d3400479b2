"""Folders: one contract, held by a local disk and by an object store."""

import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from t2vbatch.errors import StoreError
from t2vbatch.storage.files import Folder, LocalFolder, open_folder, read_uri

AWKWARD = (
    "sp ace.txt",
    "ünï.txt",
    "per%20cent.txt",
    "ha#sh?.txt",
    "co:lon",
    "ti~lde",
    "br[1]*.txt",
    "a+b&c=d",
)


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """An empty folder of each kind."""
    if request.param == "local":
        return open_folder(tmp_path / "folder")
    return open_folder(f"{request.getfixturevalue('s3')}/{tmp_path.name}")


def test_what_is_written_is_read(folder: Folder) -> None:
    """Bytes come back whole, with their size, and a second write replaces the first."""
    folder.write("a/b.bin", b"first")
    folder.write("a/b.bin", b"second!")
    assert folder.read("a/b.bin") == b"second!"
    assert folder.size("a/b.bin") == 7


def test_create_writes_once(folder: Folder) -> None:
    """``create`` says whether it did it, and leaves what was there."""
    assert folder.create("lease", b"mine")
    assert not folder.create("lease", b"yours")
    assert folder.read("lease") == b"mine"


def test_create_has_one_winner(folder: Folder) -> None:
    """Of many callers at once exactly one creates, and its bytes are the ones that stay."""
    start = threading.Barrier(8)

    def attempt(number: int) -> bool:
        start.wait()
        return folder.create("lease", b"%d" % number)

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(attempt, range(8)))
    assert won.count(True) == 1
    assert folder.read("lease") == b"%d" % won.index(True)


def test_what_is_not_there(folder: Folder) -> None:
    """A missing name has no size, cannot be read, and may be deleted."""
    assert folder.size("nothing") is None
    with pytest.raises(FileNotFoundError):
        folder.read("nothing")
    with pytest.raises(FileNotFoundError), folder.local("nothing"):
        pass
    folder.delete("nothing")


def test_a_folder_is_no_file(folder: Folder) -> None:
    """The name of a folder has no size, and a file is no folder for others."""
    folder.write("a/b", b"x")
    assert folder.size("a") is None
    assert folder.size("a/b/c") is None
    with pytest.raises((FileNotFoundError, StoreError)):
        folder.read("a")
    with pytest.raises(FileNotFoundError):
        folder.read("a/b/c")


def test_delete(folder: Folder) -> None:
    """What is deleted is gone, and can be created again."""
    folder.write("a", b"x")
    folder.delete("a")
    assert folder.size("a") is None
    assert folder.create("a", b"y")


def test_names(folder: Folder) -> None:
    """Names are listed by folder, not by how they begin, and without what is still being written."""
    for name in ("records/a", "records/deep/b", "records2/c", "d"):
        folder.write(name, b"")
    assert set(folder.names("records")) == {"records/a", "records/deep/b"}
    assert set(folder.names("")) == {"records/a", "records/deep/b", "records2/c", "d"}
    assert list(folder.names("rec")) == []


def test_publish_moves(folder: Folder, tmp_path: Path) -> None:
    """A prepared file appears under its name and leaves the staging folder."""
    prepared = folder.staging() / f"{tmp_path.name}.mp4"
    prepared.write_bytes(b"video" * 1000)
    folder.write("videos/a.mp4", b"older")
    folder.publish("videos/a.mp4", prepared)
    assert folder.read("videos/a.mp4") == b"video" * 1000
    assert not prepared.exists()


def test_publish_from_another_filesystem(tmp_path: Path) -> None:
    """A file that cannot be renamed into the folder is copied, whole or not at all, and leaves its place."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second filesystem here")
    prepared = memory / tmp_path.name
    prepared.write_bytes(b"video")
    folder = LocalFolder(tmp_path)
    folder.publish("videos/a.mp4", prepared)
    assert folder.read("videos/a.mp4") == b"video"
    assert not prepared.exists()
    assert list(folder.staging().iterdir()) == []


def test_local_gives_a_path(folder: Folder) -> None:
    """Programs that read paths get one with the file's bytes and suffix."""
    folder.write("videos/a.mp4", b"video")
    with folder.local("videos/a.mp4") as path:
        assert path.read_bytes() == b"video"
        assert path.suffix == ".mp4"


def test_local_gives_a_folder_of_files_too(folder: Folder) -> None:
    """A video may be a folder of frames: all of them are there, under their names."""
    for name in ("videos/a/0.png", "videos/a/1.png", "videos/ab/2.png"):
        folder.write(name, name.encode())
    with folder.local("videos/a") as path:
        assert {file.name: file.read_bytes() for file in path.iterdir()} == {
            "0.png": b"videos/a/0.png",
            "1.png": b"videos/a/1.png",
        }


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_mean_themselves(folder: Folder, name: str) -> None:
    """Blanks, percent signs, '#', '?' and letters beyond ASCII are kept in files, folders and whole URIs."""
    inner = open_folder(f"{folder.uri}/{name}")
    inner.write(name, b"x")
    assert folder.read(f"{name}/{name}") == b"x"
    assert list(folder.names("")) == [f"{name}/{name}"]
    assert read_uri(f"{folder.uri}/{name}/{name}") == b"x"


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "a//b", "a/", "./a", "a\nb", "a\0b"])
def test_names_that_no_storage_could_hold(folder: Folder, name: str) -> None:
    """Both kinds refuse the same names, so that a run on a disk also runs on an object store."""
    with pytest.raises(StoreError):
        folder.write(name, b"x")
    with pytest.raises(StoreError):
        folder.read(name)


def test_folders_survive_pickling(folder: Folder) -> None:
    """A worker in another process opens the same folder."""
    folder.write("a", b"x")
    assert pickle.loads(pickle.dumps(folder)).read("a") == b"x"


def test_missing_bucket_is_refused(s3: str) -> None:
    """A bucket that is not there is the storage's refusal, not a file that is not there yet."""
    with pytest.raises(StoreError, match="cannot write s3://nowhere/a/b"):
        open_folder("s3://nowhere/a").write("b", b"x")
    with pytest.raises(StoreError, match="cannot list s3://nowhere"):
        list(open_folder("s3://nowhere/a").names(""))


@pytest.mark.parametrize("uri", ["foo://x/y", "memory:///x", "https://example.org/x"])
def test_unknown_places(uri: str) -> None:
    """A URI of no storage is refused by naming the ones there are."""
    with pytest.raises(StoreError, match="s3://, gs:// or az://"):
        open_folder(uri)


@pytest.mark.skipif(os.getuid() == 0, reason="root may do everything")
def test_local_refusals_say_what_to_do(tmp_path: Path) -> None:
    """A folder without permission is named, with the remedy, for writing and for listing."""
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0)
    try:
        with pytest.raises(StoreError, match="change its permissions"):
            LocalFolder(locked).write("a", b"x")
        with pytest.raises(StoreError, match="cannot list"):
            list(LocalFolder(tmp_path).names(""))
    finally:
        locked.chmod(0o700)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """Where the target cannot be replaced, the error is a StoreError and no temporary file stays."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(StoreError):
        LocalFolder(tmp_path).write("a", b"x")
    assert list(LocalFolder(tmp_path).names("")) == []
    assert list((tmp_path / ".staging").iterdir()) == []


def test_file_uris_are_local(tmp_path: Path) -> None:
    """``file://`` URIs are paths, with their percent signs decoded as that scheme demands."""
    (tmp_path / "a b").write_bytes(b"x")
    assert read_uri(f"file://{tmp_path}/a%20b") == b"x"
    with pytest.raises(FileNotFoundError):
        read_uri(tmp_path / "nothing")
