"""Superseded samples: finished, and no longer in the plan. Their records and videos are kept.

``videos/`` holds the videos of the plan alone. A video that leaves the plan moves to ``superseded/``, and
moves back when the plan names its sample again. A crash in between leaves some videos to move at the next
run.
"""

import threading
from collections.abc import Iterable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.output.empty_folders import parent, remove_empty_folders
from t2vbatch.output.records import rows_where
from t2vbatch.output.store import Store
from t2vbatch.plan import Plan
from t2vbatch.storage.many import delete_many, map_many

_CURRENT = "videos"
_FOLDER = "superseded"
_WITHOUT_SUFFIX = r"[/~][^./~]*$"
"""Names of folders of frames: a folder is one video."""


def sort_videos(store: Store, plan: Plan, records: pa.Table) -> tuple[int, int]:
    """Move videos so that ``videos/`` holds those of the plan, and return how many came back and how many
    left.

    Args:
        records: with ``sample_id`` and ``video``.
    """
    videos = _videos(records)
    planned = pc.is_in(videos["sample_id"], plan.table["sample_id"])
    superseded = pc.is_in(videos["video"], _current_names(store.folder.names(_FOLDER)))
    back = videos.filter(pc.and_(planned, superseded))["video"].to_pylist()
    out = videos.filter(pc.invert(pc.or_(planned, superseded)))["video"].to_pylist()
    returned = map_many(store.folder, partial(_move, store), [(superseded_name(name), name) for name in back])
    left = map_many(store.folder, partial(_move, store), [(name, superseded_name(name)) for name in out])
    counts = sum(returned), sum(left)
    remove_empty_folders(store, map(parent, [*map(superseded_name, back), *out]))
    return counts


def missing_videos(store: Store, plan: Plan, records: pa.Table, stop: threading.Event) -> list[str]:
    """The finished samples of the plan whose video is no longer in ``videos/``.

    Args:
        records: with ``sample_id`` and ``video``.
        stop: set by another thread to end the search.

    Raises:
        CancelledError: ``stop`` was set.
    """

    def names(folder: str) -> pa.Array:
        if stop.is_set():
            raise CancelledError
        return _names(store.folder.names(folder))

    videos = _videos(records)
    videos = rows_where(videos, pc.is_in(videos["sample_id"], plan.table["sample_id"]))
    folders = _parents(videos["video"]).unique().sort().to_pylist()
    there = pa.chunked_array(map_many(store.folder, names, folders), pa.string())
    if pc.any(pc.match_substring_regex(videos["video"], _WITHOUT_SUFFIX)).as_py():
        there = pa.chunked_array([*there.chunks, _parents(there).unique()])
    lost = pc.invert(pc.is_in(videos["video"], there))
    return list(videos["sample_id"].filter(lost).to_pylist())


def _videos(records: pa.Table) -> pa.Table:
    """``sample_id`` and ``video`` of the records that have a video."""
    return rows_where(records.select(["sample_id", "video"]), pc.is_valid(records["video"]))


def _names(names: Iterable[str]) -> pa.Array:
    return pa.array(list(names), pa.string())


def _parents(names: pa.ChunkedArray) -> pa.ChunkedArray:
    """The folder of each name."""
    return pc.replace_substring_regex(names, "/[^/]*$", "")


def superseded_name(video: str) -> str:
    """Where the video of a superseded sample is."""
    return _FOLDER + video.removeprefix(_CURRENT)


@dataclass(frozen=True)
class Superseded:
    """What ``prune`` would delete.

    Attributes:
        sample_ids: finished samples that the plan does not name.
        reasons: reason: number of samples.
        bytes: the size of their videos.
        orphans: files in ``superseded/`` that no record names.
    """

    sample_ids: pa.Array
    reasons: dict[str, int]
    bytes: int
    orphans: tuple[str, ...] = ()


def find_superseded(store: Store, plan: Plan) -> Superseded:
    """The finished samples that the plan does not name."""
    records = store.records(["sample_id", "row_id", "model", "sample_index", "video", "bytes"])
    others = records.filter(pc.invert(pc.is_in(records["sample_id"], plan.table["sample_id"])))
    names = [superseded_name(name) for name in records["video"].drop_null().to_pylist()]
    known = set(names)
    orphans = [
        name for name in store.folder.names(_FOLDER) if name not in known and parent(name) not in known
    ]
    total = pc.sum(others["bytes"]).as_py() or 0
    sample_ids = others["sample_id"].combine_chunks()
    return Superseded(sample_ids, _reasons(plan, others), total, tuple(sorted(orphans)))


def prune(store: Store, found: Superseded) -> None:
    """Delete the videos and then the records of superseded samples. The caller holds the lease."""
    records = store.records(["sample_id", "video"])
    records = records.filter(pc.is_in(records["sample_id"], found.sample_ids))
    files = list(found.orphans)
    for name in records["video"].drop_null().to_pylist():
        # A crash may have left it under its current name.
        files += [superseded_name(name), name]
    folders = {name for name in files if "." not in name.rpartition("/")[2].rpartition("~")[2]}
    frames = map_many(store.folder, lambda name: list(store.folder.names(name)), sorted(folders))
    names = [name for name in files if name not in folders]
    delete_many(store.folder, [*names, *chain.from_iterable(frames)])
    remove_empty_folders(store, folders | set(map(parent, files)))
    kept = store.records()
    store.rewrite(kept.filter(pc.invert(pc.is_in(kept["sample_id"], found.sample_ids))))


def _current_names(superseded: Iterable[str]) -> pa.Array:
    """Where the videos of these superseded files belong in ``videos/``: a file, or a folder of frames."""
    names = {_CURRENT + name.removeprefix(_FOLDER) for name in superseded}
    return _names(names | set(map(parent, names)))


def _move(store: Store, names: tuple[str, str]) -> bool:
    try:
        store.folder.move(*names)
    except FileNotFoundError:
        return False
    return True


def _reasons(plan: Plan, records: pa.Table) -> dict[str, int]:
    """Reason why the plan does not name these samples: number of samples."""
    rows, models = plan.table["row_id"], plan.table["model"].cast(pa.string())
    has_row, has_model = pc.is_in(records["row_id"], rows), pc.is_in(records["model"], models)
    most = pc.max(plan.table["sample_index"]).as_py() or 0
    is_index = pc.less_equal(records["sample_index"], most)
    masks = {
        "the manifest no longer has their rows": pc.invert(has_row),
        "the job no longer has their models": pc.and_(has_row, pc.invert(has_model)),
        "the job makes fewer samples per row": pc.and_(pc.and_(has_row, has_model), pc.invert(is_index)),
        "another version of the same sample is in the plan": pc.and_(pc.and_(has_row, has_model), is_index),
    }
    counts = {reason: int(pc.sum(mask).as_py() or 0) for reason, mask in masks.items()}
    return {reason: count for reason, count in counts.items() if count}
