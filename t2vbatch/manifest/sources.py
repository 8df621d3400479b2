"""The files of a manifest, their format, and the folder that relative paths start from.

Owns the difference between a file and a folder, local or remote. ``lines`` and ``parquet`` read the content.
"""

import io
import json
import posixpath
import shlex
import stat
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from t2vbatch.errors import StoreError
from t2vbatch.job import Limits
from t2vbatch.manifest.compressed import SUFFIXES
from t2vbatch.manifest.media import WEB
from t2vbatch.manifest.problems import Problems
from t2vbatch.media.frame_folder import SUFFIXES as PICTURES
from t2vbatch.media.frame_folder import natural
from t2vbatch.storage.files import local_path, open_folder, read_uri
from t2vbatch.storage.object_folder import SCHEMES

FORMATS = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".txt": "text",
}
"""File name extension: format."""

_FIXES = {
    (*SUFFIXES, ".zip", ".xz", ".lz4", ".tar", ".tgz", ".7z"): "unpack it first",
    (".jl", ".jsonlines", ".jsons", ".ldjson"): "name the file .jsonl",
    (".pq", ".parq", ".pqt"): "name the file .parquet",
    (".psv", ".ssv", ".dat"): "if it has semicolons or bars between the cells, name it .csv",
    (".xlsx", ".xls", ".xlsm", ".ods", ".numbers"): "export it as CSV in UTF-8",
    (".tab",): "name the file .tsv",
    (".orc", ".avro", ".pkl", ".pickle", ".npy", ".npz", ".h5", ".db", ".sqlite"): ("write Parquet"),
    (
        "",
        ".md",
        ".list",
        ".lst",
        ".text",
        ".prompts",
    ): "give a file with one prompt per line the extension .txt",
}
"""What to do about files with other extensions."""

EXPECTED = (
    "Parquet (.parquet, or a folder of it), Arrow (.arrow, .feather), CSV (.csv, .tsv), JSON (.json, .jsonl) "
    "or text (.txt)"
)

BINARY = ("parquet", "arrow")
"""The formats that may have several files; the others are text, which may be compressed."""

_STATE = "state.json"
"""The file in which ``datasets.save_to_disk`` lists the Arrow files of its folder."""


@dataclass(frozen=True)
class File:
    """One file, which can be opened repeatedly. ``name`` is its name in its folder."""

    name: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class ManifestFiles:
    """The files of a manifest.

    Attributes:
        base: absolute path or URI of the folder that relative paths in cells start from.
        format: ``parquet``, ``arrow``, ``csv``, ``tsv``, ``jsonl`` or ``text``.
        files: in reading order; only Parquet and Arrow have several.
    """

    base: str
    format: str
    files: tuple[File, ...]


def find_source(text: str, problems: Problems, limits: Limits) -> ManifestFiles:
    """The files at a path or URI. Raises ManifestError if they cannot be read."""
    path = local_path(text)
    try:
        if path is not None:
            return _local(path.absolute(), problems, limits)
        return _remote(text, problems, limits)
    except FileNotFoundError:
        raise problems.stop("no such file or folder", EXPECTED, "check the path") from None
    except (StoreError, OSError, ValueError) as error:
        # A StoreError begins with the address, which the problem names already.
        reason = _reason(error).removeprefix(f"cannot read {text}: ")
        raise problems.stop(f"a file that cannot be read ({reason})", EXPECTED) from None


def _local(path: Path, problems: Problems, limits: Limits) -> ManifestFiles:
    if path.is_dir():
        names = [entry.name for entry in path.iterdir()]
        if _STATE in names:
            names, kind = _saved_names((path / _STATE).read_bytes(), names, problems), "arrow"
        else:
            names, kind = _parquet_names(names, problems, _folder_fix(path, names)), "parquet"
        files, base = [path / name for name in names], path
    else:
        path.stat()  # a missing file is a better message than an unknown extension
        files, base, kind = [path], path.parent, _format(path.name, problems)
    _limit_size(sum(_regular_size(file, problems) for file in files), problems, limits)
    return ManifestFiles(str(base), kind, tuple(_on_disk(file) for file in files))


