"""Work for threads, several items at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from itertools import chain
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_parts(threads: Executor, function: Callable[[T], R], items: Sequence[T], part: int) -> Iterator[R]:
    """``function`` of each item, in order.

    A thread takes ``part`` items at once: to give it one item takes as much CPU time as to look up a file.
    """
    parts = [items[start : start + part] for start in range(0, len(items), part)]
    return chain.from_iterable(threads.map(lambda some: [function(item) for item in some], parts))
