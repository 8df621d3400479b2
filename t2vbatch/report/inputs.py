"""Small copies of the input images of rows, for the detail view of the page."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from t2vbatch.errors import StoreError, T2VBatchError
from t2vbatch.media.images import decode_image, is_image
from t2vbatch.storage.files import Folder
from t2vbatch.storage.many import delete_many

SIDE = 320
"""Longest side of a small copy in pixels."""

FOLDER = "report/inputs/"
_THREADS = 8  # files of an object store arrive in tens of milliseconds
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InputImage:
    """An input file of a row. ``column`` is the manifest's; ``read`` returns the bytes of the file."""

    column: str
    sha256: str
    read: Callable[[], bytes]


Inputs = Callable[[str], Sequence[InputImage]]
"""The input files of a row, by its row_id."""


def write_inputs(folder: Folder, row_ids: Iterable[str], inputs: Inputs) -> dict[str, list[list[str]]]:
    """Write a small copy of each input image into ``report/inputs/``, and delete copies that no row names.

    A copy that exists is not written again. Files that are not images, and files that cannot be read on this
    machine, have none.

    Returns:
        ``{row_id: [[column, name], ...]}`` of the rows with a copy; names are relative to ``report/``.
    """
    files = {row_id: inputs(row_id) for row_id in row_ids}
    wanted = {_name(file): file for of_row in files.values() for file in of_row}
    existing = set(folder.names(FOLDER.rstrip("/")))
    delete_many(folder, sorted(existing - wanted.keys()))
    missing = sorted(wanted.keys() - existing)
    with ThreadPoolExecutor(_THREADS) as pool:
        made = pool.map(lambda name: _write(folder, name, wanted[name]), missing)
        names = (existing & wanted.keys()) | {name for name, done in zip(missing, made, strict=True) if done}
    found = {row_id: list(_named(of_row, names)) for row_id, of_row in files.items()}
    return {row_id: copies for row_id, copies in found.items() if copies}


def _named(files: Sequence[InputImage], names: set[str]) -> Iterator[list[str]]:
    for file in files:
        if _name(file) in names:
            yield [file.column, _name(file).removeprefix("report/")]


def _name(file: InputImage) -> str:
    return f"{FOLDER}{file.sha256[:20]}.jpg"


def _write(folder: Folder, name: str, file: InputImage) -> bool:
    try:
        data = file.read()
        if not is_image(data[:32]):
            return False
        image = decode_image(data)
    except (OSError, StoreError, T2VBatchError, ValueError) as error:
        _log.info("no copy of an input image (%s): %s", file.column, error)
        return False
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = BytesIO()
    image.save(out, "JPEG", quality=85)
    folder.write(name, out.getvalue())
    return True
