"""An output as data for a tracker: numbers, a table, a few videos, and the result files."""

import contextlib
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from t2vbatch.analysis.highlights import caption, choose
from t2vbatch.canonical import digest
from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.job import Tracker
from t2vbatch.media.video import play_file, play_name
from t2vbatch.output.records import extra_columns, score_columns
from t2vbatch.output.store import Store, no_run_here
from t2vbatch.output.tables import LARGEST_EXACT
from t2vbatch.storage.files import local_path

SAMPLES = 10_000
"""Most rows of the table, which is W&B's limit; results.parquet always has all rows."""

_log = logging.getLogger(__name__)
_FILES = ("results.parquet", "summary.json", "job.yaml")
_REASONS = ("missing", "failures")
_COLUMNS = ("row_id", "model", "sample_index", "seed", "status", "error_type", "prompt")
# The settings that determine the videos. The other keys of a job may change between two runs of one plan.
_SETTINGS = ("models", "seed", "samples")


@dataclass(frozen=True)
class VideoUpload:
    """One video to upload: a file that browsers play, and its caption."""

    model: str
    path: Path
    caption: str


@dataclass(frozen=True)
class Entry:
    """One output, ready to be sent.

    Attributes:
        id: 32 hexadecimal digits of name, settings and plan: sending an output again updates its entry.
        project, name: the project and the name of the run in the tracker.
        settings: models, seed and samples of the job; references to environment variables stay unresolved.
        numbers: the summary, flat: ``MODEL/clip_score/mean``, ``counts/ok``.
        samples: a table to look at, one row per sample, at most SAMPLES rows. Integers that a browser would
            round, such as seeds, are text.
        videos: the videos to upload; an unreadable one is left out with a warning.
        folder: the results, the summary, the job and the videos as files; deleted after sending.
        home: where a tracker without a server and without settings of its own keeps its files: the folder
            that contains the output, or the working directory for an output on an object store.
    """

    id: str
    project: str
    name: str
    settings: Mapping[str, Any]
    numbers: Mapping[str, float]
    samples: pa.Table
    videos: tuple[VideoUpload, ...]
    folder: Path
    home: Path


@contextlib.contextmanager
def entry_of(store: Store, tracker: Tracker) -> Iterator[Entry]:
    """The output as an entry for this tracker.

    Raises:
        UsageError: no run has finished in the output.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _fetch(store, folder)
        results = store.read_table("results.parquet")
        job = yaml.safe_load((folder / "job.yaml").read_text(encoding="utf-8"))
        settings = {name: job[name] for name in _SETTINGS}
        name = tracker.name or store.name
        planned = store.read_table("plan.parquet", ["sample_id"])["sample_id"].to_pylist()
        yield Entry(
            id=digest([name, settings, planned])[:32],
            project=tracker.project,
            name=name,
            settings=settings,
            numbers=numbers(json.loads((folder / "summary.json").read_bytes())),
            samples=_samples(results),
            videos=tuple(_videos(store, choose(results, tracker.videos), folder)),
            folder=folder,
            home=home.parent if (home := local_path(store.uri)) is not None else Path.cwd(),
        )


def numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    """Every number of a summary under one flat name; counts of reasons and error types are added up."""
    flat = dict(_leaves({name: value for name, value in summary.items() if name != "models"}, ()))
    for model, part in summary["models"].items():
        flat |= _leaves(part, (model,))
    return flat


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    match value:
        case Mapping() if path and path[-1] in _REASONS and all(type(one) is int for one in value.values()):
            yield "/".join(path), sum(value.values())
        case Mapping():
            for name, item in value.items():
                yield from _leaves(item, path if name == "scores" else (*path, name))
        case int() | float() if not isinstance(value, bool):
            yield "/".join(path), value


def _fetch(store: Store, folder: Path) -> None:
    for name in _FILES:
        try:
            (folder / name).write_bytes(store.folder.read(name))
        except FileNotFoundError:
            raise no_run_here(store, name) from None


def _samples(results: pa.Table) -> pa.Table:
    names = [*_COLUMNS, *score_columns(results.schema), *extra_columns(results.schema)]
    table = results.select(names).slice(0, SAMPLES)
    return pa.table({name: _readable(table[name]) for name in names})


def _readable(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """The column as numbers that a browser represents exactly, or as text."""
    kind, values = column.type, column.to_pylist()
    if pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return column
    if pa.types.is_integer(kind) and all(value is None or abs(value) <= LARGEST_EXACT for value in values):
        return column
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _videos(store: Store, chosen: pa.Table, folder: Path) -> Iterator[VideoUpload]:
    scores = score_columns(chosen.schema)
    for row in chosen.to_pylist():
        target = folder / play_name(row["video"])
        try:
            with store.video(row["video"]) as path:
                play_file(path, row["fps"], target)
        except (OSError, EncodeError, StoreError) as error:
            _log.warning("the video %s is left out: %s", row["video"], error)
            continue
        yield VideoUpload(row["model"], target, " \N{MIDDLE DOT} ".join(caption(row, scores)))
