"""Share a report: copy the page with the videos that it shows into a folder or a ZIP file.

The copy opens from ``index.html`` on any machine and from any web server. Its files have the same relative
paths as in the output folder.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import UsageError
from t2vbatch.media.poster import POSTERS, poster_name
from t2vbatch.media.small import write_small
from t2vbatch.output.records import score_columns
from t2vbatch.report.selection import MAX_VIDEOS, select
from t2vbatch.storage.files import Folder
from t2vbatch.storage.many import map_many
from t2vbatch.storage.writable import check_writable

Copies = Literal["full", "small", "none"]

_SMALL = {".mp4", ".webm"}
_PACKED = {".mp4", ".webm", ".gif", ".jpg", ".png"}
_NO_FOLDERS = {".tar", ".gz", ".tgz", ".7z", ".rar", ".html", ".pdf"}
"""Suffixes that ask for a kind of file that is not written; a folder with this name would surprise."""
_START = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>t2vbatch report</title>
<meta http-equiv="refresh" content="0; url=report/index.html">
<p><a href="report/index.html">Open the report</a></p></html>
"""


@dataclass(frozen=True)
class Shared:
    """What was copied: the number of videos, and the names of videos that the output does not have."""

    videos: int
    missing: tuple[str, ...] = ()


class _Target(Protocol):
    def add(self, name: str, data: bytes) -> None:
        """Write a file; ``name`` is relative, with slashes."""


def share_report(
    folder: Folder, results: pa.Table, target: Path, copies: Copies = "full", max_videos: int = MAX_VIDEOS
) -> Shared:
    """Copy the report of an output folder.

    Args:
        results: the results that the report was written from.
        target: a new or empty folder, or a new file whose name ends with ``.zip``.
        copies: ``full``: the video files; ``small``: copies of at most 320 pixels of mp4 and webm files;
            ``none``: posters only.
        max_videos: as for ``write_report``.

    Raises:
        UsageError: the target exists.
        EncodeError: a video cannot be read.
    """
    shown = select(results.filter(pc.is_valid(results["status"])), score_columns(results.schema), max_videos)
    shown = shown.filter(pc.is_valid(shown["video"]))
    with _opened(target) as made:
        made.add("index.html", _START)
        names = _page_files(folder, shown)
        for name, data in zip(names, map_many(folder, folder.read, names), strict=True):
            made.add(name, data + (_without_videos(name) if copies == "none" else b""))
        if copies == "none":
            return Shared(0)
        sounds = [rate is not None for rate in shown["audio_rate_hz"].to_pylist()]
        videos = dict(zip(shown["video"].to_pylist(), sounds, strict=True))
        missing = []
        for video, sound in videos.items():
            try:
                _add_video(made, folder, video, copies == "small", sound)
            except FileNotFoundError:
                missing.append(video)
        return Shared(len(videos) - len(missing), tuple(missing))


def _page_files(folder: Folder, shown: pa.Table) -> list[str]:
    """Names of the page's files; of the posters, which every video has, only those of the shown videos."""
    posters = set(map(poster_name, shown["frames_sha256"].drop_null().to_pylist()))
    names = sorted(folder.names("report"))
    return [name for name in names if name in posters or not name.startswith(f"{POSTERS}/")]


def _without_videos(name: str) -> bytes:
    """The line of data.js that marks a page with posters only."""
    return b'window.REPORT.videos="none";\n' if name == "report/data.js" else b""


def _add_video(target: _Target, folder: Folder, video: str, small: bool, sound: bool) -> None:
    with folder.local(video) as path:
        if path.is_dir():
            for frame in sorted(path.iterdir()):
                target.add(f"{video}/{frame.name}", frame.read_bytes())
        elif small and path.suffix in _SMALL:
            with tempfile.TemporaryDirectory(prefix="t2vbatch-") as place:
                copy = Path(place) / f"video{path.suffix}"
                write_small(path, copy, sound)
                target.add(video, copy.read_bytes())
        else:
            target.add(video, path.read_bytes())


def check_target(target: Path) -> None:
    """Raise UsageError unless the page can be shared to this path."""
    found = ""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        found = "a path that exists"
    elif target.suffix.lower() in _NO_FOLDERS:
        found = f"the name of a {target.suffix} file"
    if found:
        expected = "a new or empty folder, or a new file that ends in .zip"
        raise UsageError(f"--share {target}", found, expected, "choose another name")
    check_writable(f"--share {target}", target.parent)


@contextmanager
def _opened(target: Path) -> Iterator[_Target]:
    """The target, complete or not at all: an error leaves nothing behind."""
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".t2vbatch-", dir=target.parent) as place:
        if target.suffix.lower() == ".zip":
            file = Path(place) / "report.zip"
            with zipfile.ZipFile(file, "w") as archive:
                yield _Zip(archive)
            file.replace(target)
        else:
            root = Path(place) / "report"
            root.mkdir()
            yield _Directory(root)
            if target.exists():
                target.rmdir()
            shutil.move(root, target)


class _Directory:
    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, name: str, data: bytes) -> None:
        path = self._root / _safe(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def add(self, name: str, data: bytes) -> None:
        packed = PurePosixPath(name).suffix in _PACKED
        info = zipfile.ZipInfo(_safe(name))  # a fixed date: the same report gives the same bytes
        info.external_attr = 0o644 << 16
        self._archive.writestr(info, data, zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED)


def _safe(name: str) -> str:
    """The name; a record of another writer must not lead outside the target."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise UsageError(name, "a video outside the output folder", "a relative path without ..")
    return name
