"""Many small files at once: an object store answers each request in tens of milliseconds, and on a busy disk
or a network's file server every deletion waits."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from t2vbatch.storage.files import Folder, local_path

_REMOTE_THREADS = 32
_LOCAL_THREADS = 2
"""With eight, a fold takes as long and needs 30% more CPU time, because they wait for one folder's lock."""
_LARGEST_PART = 64
"""Most files that one thread of a mounted filesystem takes at a time."""
_AT_ONCE = 4096

T = TypeVar("T")
R = TypeVar("R")


def delete_many(folder: Folder, names: Sequence[str]) -> None:
    """Delete the files; a missing file is not an error."""
    for _ in map_many(folder, folder.delete, names):
        pass


def map_many(folder: Folder, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """``function`` of each item, in order, by threads."""
    remote = local_path(folder.uri) is None
    count = _REMOTE_THREADS if remote else _LOCAL_THREADS
    size = 1 if remote else min(_LARGEST_PART, len(items) // (4 * count))
    if len(items) < 2 or not size:
        yield from map(function, items)
        return

    def each(start: int) -> list[R]:
        return [function(item) for item in items[start : start + size]]

    with ThreadPoolExecutor(count) as threads:
        starts = range(0, len(items), size)
        for first in range(0, len(starts), _AT_ONCE):
            for results in threads.map(each, starts[first : first + _AT_ONCE]):
                yield from results
