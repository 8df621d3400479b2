"""Small valid inputs of each target, from which a fuzzer starts, and the kept inputs of ``corpus/``."""

import gzip
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pillow_heif
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
from PIL import Image

from t2vbatch.job import VideoFile, parse_job
from t2vbatch.manifest import read_manifest
from t2vbatch.media.video import Video, encode
from t2vbatch.models.fake import FakeModel
from t2vbatch.models.plugins import plugin_facts
from t2vbatch.output.record_table import to_table
from t2vbatch.output.records import RECORDS, Record
from t2vbatch.plan import make_plan
from t2vbatch.plan.stored import dump_plan

CORPUS = Path(__file__).parent / "corpus"

_JOB = b"""manifest: m.csv
output: out
models:
  wan: {path: x, pipeline: "t2vbatch.models.fake:FakeModel", call: {num_frames: 8, a: ${HOME}}}
metrics: [clip_score, {flicker: {}}]
workers: {count: 2, timeout_s: 1.5}
limits: {rows: 10}
"""
_ROWS = '{"id": "a", "prompt": "a cat", "seed": 7, "image": {"bytes": null, "path": "x.png"}, "x": [1]}\n'


@cache
def seeds(target: str) -> tuple[bytes, ...]:
    """The inputs from which this target's fuzzer starts."""
    kept = tuple(path.read_bytes() for path in sorted(CORPUS.glob(f"{target}/*")))
    return (b"", *_made(target), *kept)


def _made(target: str) -> Iterator[bytes]:
    match target:
        case "manifest-txt" | "list":
            yield b"a cat\na dog\n"
            yield json.dumps([{"prompt_en": "a cat", "dimension": ["color"]}]).encode()
        case "manifest-csv" | "manifest-tsv":
            comma = b'id,prompt,seed,image,num_frames\na,"a, cat",7,x.png,16.0\nb,a dog,,,\n'
            yield comma if target.endswith("csv") else comma.replace(b",", b"\t")
            yield comma.decode().encode("utf-16")
        case "manifest-jsonl":
            yield _ROWS.encode() * 2
        case "manifest-parquet":
            yield from map(_parquet, _tables())
        case "job":
            yield _JOB
            yield b"a: &a [1, 2]\nb: *a\n<<: {manifest: 2024-01-01}\n"
        case "image":
            yield from (_image(kind) for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "AVIF"))
            yield _heic()
        case "video":
            yield from (_video(kind) for kind in ("mp4", "webm", "gif"))
        case "frames":
            yield _tar(("0.png", "1.png"))
        case "shard":
            plain = _tar(("a.png", "a.txt", "a.json", "b/c.mp4", "b/c.txt"))
            yield plain
            yield gzip.compress(plain)
            yield _tar(("x" * 200 + ".png", "\u00e9.txt"), tarfile.PAX_FORMAT)
        case "record":
            yield _record().to_json()
        case "segment":
            yield _parquet(to_table([_record()]))
        case "plan":
            yield _plan()
        case "state":
            counts = {"planned": 2, "ok": 1, "degenerate": 0, "failed": 0, "failures": {}}
            status = {"complete": True, "counts": counts, "written_at": "2026-01-01T00:00:00"}
            yield json.dumps(status).encode()
            yield b'{"token": "t", "pid": 1, "machine": "m", "born": "b", "beat": 1, "released": false}'
        case "votes":
            vote = {"row_id": "a", "sample_index": 0, "left": "x", "right": "y", "choice": "left"}
            yield json.dumps(vote).encode()
        case "scores":
            yield json.dumps({"color": [0.5, [{"video_path": "p-0.mp4", "video_results": 0.5}]]}).encode()
        case "header":
            yield safetensors.numpy.save({"w": np.zeros((2, 2), np.float32)})


def _tables() -> Iterator[pa.Table]:
    yield pa.table({"prompt": ["a", "b"], "seed": [1, None], "image": [{"bytes": b"x", "path": None}, None]})
    times = pa.array([1, 2], pa.timestamp("ns"))
    yield pa.table({"text": pa.array(["a", "b"]).dictionary_encode(), "t": times})


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="none")
    return sink.getvalue()


def _image(kind: str) -> bytes:
    sink = io.BytesIO()
    more = [Image.new("RGB", (9, 7), (0, 90, 0))] if kind in ("GIF", "TIFF", "WEBP") else []
    options = {"save_all": True, "append_images": more} if more else {}
    Image.new("RGB", (9, 7), (200, 0, 0)).save(sink, kind, **options)
    return sink.getvalue()


def _heic() -> bytes:
    sink = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), (200, 0, 0))).save(sink)
    return sink.getvalue()


def _video(kind: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        frames = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), np.uint8)
        encode(Video(frames, 8.0), path, VideoFile.model_validate({"format": kind}))
        return path.read_bytes()


def _tar(names: tuple[str, ...], form: int = tarfile.USTAR_FORMAT) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=form) as tar:
        for name in names:
            data = {"png": _image("PNG"), "json": b'{"caption": "a", "seed": 1}'}.get(
                name[-4:].strip("."), b"a cat"
            )
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return sink.getvalue()


def _record() -> Record:
    fields = dict.fromkeys(RECORDS.names)
    fields |= {"sample_id": "s", "row_id": "r", "model": "m", "sample_index": 0, "seed": 1, "status": "ok"}
    fields |= {"attempts": 1, "call": {}, "versions": {}, "score_errors": {}, "scores": {"x": 0.5}}
    fields |= {"scored_by": {}}
    return Record.from_json(json.dumps(fields | {"video": "videos/m/r-0.mp4"}).encode())


def _plan() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.jsonl"
        path.write_text('{"id": "a", "prompt": "a cat", "x": 1}\n{"id": "b", "prompt": "b", "x": 2}\n')
        job = parse_job("manifest: m\noutput: o\nmodels: {fake: {path: x}}\n", "job")
        facts = {"fake": plugin_facts("models.fake", FakeModel, job.models["fake"])}
        return dump_plan(make_plan(read_manifest(str(path)), job, facts))
