"""Checks of the media that a manifest names, before anything starts.

A path must be one that the manifest may read, a local file must exist, and an image must be readable. Remote
media are read when their sample is generated.
"""

import errno
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import StoreError
from t2vbatch.job import Limits
from t2vbatch.manifest.columns import IMAGES, MEDIA, Naming
from t2vbatch.manifest.in_parts import map_in_parts
from t2vbatch.manifest.media import Media, is_frame_folder, located, paths_of, refusal
from t2vbatch.manifest.missing import expected_instead
from t2vbatch.manifest.problems import Problems, shown
from t2vbatch.media.cpus import usable_cpus
from t2vbatch.media.images import image_fault
from t2vbatch.storage.files import local_path
from t2vbatch.storage.inputs import local_bytes
from t2vbatch.storage.web import MAX_BYTES

CellProblem = tuple[str, str]
"""What was found in a cell, and what was expected."""

_ALLOWED = (
    "a path inside the manifest's folder, an https:// URL, or a URI that the job's media.allow names "
    "(allow_paths permits other local paths)"
)
_AT_ONCE = 32
_THREADS = min(8, usable_cpus())  # the disk and Pillow's decoders both work outside Python's lock

T = TypeVar("T")


@dataclass(frozen=True)
class Access:
    """What the cells of a manifest may name, and what is known of it.

    Attributes:
        base: the manifest's folder.
        allow: prefixes of URIs that the job allows.
        checked: path of an image that was checked before: the version that its folder reported for it then.
    """

    base: str
    allow_paths: bool
    allow: Sequence[str]
    limits: Limits
    checked: Mapping[str, str]


def verify_media(
    table: pa.Table, access: Access, naming: Naming, reads: Collection[str], problems: Problems
) -> None:
    """Add a problem for every cell whose media cannot be read, and every broken image of an image column.

    Args:
        reads: the columns that are read. In the others only forbidden paths are problems.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        for name in MEDIA:
            if name in table.column_names:
                checks = _Checks(access, name in IMAGES, name in reads)
                cells = table.column(name)
                column = naming.known[name]
                _verify_paths(threads, checks, pc.struct_field(cells, "path"), column, problems)
                if name in IMAGES and name in reads:
                    _verify_bytes(threads, checks, pc.struct_field(cells, "bytes"), column, problems)


@dataclass(frozen=True)
class _Checks:
    """The checks of one column. ``images``: its cells must be images; ``read``: some model reads it."""

    access: Access
    images: bool
    read: bool

    def path(self, cell: str) -> CellProblem | None:
        if len(paths := paths_of(cell)) > 1:
            one = replace(self, images=True)  # a list names images, whatever its column
            return next((problem for path in paths if (problem := one.path(path)) is not None), None)
        base = self.access.base
        reason = refusal(cell, base, self.access.allow_paths, self.access.allow)
        if reason is not None:
            return f"{reason}, {shown(cell)}", _ALLOWED
        uri = located(cell, base)
        path = local_path(uri)
        if path is None or not self.read or self._is_checked(uri):
            return None
        try:
            return self._local(path, cell)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                return f"{shown(cell)}, which does not exist", expected_instead(cell, base)
            return f"{shown(cell)}, which cannot be read ({error.strerror})", "a readable file"
        except (ValueError, StoreError) as error:
            return f"{shown(cell)}, which cannot be read ({error})", "a readable file"

    def _is_checked(self, uri: str) -> bool:
        """Whether this image was checked before and is unchanged, by its size and time."""
        version = self.access.checked.get(uri) if self.images else None
        return version is not None and version == Media("", uri).version()

    def _local(self, path: Path, cell: str) -> CellProblem | None:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            if self.images:
                return f"{shown(cell)}, a folder", "an image file"
            if not is_frame_folder(path):
                return f"{shown(cell)}, a folder without frames", "a folder of images"
            return None
        if not stat.S_ISREG(found.st_mode):
            return f"{shown(cell)}, neither a file nor a folder", "a file"
        if not 0 < found.st_size <= MAX_BYTES:
            return f"{shown(cell)}, a file of {found.st_size:,} bytes", f"1 to {MAX_BYTES:,} bytes"
        if not self.images:
            return None
        within = None if self.access.allow_paths else self.access.base
        return self.image(local_bytes(path, within), f"{shown(cell)}, ")

    def image(self, data: bytes, name: str = "") -> CellProblem | None:
        if not self.images:
            return None
        reason = image_fault(data, self.access.limits)
        return None if reason is None else (f"{name}a broken image: {reason}", "a readable image")


def _verify_paths(
    threads: ThreadPoolExecutor, checks: _Checks, paths: pa.ChunkedArray, column: str, problems: Problems
) -> None:
    distinct = (cell.as_py() for cell in paths.unique() if cell.is_valid)
    by_cell = dict(_with_problem(threads, checks.path, distinct))
    if by_cell:
        named = pc.is_in(paths, pa.array(list(by_cell), paths.type))
        for index in pc.indices_nonzero(named).to_pylist():
            problems.add(index + 1, column, *by_cell[paths[index].as_py()])


def _verify_bytes(
    threads: ThreadPoolExecutor, checks: _Checks, cells: pa.ChunkedArray, column: str, problems: Problems
) -> None:
    held = ((row, cell.as_py()) for row, cell in enumerate(cells, 1) if cell.is_valid)
    for (row, _), problem in _with_problem(threads, lambda cell: checks.image(cell[1]), held):
        problems.add(row, column, *problem)


def _with_problem(
    threads: ThreadPoolExecutor, check: Callable[[T], CellProblem | None], items: Iterable[T]
) -> Iterator[tuple[T, CellProblem]]:
    """The items with a problem, and the problem. Few items are in memory at a time: they may be images."""
    iterator = iter(items)
    while chunk := list(islice(iterator, _AT_ONCE)):
        for item, problem in zip(
            chunk, map_in_parts(threads, check, chunk, _AT_ONCE // _THREADS), strict=True
        ):
            if problem is not None:
                yield item, problem
