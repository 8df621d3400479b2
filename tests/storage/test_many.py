"""Many files by threads."""

import threading
import time
from pathlib import Path

import pytest

from t2vbatch.errors import StoreError
from t2vbatch.storage.files import Folder, LocalFolder, open_folder
from t2vbatch.storage.many import delete_many, map_many
from tests.faults.storage import faulty_s3
from tests.storage.test_files import AWKWARD


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 2047, 2049, 5000])
def test_each_item_is_taken_once_and_in_order(tmp_path: Path, count: int) -> None:
    """However many items there are, the results have their order."""
    for folder in (open_folder(tmp_path), open_folder("s3://bucket/prefix")):
        assert list(map_many(folder, str, range(count))) == [str(item) for item in range(count)]


def test_an_error_of_one_item_reaches_the_caller(tmp_path: Path) -> None:
    """An exception in a thread is the caller's exception."""

    def refuse_the_last(item: int) -> int:
        if item == 499:
            raise StoreError("the last one")
        return item

    with pytest.raises(StoreError, match="the last one"):
        list(map_many(LocalFolder(tmp_path), refuse_the_last, range(500)))


def test_a_storage_that_waits_is_asked_by_threads(tmp_path: Path) -> None:
    """Items of a slow filesystem are taken side by side, and those of a fast one by the caller's thread."""
    threads = set()

    def wait(item: int) -> None:
        time.sleep(0.002)
        threads.add(threading.get_ident())

    list(map_many(LocalFolder(tmp_path), wait, range(100)))
    assert len(threads) > 2
    threads.clear()
    list(map_many(LocalFolder(tmp_path), lambda _: threads.add(threading.get_ident()), range(100)))
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("place", ["disk", "s3"])
@pytest.mark.parametrize("missing", [[], ["missing.json"]])
def test_many_files_are_deleted(
    request: pytest.FixtureRequest, tmp_path: Path, place: str, missing: list[str]
) -> None:
    """All named files are deleted, whatever their names are, and a missing one is not an error."""
    folder: Folder = LocalFolder(tmp_path)
    if place == "s3":
        folder = open_folder(f"{request.getfixturevalue('s3')}/{tmp_path.name}")
    names = [f"{number}.json" for number in range(30)] + [f"deep/{name}" for name in AWKWARD]
    for name in (*names, "kept", "deep/kept"):
        folder.write(name, b"")
    delete_many(folder, [*names[:20], *missing, *names[20:]])
    assert sorted(folder.names("")) == ["deep/kept", "kept"]


def test_a_thousand_deletions_are_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletions on S3 are one request for a thousand files."""
    names = [f"{number}.json" for number in range(1001)]
    with faulty_s3(seed=1) as (proxy, environment):
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        folder = open_folder("s3://bucket/out")
        list(map_many(folder, lambda name: folder.write(name, b""), [*names, "kept"]))
        before = proxy.requests
        delete_many(folder, names)
        assert proxy.requests - before == 2
        assert list(folder.names("")) == ["kept"]
