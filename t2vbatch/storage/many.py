"""Many small files at once: an object store answers each request in tens of milliseconds."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from t2vbatch.storage.files import Folder, local_path

_REMOTE_THREADS = 32
_AT_ONCE = 4096

T = TypeVar("T")
R = TypeVar("R")


def delete_many(folder: Folder, names: Sequence[str]) -> None:
    """Delete the files; a missing file is not an error."""
    for _ in map_many(folder, folder.delete, names):
        pass


def map_many(folder: Folder, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """``function`` of each item, in order: by threads where the folder is an object store."""
    if local_path(folder.uri) is not None or len(items) < 2:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(_REMOTE_THREADS) as threads:
        for start in range(0, len(items), _AT_ONCE):
            yield from threads.map(function, items[start : start + _AT_ONCE])
