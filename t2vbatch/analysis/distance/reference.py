"""The reference set: a folder of videos, or the statistics of one that were saved.

A file of statistics is an .npz with ``mean`` (D,), ``covariance`` (D, D), ``n`` vectors, of ``videos``
videos, and ``about``: a JSON object that says what they are of. There are no pickles in it.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from zipfile import BadZipFile

import numpy as np

from t2vbatch.analysis.distance.frechet import Statistics
from t2vbatch.errors import MetricError, StoreError
from t2vbatch.storage.files import local_path, open_folder, read_uri

_VIDEOS = {".mp4", ".webm", ".gif", ".mkv", ".mov", ".m4v", ".avi", ".ts"}
_FRAMES = {".png", ".jpg", ".jpeg"}


@dataclass(frozen=True)
class Reference:
    """Statistics of a reference set.

    Attributes:
        videos: how many the statistics are of.
        about: what decides the features, as ``Question.about`` says it.
    """

    statistics: Statistics
    videos: int
    about: Mapping[str, Any]


def is_saved(uri: str) -> bool:
    """Whether a reference is a file of statistics."""
    return uri.endswith(".npz")


def videos_in(uri: str) -> list[tuple[str, int]]:
    """Name and size in bytes of each video in a folder and below it, in order of names.

    A video is a file, or a folder of pictures; of that the size is how many they are.
    """
    folder = open_folder(uri)
    files: dict[str, int] = {}
    for name in folder.names(""):
        path = PurePosixPath(name)
        if path.suffix.lower() in _VIDEOS:
            files[name] = folder.size(name) or 0
        elif path.suffix.lower() in _FRAMES and len(path.parts) > 1:
            files[str(path.parent)] = files.get(str(path.parent), 0) + 1
    return sorted(files.items())


def save_reference(uri: str, reference: Reference) -> None:
    """Write statistics to a path or URI that ends in .npz. Raises StoreError where that cannot be done."""
    sink = io.BytesIO()
    found = reference.statistics
    about = json.dumps(dict(reference.about))
    np.savez(
        sink, mean=found.mean, covariance=found.covariance, n=found.n, videos=reference.videos, about=about
    )
    path = local_path(uri)
    if path is None:
        parent, _, name = uri.rpartition("/")
        open_folder(parent).write(name, sink.getvalue())
        return
    try:
        path.write_bytes(sink.getvalue())
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def read_reference(uri: str, about: Mapping[str, Any], where: str) -> Reference:
    """Read statistics that ``save_reference`` wrote.

    Args:
        about: what they must be of.
        where: how the user calls them, for errors.

    Raises:
        MetricError: they are not there, are something else, or are of another backbone, or of other frames.
    """
    saved = _read(uri, where)
    if different := [key for key in about if saved.about.get(key) != about[key]]:
        raise MetricError(
            where,
            f"{uri}, whose statistics are of {_words(saved.about, different)}",
            _words(about, different),
            "ask for what they are of, or make new ones of the reference's videos with --save-statistics",
        )
    return saved


def _read(uri: str, where: str) -> Reference:
    expected = "an .npz that t2vbatch distance --save-statistics wrote"
    try:
        with np.load(io.BytesIO(read_uri(uri)), allow_pickle=False) as file:
            statistics = Statistics(int(file["n"]), file["mean"], file["covariance"])
            return Reference(statistics, int(file["videos"]), json.loads(str(file["about"])))
    except FileNotFoundError:
        raise MetricError(where, f"{uri}, which is not there", expected) from None
    except KeyError as error:
        raise MetricError(where, f"{uri}, which has no {error}", expected) from None
    except (ValueError, OSError, EOFError, BadZipFile):
        raise MetricError(where, f"{uri}, which is no .npz of numbers", expected) from None


def _words(about: Mapping[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key} {str(about.get(key))[:16]}" for key in keys)
