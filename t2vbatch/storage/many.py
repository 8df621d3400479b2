"""Many small files at once: each request to an object store or a network file server waits for its answer."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import TypeVar

from t2vbatch.errors import StoreError
from t2vbatch.storage.files import Folder, local_path

_REMOTE_THREADS = 32
_LOCAL_THREADS = 8
_FIRST_PART, _PART = 8, 256
"""Files of a mounted filesystem that are taken before the time of one is looked at: at first, and later."""
_SLOW_S = 0.0005
"""A filesystem that takes longer for most files has threads wait side by side. On a faster one, threads take
twice the CPU time of a loop: each system call passes Python's lock to another thread."""
_AT_ONCE = 4096

T = TypeVar("T")
R = TypeVar("R")


def delete_many(folder: Folder, names: Sequence[str]) -> None:
    """Delete the files; a missing file is not an error.

    Raises:
        StoreError: the storage does not delete one of them. Others may be left too.
    """
    for start in range(0, len(names), _AT_ONCE):
        part = names[start : start + _AT_ONCE]
        try:
            folder.delete_all(part)
        except StoreError:  # One of them is missing, or cannot be deleted: the others can.
            for _ in map_many(folder, folder.delete, part):
                pass


def map_many(folder: Folder, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """``function`` of each item, in order: by threads if each one waits, else one after the other."""
    if local_path(folder.uri) is None:
        yield from _by_threads(_REMOTE_THREADS, function, items)
        return
    taken, size = 0, _FIRST_PART
    while taken < len(items):
        results, median_s = _timed(function, items[taken : taken + size])
        yield from results
        taken, size = taken + size, _PART
        if median_s > _SLOW_S:
            yield from _by_threads(_LOCAL_THREADS, function, items[taken:])
            return


def _timed(function: Callable[[T], R], items: Sequence[T]) -> tuple[list[R], float]:
    """The results, and the median of the seconds that an item took: one that waited long does not count."""
    results, seconds = [], []
    for item in items:
        started_s = time.perf_counter()
        results.append(function(item))
        seconds.append(time.perf_counter() - started_s)
    return results, median(seconds)


def _by_threads(count: int, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    with ThreadPoolExecutor(count) as threads:
        for first in range(0, len(items), _AT_ONCE):
            yield from threads.map(function, items[first : first + _AT_ONCE])
