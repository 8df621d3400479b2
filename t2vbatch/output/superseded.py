"""Superseded samples: finished, and no longer in the plan. Their records and videos are kept.

``videos/`` holds the videos of the plan alone. A video that leaves the plan moves to ``superseded/``, and
moves back when the plan names its sample again. A crash in between leaves some videos to move at the next
run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.output.store import Store
from t2vbatch.plan import Plan
from t2vbatch.storage.many import delete_many, map_many, names_in

_CURRENT = "videos"
_FOLDER = "superseded"


def sort_videos(store: Store, plan: Plan, records: pa.Table) -> tuple[int, int]:
    """Move videos so that ``videos/`` holds those of the plan, and return how many came back and how many
    left.

    Args:
        records: with ``sample_id`` and ``video``.
    """
    with_video = records.filter(pc.is_valid(records["video"]))
    planned = pc.is_in(with_video["sample_id"], plan.table["sample_id"])
    kept = _videos_in(store.folder.names(_FOLDER), with_video["video"].to_pylist())
    current = with_video.filter(planned)["video"].to_pylist()
    others = with_video.filter(pc.invert(planned))["video"].to_pylist()
    back = [name for name in current if superseded_name(name) in kept]
    out = [name for name in others if superseded_name(name) not in kept]
    returned = map_many(store.folder, partial(_move, store), [(superseded_name(name), name) for name in back])
    left = map_many(store.folder, partial(_move, store), [(name, superseded_name(name)) for name in out])
    return sum(returned), sum(left)


def missing_videos(store: Store, plan: Plan, records: pa.Table) -> list[str]:
    """The finished samples of the plan whose video is no longer in ``videos/``.

    Args:
        records: with ``sample_id`` and ``video``.
    """
    with_video = records.filter(pc.is_valid(records["video"]))
    current = with_video.filter(pc.is_in(with_video["sample_id"], plan.table["sample_id"]))
    names = current["video"].to_pylist()
    there = names_in(store.folder, sorted({name.rpartition("/")[0] for name in names}))
    if any("." not in name.rpartition("/")[2].rpartition("~")[2] for name in names):
        there |= {name.rpartition("/")[0] for name in there}  # A folder of frames is one video.
    pairs = zip(current["sample_id"].to_pylist(), names, strict=True)
    return [sample_id for sample_id, name in pairs if name not in there]


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
        name
        for name in store.folder.names(_FOLDER)
        if name not in known and name.rpartition("/")[0] not in known
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
    frames = [frame for name in sorted(folders) for frame in store.folder.names(name)]
    delete_many(store.folder, [*(name for name in files if name not in folders), *frames])
    kept = store.records()
    store.rewrite(kept.filter(pc.invert(pc.is_in(kept["sample_id"], found.sample_ids))))


def _videos_in(names: Iterable[str], videos: list[str]) -> set[str]:
    """The superseded names among ``videos`` for which there are files."""
    there = set(names)
    there |= {name.rpartition("/")[0] for name in there}
    return there & {superseded_name(name) for name in videos}


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
