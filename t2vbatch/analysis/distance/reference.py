"""The reference set of a distance: a folder of videos, or its saved statistics.

A file of statistics is an .npz with ``mean`` (D,), ``covariance`` (D, D), the numbers ``n`` of vectors and
``videos`` of videos, and ``about``: a JSON object that describes the features. It contains no pickle.
"""

import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from zipfile import BadZipFile

import numpy as np

from t2vbatch.analysis.distance.frechet import Statistics
from t2vbatch.errors import MetricError, StoreError
from t2vbatch.media.frame_folder import SUFFIXES
from t2vbatch.media.suffixes import VIDEO_SUFFIXES
from t2vbatch.storage.files import local_path, open_folder, read_uri
from t2vbatch.storage.many import map_many

_VIDEOS = {*VIDEO_SUFFIXES, ".gif"}
_OF_A_SYSTEM = "__MACOSX"
"""The folder of attributes that macOS adds to ZIP files."""


@dataclass(frozen=True)
class Reference:
    """Statistics of a reference set.

    Attributes:
        videos: number of videos in the set.
        about: what determines the features, as in ``DistanceSpec.about``.
    """

    statistics: Statistics
    videos: int
    about: Mapping[str, Any]


def is_saved(uri: str) -> bool:
    """Whether the URI of a reference names a file of statistics."""
    return uri.endswith(".npz")


def videos_in(uri: str) -> list[tuple[str, int]]:
    """Name and size of each video in a folder and its subfolders, sorted by name.

    A video is a video file, whose size is in bytes, or a folder of images, whose size is their number. Hidden
    files and folders are left out.
    """
    folder = open_folder(uri)
    videos, frames = list[str](), Counter[str]()
    for name in folder.names(""):
        path = PurePosixPath(name)
        if _OF_A_SYSTEM in path.parts:
            continue
        if path.suffix.lower() in _VIDEOS:
            videos.append(name)
        elif path.suffix.lower() in SUFFIXES and len(path.parts) > 1:
            frames[str(path.parent)] += 1
    sizes = [size or 0 for size in map_many(folder, folder.size, videos)]
    return sorted([*zip(videos, sizes, strict=True), *frames.items()])


def save_reference(uri: str, reference: Reference) -> None:
    """Write statistics to a path or URI that ends in .npz. Raises StoreError if writing fails."""
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
        about: what the statistics must describe.
        where: the user's name of the reference, for errors.

    Raises:
        MetricError: the file is missing, or is not a file of statistics, or is of another backbone or of
            other frames.
    """
    saved = _read(uri, where)
    if different := [key for key in about if saved.about.get(key) != about[key]]:
        raise MetricError(
            where,
            f"{uri}, whose statistics have {_words(saved.about, different)}",
            _words(about, different),
            "use the settings of the file, or make a new file with --save-statistics",
        )
    return saved


def _read(uri: str, where: str) -> Reference:
    expected = "an .npz file written by t2vbatch distance --save-statistics"
    try:
        with np.load(io.BytesIO(read_uri(uri)), allow_pickle=False) as file:
            statistics = Statistics(int(file["n"]), file["mean"], file["covariance"])
            return Reference(statistics, int(file["videos"]), json.loads(str(file["about"])))
    except FileNotFoundError:
        raise MetricError(where, f"{uri}, which does not exist", expected) from None
    except KeyError:
        raise MetricError(where, f"{uri}, which lacks arrays of a statistics file", expected) from None
    except (ValueError, OSError, EOFError, BadZipFile):
        raise MetricError(where, f"{uri}, which is not an .npz file of numbers", expected) from None


def _words(about: Mapping[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key} {str(about.get(key))[:16]}" for key in keys)