def _remote(uri: str, problems: Problems, limits: Limits) -> ManifestFiles:
    scheme, name = urlsplit(uri).scheme, _remote_name(uri)
    if scheme not in (*WEB, *SCHEMES):
        raise problems.stop(
            f"a URI with the unknown scheme {scheme[:20]!r}", "a path, s3://, gs://, az://, https://"
        )
    if scheme in WEB:
        kind = _format(name, problems)
        base = uri.partition("?")[0].partition("#")[0].rpartition("/")[0]
        return ManifestFiles(base, kind, (_held(name, read_uri(uri)),))
    if posixpath.splitext(name)[1]:
        parent = uri.rpartition("/")[0]
        return _stored(parent, [name], _format(name, problems), problems, limits)
    folder = open_folder(uri)
    names = [entry for entry in folder.names("") if "/" not in entry]
    if _STATE in names:
        names, kind = _saved_names(folder.read(_STATE), names, problems), "arrow"
    else:
        names, kind = _parquet_names(names, problems), "parquet"
    return _stored(uri.rstrip("/"), names, kind, problems, limits)


def _stored(uri: str, names: list[str], kind: str, problems: Problems, limits: Limits) -> ManifestFiles:
    folder = open_folder(uri)
    _limit_size(sum(folder.size(name) or 0 for name in names), problems, limits)
    return ManifestFiles(uri, kind, tuple(_held(name, folder.read(name)) for name in names))


def _remote_name(uri: str) -> str:
    # In a store's URI '?' and '#' belong to the name; in a URL they end the path.
    path = urlsplit(uri).path if uri.startswith(("http://", "https://")) else uri
    return path.rpartition("/")[2]


def _format(name: str, problems: Problems) -> str:
    suffix = _suffix(name)
    if suffix not in FORMATS:
        fix = next((fix for suffixes, fix in _FIXES.items() if suffix in suffixes), "")
        found = f"a file with the extension {suffix!r}" if suffix else "a file without an extension"
        raise problems.stop(found, EXPECTED, fix)
    return FORMATS[suffix]


def _suffix(name: str) -> str:
    """The extension that names the format: for compressed text the one before ``.gz``."""
    stem, suffix = posixpath.splitext(name.lower())
    inner = posixpath.splitext(stem)[1]
    return inner if suffix in SUFFIXES and FORMATS.get(inner, BINARY[0]) not in BINARY else suffix


def _parquet_names(names: Iterable[str], problems: Problems, fix: str = "") -> list[str]:
    # Names that begin with '.' or '_' are bookkeeping files of writers (_SUCCESS, _metadata).
    parts = [name for name in names if name.lower().endswith(".parquet") and name[0] not in "._"]
    if not parts:
        raise problems.stop("a folder without Parquet files", EXPECTED, fix)
    return sorted(parts, key=natural)


def _saved_names(state: bytes, names: Collection[str], problems: Problems) -> list[str]:
    """The files of a folder of ``datasets.save_to_disk``; others in it are caches."""
    try:
        saved = [str(file["filename"]) for file in json.loads(state)["_data_files"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise problems.stop(f"a {_STATE} that lists no files", "a folder of datasets.save_to_disk") from None
    if missing := [name for name in saved if name not in names]:
        found = f"a folder without {missing[0]!r}, which its {_STATE} lists"
        raise problems.stop(found, "a whole folder of datasets.save_to_disk", "copy the folder again")
    if not saved:
        raise problems.stop("a dataset without files", "at least one row")
    return saved


def _folder_fix(folder: Path, names: Iterable[str]) -> str:
    """What to do about a folder without Parquet files, by what else it has."""
    if any(name.lower().endswith(".arrow") for name in names):
        return "write Parquet: datasets.load_from_disk(FOLDER).to_parquet(FILE)"
    for name in sorted(set(names) - {"dataset_dict.json"}):
        if _suffix(name) in FORMATS:
            return f"name one file of it, such as {folder / name}"
        if any(any((folder / name).glob(pattern)) for pattern in ("*.parquet", _STATE)):
            return f"name the folder {folder / name}"
        if name.lower().endswith(PICTURES):
            # By extension: the shell creates images.csv before ls lists the folder.
            files, manifest = f"*{posixpath.splitext(name)[1]}", shlex.quote(str(folder / "images.csv"))
            listed = f"(echo image; cd {shlex.quote(str(folder))}; ls {files}) > {manifest}"
            return f"write a CSV file with a column image, and name that file: {listed}"
    return ""


def _regular_size(path: Path, problems: Problems) -> int:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise problems.stop("neither a file nor a folder", EXPECTED)
    return found.st_size


def _limit_size(size: int, problems: Problems, limits: Limits) -> None:
    if size > limits.manifest_bytes:
        raise problems.stop(f"{size:,} bytes", limits.bound("manifest_bytes"), "split it into several jobs")


def _on_disk(path: Path) -> File:
    return File(path.name, lambda: path.open("rb"))


def _held(name: str, data: bytes) -> File:
    return File(name, lambda: io.BytesIO(data))


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
