"""A folder of frames as one value: which files it is, in what order, and their one byte form.  [pure]

The byte form is an uncompressed tar (ustar) of the image files that lie directly in the folder, in natural
order of their names (``2.png`` before ``10.png``), as members ``00000000.png``, ``00000001.png``, ... with
mode 0644 and every time, owner and group zero. Equal frames give equal bytes, whatever the folder, the
machine or the names were. Hidden files and files that are no images (``.DS_Store``, ``Thumbs.db``) do not
count.
"""

import io
import re
import tarfile
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

SUFFIXES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Endings of the files that count as frames."""

_DIGITS = re.compile(r"([0-9]+)")


def frame_names(names: Iterable[str]) -> list[str]:
    """The names of frames among the names of a folder's files, in the order of the frames."""
    chosen = [name for name in names if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
    return sorted(chosen, key=_natural)


def pack_frames(names: Iterable[str], read: Callable[[str], bytes]) -> bytes:
    """The byte form of the frames that stand under ``names``, in that order."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for index, name in enumerate(names):
            data = read(name)
            member = tarfile.TarInfo(f"{index:08}{PurePosixPath(name).suffix.lower()}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def unpack_frames(data: bytes) -> tuple[bytes, ...] | None:
    """The image files of a folder of frames, in order; None where ``data`` is no such byte form.

    Only what lies in ``data`` is given: a member that would be longer than that (a sparse one) is none.
    """
    if data[257:262] != b"ustar":
        return None
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            members = [member for member in tar if member.isreg() and not member.issparse()]
            files = [tar.extractfile(member) for member in members]
            return tuple(file.read() for file in files if file is not None)
    except tarfile.TarError:
        return None


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    parts = _DIGITS.split(name)
    # Digits stand at the odd places; the name itself decides between 1.png and 01.png.
    return [(int(part), "") if index % 2 else (0, part) for index, part in enumerate(parts)], name
