"""Outputs of many samples for benchmarks: their plans and records are written directly, by no worker."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from t2vbatch.job import Job, Model
from t2vbatch.output.record_log import SEGMENT_ROWS
from t2vbatch.output.records import RECORDS, Record
from t2vbatch.output.store import Store, open_store
from t2vbatch.plan import Plan

_JSON_FIELDS = ("call", "versions", "scores", "score_errors", "scored_by")


def job_of(work: Path, output: str, rows: int, models: int = 1) -> Job:
    """A job of as many fake models."""
    named = {
        f"m{number}": Model(path=f"fake {number}", pipeline="t2vbatch.models.fake:FakeModel")
        for number in range(models)
    }
    manifest = str(write_manifest(work, rows))
    return Job(manifest=manifest, output=output, models=named, metrics={}, engine="inline")


def image_job(work: Path, output: str, rows: int) -> Job:
    """A job of one fake model whose rows have an image file each."""
    folder = work / f"images-{rows}"
    names = [f"{number // 1000}/{number}.png" for number in range(rows)]
    if not (folder / "rows.parquet").exists():
        image = io.BytesIO()
        Image.new("RGB", (64, 64), "red").save(image, "PNG")
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(image.getvalue())
        pq.write_table(pa.table({"id": names, "prompt": names, "image": names}), folder / "rows.parquet")
    job = job_of(work, output, rows)
    return job.model_copy(update={"manifest": str(folder / "rows.parquet")})


def write_manifest(work: Path, rows: int) -> Path:
    """A manifest of this many rows, with ids and prompts."""
    file = work / f"rows-{rows}.parquet"
    if not file.exists():
        numbers = pa.array(range(rows), pa.int64()).cast(pa.string())
        prompts = pc.binary_join_element_wise("a red ball number", numbers, "rolls over a wooden table", " ")
        pq.write_table(
            pa.table({"id": pc.binary_join_element_wise("r", numbers, ""), "prompt": prompts}), file
        )
    return file


def records_of(plan: Plan, count: int) -> pa.Table:
    """Records of the first samples of a plan, as finished workers would have written them."""
    lines = plan.table.slice(0, count)
    now = pa.scalar(0, pa.timestamp("us", tz="UTC"))
    given: dict[str, Any] = {
        **{name: lines[name] for name in ("sample_id", "row_id", "sample_index", "seed", "video")},
        **{name: lines[name].cast(pa.string()) for name in ("model", "call")},
        "prompt": plan.rows["prompt"].take(lines["row"]).cast(pa.string()),
        "video_sha256": lines["sample_id"],
        "frames_sha256": lines["sample_id"],
        **dict.fromkeys(("started_at", "finished_at"), pa.array([now.as_py()] * count, now.type)),
    }
    plain = {"status": "ok", "attempts": 1, "bytes": 1, "fps": 8.0}
    plain |= {"num_frames": 8, "width": 64, "height": 64, "generate_s": 1.0, "duration_s": 1.0}
    plain |= {"versions": "{}", "scores": '{"flicker": 0.5, "motion": 1.5}'}
    plain |= dict.fromkeys(("score_errors", "scored_by"), "{}")
    for field in RECORDS:
        if field.name in plain:
            given[field.name] = pa.array(np.full(count, plain[field.name]))
        elif field.name not in given:
            given[field.name] = pa.nulls(count, field.type)
    return pa.table({name: given[name] for name in RECORDS.names}).cast(RECORDS)


def write_output(plan: Plan, job: Job, done: int, small: int = 0) -> Store:
    """An output that a killed run left: ``done`` finished samples, ``small`` of them not in a segment yet."""
    store = open_store(job.output)
    store.write_job(job)
    store.write_plan(plan)
    records = records_of(plan, done)
    for number, start in enumerate(range(0, done - small, SEGMENT_ROWS), 1):
        rows = records.slice(start, min(SEGMENT_ROWS, done - small - start))
        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd")
        store.folder.write(f"records/segment-{number:012d}-{rows.num_rows}", sink.getvalue())
    write_small(store, records.slice(done - small))
    return store


def write_small(store: Store, records: pa.Table) -> None:
    """One small file for each record, without the waits for the disk of a worker's commits."""
    folder = Path(store.uri) / "records/new"
    folder.mkdir(parents=True, exist_ok=True)
    known = {field.name for field in dataclasses.fields(Record)}
    for batch in records.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            row |= {name: json.loads(row[name]) for name in _JSON_FIELDS}
            row |= {name: row[name].isoformat() for name in ("started_at", "finished_at")}
            data = Record(**{name: value for name, value in row.items() if name in known}).to_json()
            (folder / f"{row['sample_id']}.json").write_bytes(data)


def write_videos(store: Store, plan: Plan, count: int) -> None:
    """An empty file in the place of each of the first videos: a run looks at their names only."""
    names = plan.table["video"].slice(0, count).to_pylist()
    for folder in {name.rpartition("/")[0] for name in names}:
        (Path(store.uri) / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        (Path(store.uri) / name).touch()
