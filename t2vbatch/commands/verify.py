"""Checks every file of an output against its plan and records. It reads every file again."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.commands.verify_problem import VerifyProblem
from t2vbatch.commands.verify_tables import table_problems
from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.media.degenerate import ignored_seeds
from t2vbatch.media.video import decode_audio, digest_file, digest_frames
from t2vbatch.output.store import Store, no_run_here

_CHECKED = ["sample_id", "row_id", "video", "bytes", "video_sha256", "frames_sha256", "num_frames", "height"]
_CHECKED += ["width", "duration_s", "audio_sha256"]
"""Columns of the records that the check of a video reads."""

_AT_ONCE = 4096


def verify(store: Store) -> Iterator[VerifyProblem | None]:
    """Check the tables, then each video of the plan; None stands for a video that equals its record.

    Raises:
        UsageError: no run has begun here.
    """
    try:
        columns = ["sample_id", "row_id", "model", "sample_index", "seed", "video"]
        planned = store.read_table("plan.parquet", columns)
    except FileNotFoundError:
        raise no_run_here(store, "plan.parquet") from None
    every = store.records()
    records = every.filter(pc.is_in(every["sample_id"], planned["sample_id"]))
    yield from table_problems(store, records)
    yield from video_problems(store, records)
    yield from _ignored_seeds(store, planned, records)
    yield from _orphan_files(store, planned, every)


def video_problems(store: Store, records: pa.Table) -> Iterator[VerifyProblem | None]:
    """Check the video of each record that has one; None stands for a video that equals its record."""
    videos = records.select(_CHECKED).filter(pc.is_valid(records["video"]))
    for batch in videos.to_batches(max_chunksize=_AT_ONCE):
        for record in batch.to_pylist():
            problem = _video(store, record)
            yield problem and replace(problem, sample_id=record["sample_id"])


def _video(store: Store, record: dict[str, Any]) -> VerifyProblem | None:
    place = f"{store.uri}/{record['video']}"
    try:
        with store.video(record["video"]) as path:
            sha256, size = digest_file(path)
            if size != record["bytes"]:
                return VerifyProblem(place, f"{size} bytes", f"{record['bytes']} bytes")
            if sha256 != record["video_sha256"]:
                return VerifyProblem(place, f"content {sha256[:16]}…", f"{record['video_sha256'][:16]}…")
            frames = digest_frames(path, (record["num_frames"], record["height"], record["width"], 3))
            most_s = record["duration_s"] or 0.0
            sound = decode_audio(path, most_s).sha256() if record["audio_sha256"] else None
    except FileNotFoundError:
        return VerifyProblem(place, "no such file", f"the video of row {record['row_id']!r}")
    except (EncodeError, StoreError, OSError, ValueError) as error:
        return VerifyProblem(place, f"a file that cannot be read ({error})", _recorded(record))
    if frames != record["frames_sha256"]:
        return VerifyProblem(place, f"frames {frames[:16]}…", f"{record['frames_sha256'][:16]}…")
    if sound != record["audio_sha256"]:
        return VerifyProblem(place, "sound that differs from the record", "the recorded sound")
    return None


def _recorded(record: dict[str, Any]) -> str:
    return f"a video of {record['num_frames']} frames of {record['width']} x {record['height']} pixels"


def _ignored_seeds(store: Store, planned: pa.Table, records: pa.Table) -> Iterator[VerifyProblem]:
    """Rows whose seeds give equal frames."""
    found = pc.index_in(planned["sample_id"], records["sample_id"])
    finished = planned.select(["row_id", "model", "seed", "sample_index"]).filter(pc.is_valid(found))
    finished = finished.set_column(1, "model", finished["model"].cast(pa.string()))
    for name in ("status", "frames_sha256"):
        finished = finished.append_column(name, records[name].take(found.drop_null()))
    for sentence in ignored_seeds(finished):
        yield VerifyProblem(store.uri, sentence, "different frames for different seeds")


def _orphan_files(store: Store, planned: pa.Table, records: pa.Table) -> Iterator[VerifyProblem]:
    """Files among the videos that no record names."""
    known = set(records["video"].drop_null().to_pylist()) | set(planned["video"].to_pylist())
    for name in sorted(store.folder.names("videos")):
        if name not in known and name.rpartition("/")[0] not in known:
            yield VerifyProblem(
                f"{store.uri}/{name}", "a file that no record names", "only recorded files; delete it"
            )
