"""Checks every file of an output against its record. It reads every file again."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import EncodeError, StoreError, counted
from t2vbatch.media.degenerate import ignored_seeds
from t2vbatch.media.video import decode_audio, digest_file, digest_frames
from t2vbatch.output.records import RESULTS, score_columns
from t2vbatch.output.scored_by import without_outdated
from t2vbatch.output.store import Store, no_run_here


@dataclass(frozen=True)
class VerifyProblem:
    """One difference between the output and its records.

    Attributes:
        sample_id: the sample whose video is missing or damaged; None if the problem is another one.
    """

    place: str
    found: str
    expected: str
    sample_id: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: found {self.found}; expected {self.expected}"


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
    yield from _results(store, planned, records)
    for record in records.filter(pc.is_valid(records["video"])).to_pylist():
        problem = _video(store, record)
        yield problem and replace(problem, sample_id=record["sample_id"])
    yield from _ignored_seeds(store, planned, records)
    yield from _orphan_files(store, planned, every)


def _results(store: Store, planned: pa.Table, records: pa.Table) -> Iterator[VerifyProblem]:
    """The differences between results.parquet and the records."""
    place = f"{store.uri}/results.parquet"
    try:
        results = store.read_table("results.parquet")
    except (FileNotFoundError, StoreError) as error:
        yield VerifyProblem(
            place, f"no readable table ({error})", "a row for each finished sample; run again"
        )
        return
    finished = pc.sum(pc.is_in(planned["sample_id"], records["sample_id"])).as_py() or 0
    if results.num_rows != finished:
        yield VerifyProblem(
            place, counted(results.num_rows, "row"), f"{finished} rows, one for each sample with a record"
        )
        return
    order = pc.index_in(results["sample_id"], records["sample_id"])
    if order.null_count:
        yield VerifyProblem(
            place, f"{counted(order.null_count, 'sample')} without a record", "only samples with a record"
        )
        return
    recorded = without_outdated(records.take(order), store.read_scorers())
    if missing := set(RESULTS.names) - set(results.column_names):
        yield VerifyProblem(place, f"no column {', '.join(sorted(missing))}", "every column; run again")
        return
    for name in set(RESULTS.names) - {"row_id", "model", "sample_index"}:
        # Equal samples share a record, which names the first of them. The values are compared in Python,
        # because in Arrow null does not equal null.
        if results[name].to_pylist() != recorded[name].to_pylist():
            yield VerifyProblem(
                place, f"values in column {name!r} that differ from the records", "equal values; run again"
            )
    yield from _scores(place, results, [json.loads(text) for text in recorded["scores"].to_pylist()])


def _scores(
    place: str, results: pa.Table, recorded: Sequence[Mapping[str, float | None]]
) -> Iterator[VerifyProblem]:
    """The score columns that differ from the recorded scores."""
    columns = dict.fromkeys(score_columns(results.schema))
    columns |= dict.fromkeys(name for scores in recorded for name in scores)
    for name in columns:
        found = results[name].to_pylist() if name in results.column_names else None
        if found != [_number(scores.get(name)) for scores in recorded]:
            yield VerifyProblem(
                place, f"scores {name!r} that differ from the records", "equal scores; run again"
            )


def _number(value: float | None) -> float | None:
    """A score as the table has it: null where it is not a number."""
    return None if value is None or math.isnan(value) else float(value)


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
