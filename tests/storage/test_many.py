"""Many files by threads."""

from pathlib import Path

import pytest

from t2vbatch.errors import StoreError
from t2vbatch.storage.files import LocalFolder, open_folder
from t2vbatch.storage.many import delete_many, map_many


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


def test_many_files_are_deleted(tmp_path: Path) -> None:
    """All named files are deleted, and a missing one is not an error."""
    folder = LocalFolder(tmp_path)
    names = [f"{number}.json" for number in range(200)]
    for name in names[1:]:
        (tmp_path / name).touch()
    (tmp_path / "kept").touch()
    delete_many(folder, names)
    assert list(folder.names("")) == ["kept"]
