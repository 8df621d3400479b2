"""A folder of frames as bytes: its files, their order, and the tar that holds them.  [pure]

The bytes are an uncompressed tar (ustar) of the image files directly in the folder, in natural order of
their names (``2.png`` before ``10.png``). The members are named ``00000000.png``, ``00000001.png``, ...;
their mode is 0644, and time, owner and group are zero. Equal frames therefore give equal bytes, whatever the
folder, the machine or the file names. Hidden and other files (``.DS_Store``, ``Thumbs.db``) are left out.
"""

import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, cast

SUFFIXES = (".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""File extensions of frames."""

_DIGITS = re.compile(r"([0-9]+)")


def frame_names(names: Iterable[str]) -> list[str]:
    """The frames among a folder's file names, in natural order."""
    chosen = [name for name in names if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
    return sorted(chosen, key=natural)


def pack_frames(names: Iterable[str], read: Callable[[str], bytes]) -> bytes:
    """The tar of the frames ``names``, in that order."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for index, name in enumerate(names):
            data = read(name)
            member = tarfile.TarInfo(f"{index:08}{PurePosixPath(name).suffix.lower()}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def unpack_frames(data: bytes) -> tuple[bytes, ...] | None:
    """The image files of a folder of frames, in order; None when ``data`` is not such a tar.

    Sparse members are left out: they can expand to more bytes than ``data`` has.
    """
    if data[257:262] != b"ustar":
        return None
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            usable = (member for member in tar_members(tar) if member.isreg() and not member.issparse())
            files = (tar.extractfile(member) for member in usable)
            return tuple(file.read() for file in files if file is not None)
    except tarfile.TarError:
        return None


def tar_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members of a tar in order; each one can be read until the next one is taken.

    Raises:
        tarfile.TarError: the tar is damaged. A negative size would lead back to an earlier member.
    """
    last = -1
    while (member := tar.next()) is not None:
        if member.size < 0 or member.offset <= last:
            raise tarfile.ReadError("a member of a negative size")
        last = member.offset
        yield member
        # TarFile keeps all of them, which takes more memory than an empty file does.
        cast(Any, tar).members.clear()


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """The key of the natural order of names: ``2.png`` before ``10.png``."""
    parts = _DIGITS.split(name)
    # Odd parts are digits. The name itself is the second key, for 1.png beside 01.png.
    return [(int(part), "") if index % 2 else (0, part) for index, part in enumerate(parts)], name
