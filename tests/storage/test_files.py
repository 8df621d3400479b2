"""Folders: a local disk and an object store keep the same contract."""

import errno
import fcntl
import os
import pickle
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError

from t2vbatch.errors import StoreError
from t2vbatch.storage import local_folder
from t2vbatch.storage.files import Folder, LocalFolder, open_folder, read_uri
from tests.faults.storage import faulty_s3

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


def test_write_and_read(folder: Folder) -> None:
    """A file has the written bytes and size, and a second write replaces the first."""
    folder.write("a/b.bin", b"first")
    folder.write("a/b.bin", b"second!")
    assert folder.read("a/b.bin") == b"second!"
    assert folder.size("a/b.bin") == 7


def test_create_writes_once(folder: Folder) -> None:
    """``create`` returns whether it wrote the file, and keeps an existing one."""
    assert folder.create("lease", b"mine")
    assert not folder.create("lease", b"yours")
    assert folder.read("lease") == b"mine"


def test_create_has_one_winner(folder: Folder) -> None:
    """Exactly one of many concurrent callers creates the file, and its bytes stay."""
    start = threading.Barrier(8)

    def attempt(number: int) -> bool:
        start.wait()
        return folder.create("lease", b"%d" % number)

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(attempt, range(8)))
    assert won.count(True) == 1
    assert folder.read("lease") == b"%d" % won.index(True)


def test_replace_writes_over_the_version_that_was_read(folder: Folder) -> None:
    """A file that changed since, or is gone, is left alone."""
    folder.write("lease", b"1")
    data, first = folder.read_version("lease")
    second = folder.replace("lease", data + b"2", first)
    assert second is not None
    assert folder.replace("lease", b"late", first) is None
    assert folder.read_version("lease") == (b"12", second)
    folder.delete("lease")
    assert folder.replace("lease", b"late", second) is None


def test_replace_has_one_winner(folder: Folder) -> None:
    """Exactly one of many concurrent callers replaces a version."""
    folder.write("lease", b"0")
    _, version = folder.read_version("lease")
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(lambda number: folder.replace("lease", b"%d" % number, version), range(1, 9)))
    assert won.count(None) == 7


@pytest.mark.parametrize("fault", ["lost", "reset", "refused"])
def test_a_broken_connection_is_repeated(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes, conditional ones included, succeed once each while half of the requests fail; the caller
    learns who won."""
    with faulty_s3(seed=1) as (storage, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        folder = open_folder("s3://bucket/x")
        folder.write("lease", b"begin")
        _, version = folder.read_version("lease")
        setattr(storage, fault, 0.5)
        for number in range(8):
            assert folder.create(f"new{number}", b"mine")
            assert not folder.create(f"new{number}", b"yours")
            replaced = folder.replace("lease", b"%d" % number, version)
            assert replaced is not None
            assert folder.replace("lease", b"late", version) is None
            version = replaced
            folder.move(f"new{number}", f"moved{number}")
        setattr(storage, fault, 0.0)
        assert folder.read("lease") == b"7"
        assert set(folder.names("")) == {"lease", *(f"moved{number}" for number in range(8))}


def test_an_answer_that_breaks_off_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and listings are complete while half of the answers break off in the middle."""
    with faulty_s3(seed=1) as (storage, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        folder = open_folder("s3://bucket/x")
        names = [f"a/{number}" for number in range(8)]
        for name in names:
            folder.write(name, name.encode())
        storage.torn = 0.5
        for _ in range(4):
            assert sorted(folder.names("a")) == sorted(folder.children("a")) == names
            assert [folder.read(name) for name in names] == [name.encode() for name in names]
        assert storage.injected


def test_a_creation_that_conflicts_with_another_request_is_repeated(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 answers 409 to both of two requests for one name: the file does not exist, and no caller lost."""
    put, conflicts = obstore.put, [AlreadyExistsError("409 Conflict")]

    def conflicting(*arguments: Any, **named: Any) -> Any:
        if conflicts:
            raise conflicts.pop()
        return put(*arguments, **named)

    monkeypatch.setattr(obstore, "put", conflicting)
    folder = open_folder(f"{s3}/{tmp_path.name}")
    assert folder.create("record", b"mine")
    assert folder.read("record") == b"mine"


def test_a_missing_name(folder: Folder) -> None:
    """A missing name has no size, raises on reading, and can be deleted."""
    assert folder.size("nothing") is None
    with pytest.raises(FileNotFoundError):
        folder.read("nothing")
    with pytest.raises(FileNotFoundError), folder.local("nothing"):
        pass
    folder.delete("nothing")


def test_a_folder_is_not_a_file(folder: Folder) -> None:
    """A folder has no size, and a file contains no other files."""
    folder.write("a/b", b"x")
    assert folder.size("a") is None
    assert folder.size("a/b/c") is None
    with pytest.raises((FileNotFoundError, StoreError)):
        folder.read("a")
    with pytest.raises(FileNotFoundError):
        folder.read("a/b/c")


def test_delete(folder: Folder) -> None:
    """A deleted file is gone and can be created again."""
    folder.write("a", b"x")
    folder.delete("a")
    assert folder.size("a") is None
    assert folder.create("a", b"y")


def test_a_moved_folder_joins_an_existing_one(folder: Folder) -> None:
    """The files of the moved folder replace those of their names, and the others stay."""
    for name, data in {"a/1": b"new", "a/2": b"new", "b/1": b"old", "b/3": b"old"}.items():
        folder.write(name, data)
    folder.move("a", "b")
    found = {name: folder.read(name) for name in folder.names("")}
    assert found == {"b/1": b"new", "b/2": b"new", "b/3": b"old"}


def test_files_of_file_managers_are_not_listed(folder: Folder) -> None:
    """Hidden files, files in hidden folders and two files of Windows are in no listing."""
    for name in ("a/b", "a/c/d", "a/.DS_Store", "a/._b", "a/.b.Xk29dF", "a/.git/b", "a/Thumbs.db", ".e"):
        folder.write(name, b"")
    folder.write("a/c/desktop.ini", b"")
    assert set(folder.names("")) == set(folder.names("a")) == {"a/b", "a/c/d"}
    assert set(folder.children("a")) == {"a/b", "a/c/"}


def test_the_marker_of_a_folder_is_not_a_file(s3: str) -> None:
    """The empty objects with which the console of a cloud makes folders are in no listing."""
    for name in ("", "a/", "a/b/", "a/b/c"):
        key = f"{os.environ['AWS_ENDPOINT_URL']}/bucket/marked/{name}"
        urllib.request.urlopen(urllib.request.Request(key, b"", method="PUT")).close()
    folder = open_folder(f"{s3}/marked")
    assert set(folder.names("")) == set(folder.names("a")) == {"a/b/c"}
    assert folder.children("a") == ["a/b/"]


def test_names(folder: Folder) -> None:
    """``names`` takes a folder, not a prefix of a name, and leaves out staged files."""
    for name in ("records/a", "records/deep/b", "records2/c", "d"):
        folder.write(name, b"")
    assert set(folder.names("records")) == {"records/a", "records/deep/b"}
    assert set(folder.names("")) == {"records/a", "records/deep/b", "records2/c", "d"}
    assert list(folder.names("rec")) == []
    assert set(folder.children("records")) == {"records/a", "records/deep/"}
    assert folder.children("rec") == []


def test_publish_moves(folder: Folder, tmp_path: Path) -> None:
    """A staged file moves to its name."""
    prepared = folder.staging() / f"{tmp_path.name}.mp4"
    prepared.write_bytes(b"video" * 1000)
    folder.write("videos/a.mp4", b"older")
    folder.publish("videos/a.mp4", prepared)
    assert folder.read("videos/a.mp4") == b"video" * 1000
    assert not prepared.exists()


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty folder on another filesystem."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second filesystem here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_publish_from_another_filesystem(tmp_path: Path, other_disk: Path) -> None:
    """A file on another filesystem is copied, whole or not at all, and then deleted."""
    prepared = other_disk / "a"
    prepared.write_bytes(b"video")
    folder = LocalFolder(tmp_path)
    folder.publish("videos/a.mp4", prepared)
    assert folder.read("videos/a.mp4") == b"video"
    assert not prepared.exists()
    assert [file.name for file in (tmp_path / "videos").iterdir()] == ["a.mp4"]


def test_a_folder_that_is_a_link_to_another_disk(tmp_path: Path, other_disk: Path) -> None:
    """Each way to write works in it: ``videos/`` may be a link to a folder on a larger disk."""
    (tmp_path / "videos").symlink_to(other_disk)
    folder = LocalFolder(tmp_path)
    folder.write("videos/a", b"1")
    assert folder.create("videos/b", b"1")
    assert not folder.create("videos/b", b"2")
    (folder.staging() / "c").write_bytes(b"1")
    folder.publish("videos/c", folder.staging() / "c")
    for name in ("a", "b", "c"):
        assert folder.read(f"videos/{name}") == b"1"
        folder.move(f"videos/{name}", f"old/{name}")
    for number in ("0", "1"):
        folder.write(f"old/frames/{number}.png", b"old")
    folder.write("videos/frames/1.png", b"new")
    folder.write("videos/frames/2.png", b"new")
    folder.move("videos/frames", "old/frames")
    assert [folder.read(f"old/frames/{number}.png") for number in range(3)] == [b"old", b"new", b"new"]
    assert list(other_disk.iterdir()) == []
    folder.move("old/frames", "videos/frames")
    assert sorted(folder.names("videos")) == [f"videos/frames/{number}.png" for number in range(3)]
    assert sorted(file.name for file in (tmp_path / "old").iterdir()) == ["a", "b", "c"]


def test_local_gives_a_path(folder: Folder) -> None:
    """The local path has the file's bytes and extension."""
    folder.write("videos/a.mp4", b"video")
    with folder.local("videos/a.mp4") as path:
        assert path.read_bytes() == b"video"
        assert path.suffix == ".mp4"


def test_local_gives_a_folder_of_files_too(folder: Folder) -> None:
    """A folder of frames is local with all its files and their names."""
    for name in ("videos/a/0.png", "videos/a/1.png", "videos/ab/2.png"):
        folder.write(name, name.encode())
    with folder.local("videos/a") as path:
        assert {file.name: file.read_bytes() for file in path.iterdir()} == {
            "0.png": b"videos/a/0.png",
            "1.png": b"videos/a/1.png",
        }


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_mean_themselves(folder: Folder, name: str) -> None:
    """Spaces, '%', '#', '?' and non-ASCII letters are kept in file names, folder names and URIs."""
    inner = open_folder(f"{folder.uri}/{name}")
    inner.write(name, b"x")
    assert folder.read(f"{name}/{name}") == b"x"
    assert list(folder.names("")) == [f"{name}/{name}"]
    assert read_uri(f"{folder.uri}/{name}/{name}") == b"x"


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "a//b", "a/", "./a", "a\nb", "a\0b"])
def test_invalid_names(folder: Folder, name: str) -> None:
    """Both kinds of folder refuse the same names, so a run on a disk also works on an object store."""
    with pytest.raises(StoreError):
        folder.write(name, b"x")
    with pytest.raises(StoreError):
        folder.read(name)


def test_folders_survive_pickling(folder: Folder) -> None:
    """A worker in another process opens the same folder."""
    folder.write("a", b"x")
    assert pickle.loads(pickle.dumps(folder)).read("a") == b"x"


def test_missing_bucket_is_refused(s3: str) -> None:
    """A missing bucket is a StoreError, not a missing file."""
    with pytest.raises(StoreError, match="cannot write s3://nowhere/a/b"):
        open_folder("s3://nowhere/a").write("b", b"x")
    with pytest.raises(StoreError, match="cannot list s3://nowhere"):
        list(open_folder("s3://nowhere/a").names(""))


@pytest.mark.parametrize("uri", ["foo://x/y", "memory:///x", "https://example.org/x"])
def test_unknown_schemes(uri: str) -> None:
    """The error for an unknown scheme lists the known ones."""
    with pytest.raises(StoreError, match="s3://, gs:// or az://"):
        open_folder(uri)


@pytest.mark.skipif(os.getuid() == 0, reason="root may do everything")
def test_local_refusals_say_what_to_do(tmp_path: Path) -> None:
    """The error for a folder without permission names the folder and the fix, for writing and listing."""
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0)
    try:
        with pytest.raises(StoreError, match="fix the permissions"):
            LocalFolder(locked).write("a", b"x")
        with pytest.raises(StoreError, match="cannot list"):
            list(LocalFolder(tmp_path).names(""))
    finally:
        locked.chmod(0o700)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """A target that cannot be replaced is a StoreError, and no temporary file stays."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(StoreError):
        LocalFolder(tmp_path).write("a", b"x")
    assert list(LocalFolder(tmp_path).names("")) == []
    assert list((tmp_path / ".staging").iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.ENOSYS, errno.EMLINK])
def test_a_filesystem_without_hard_links(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly one of many concurrent callers creates the file there too."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    folder = LocalFolder(tmp_path / "folder")
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(lambda index: folder.create("a/lease", b"%d" % index), range(8)))
    assert won.count(True) == 1
    assert folder.read("a/lease") == b"%d" % won.index(True)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK])
def test_a_filesystem_without_locks(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is still replaced only if it is the version that was read."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    folder = LocalFolder(tmp_path / "folder")
    folder.write("lease", b"1")
    _, version = folder.read_version("lease")
    assert folder.replace("lease", b"2", version)
    assert folder.replace("lease", b"late", version) is None
    assert folder.read("lease") == b"2"


def test_a_file_that_another_machine_replaces_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ESTALE of NFS is not an error of the storage; one that stays is."""
    folder = LocalFolder(tmp_path)
    folder.write("lease", b"1")
    stale = OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    answers: list[OSError | bytes] = [stale, b"2", *[stale] * 9]

    def content(_: str) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(local_folder, "_content", content)
    assert folder.read("lease") == b"2"
    with pytest.raises(StoreError, match="Stale"):
        folder.read("lease")


@pytest.mark.parametrize("act", ["write", "create", "publish", "move"])
def test_new_folders_are_on_the_disk(act: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new folder is in its parent on the disk: else a power cut takes the video of a record away."""
    synced: list[str] = []
    sync = os.fsync

    def watched(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    folder = LocalFolder(tmp_path / "runs/out")
    if act in ("write", "create"):
        getattr(folder, act)("videos/m/a.mp4", b"1")
    elif act == "publish":
        staged = folder.staging() / "a"
        staged.write_bytes(b"1")
        folder.publish("videos/m/a.mp4", staged)
    else:
        folder.write("a.mp4", b"1")
        folder.move("a.mp4", "videos/m/a.mp4")
    changed = [tmp_path, tmp_path / "runs", tmp_path / "runs/out", tmp_path / "runs/out/videos"]
    assert {str(one) for one in [*changed, tmp_path / "runs/out/videos/m"]} <= set(synced)


def test_file_uris_are_local(tmp_path: Path) -> None:
    """``file://`` URIs are paths; their percent-encoding is decoded, as the scheme requires."""
    (tmp_path / "a b").write_bytes(b"x")
    assert read_uri(f"file://{tmp_path}/a%20b") == b"x"
    with pytest.raises(FileNotFoundError):
        read_uri(tmp_path / "nothing")
