"""What is fuzzed: each target reads bytes as one kind of file, and raises only where t2vbatch is at fault.

A target expects a result, or an error of the project's own classes whose message is one that a user can read.
"""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from t2vbatch.analysis.votes import parse_votes
from t2vbatch.commands.status import read_status
from t2vbatch.commands.verify import verify
from t2vbatch.errors import BrokenInputError, EncodeError, StoreError, UsageError
from t2vbatch.exchange.imports import import_manifest
from t2vbatch.exchange.scores import import_scores
from t2vbatch.job import Limits, dump_job, parse_job
from t2vbatch.manifest import check_manifest, read_manifest
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.frame_folder import unpack_frames
from t2vbatch.media.images import decode_animation, decode_image, image_fault
from t2vbatch.media.reading import Reading
from t2vbatch.models.checkpoints.header import local_header
from t2vbatch.output.records import RECORDS, Record
from t2vbatch.output.store import open_store

LIMITS = Limits(
    rows=1000,
    media_pixels=1 << 20,
    media_frames=64,
    media_bytes=1 << 26,
    media_decode_s=20.0,
    decoded_bytes=1 << 26,
)
"""Small limits: a fuzzer tries thousands of files."""

LONGEST_MESSAGE = 20_000


@contextlib.contextmanager
def refused(*kinds: type[Exception]) -> Iterator[None]:
    """Allow these errors, if a user can read their messages: not empty, not too long, without a traceback."""
    text = "no error"
    try:
        yield
    except kinds as error:
        text = str(error)
    assert text.strip(), "an empty message"
    assert len(text) <= LONGEST_MESSAGE, f"a message of {len(text)} characters: {text[:200]}"
    assert "Traceback (most recent" not in text, text


@contextlib.contextmanager
def file_of(name: str, data: bytes) -> Iterator[Path]:
    """A file with this content, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        yield path


def manifest_of(suffix: str) -> Callable[[bytes], None]:
    """The target of a manifest's format."""

    def target(data: bytes) -> None:
        with file_of(f"m.{suffix}", data) as path, refused(UsageError):
            if check_manifest(str(path), limits=LIMITS):
                return
            for row in read_manifest(str(path), limits=LIMITS):
                assert row.row_id

    return target


def job(data: bytes) -> None:
    """A job: a Job that survives writing and reading, or a UsageError."""
    with contextlib.suppress(UnicodeDecodeError), refused(UsageError):
        found = parse_job(data.decode(), "job.yaml")
        again = parse_job(dump_job(found), "job.yaml")
        assert again.model_dump() == found.model_dump()


def image(data: bytes) -> None:
    """An image: pixels, or a BrokenInputError; the check never raises."""
    how = Reading(limits=LIMITS)
    image_fault(data, LIMITS)
    with refused(BrokenInputError):
        assert decode_image(data, how).mode == "RGB"
    with refused(BrokenInputError):
        decode_animation(data, how)


def video(data: bytes) -> None:
    """A video: frames of one shape, or an EncodeError, from a file as from bytes."""
    how = Reading(limits=LIMITS)
    with refused(EncodeError):
        assert decode_file(data, how).frames.ndim == 4
    with file_of("x.mp4", data) as path, refused(EncodeError):
        decode_file(path, how)


def frames(data: bytes) -> None:
    """A tar of frames: files, or none."""
    unpack_frames(data)


def record(data: bytes) -> None:
    """A record: one that survives writing and reading, or a ValueError."""
    with refused(ValueError):
        found = Record.from_json(data)
        assert Record.from_json(found.to_json()) == found


def segment(data: bytes) -> None:
    """Records of an output in Parquet: read by every command, or a StoreError or UsageError that names it."""
    with file_of("records/base-000000000001-1", data) as path:
        store = open_store(str(path.parent.parent))
        with refused(StoreError, UsageError):
            list(store.records().to_pylist())


def plan(data: bytes) -> None:
    """A plan of an output: a Plan, or an error that says to run again."""
    with file_of("plan.parquet", data) as path:
        store = open_store(str(path.parent))
        with refused(StoreError, UsageError):
            len(store.read_plan())
        store.read_hints()
        with refused(StoreError, UsageError):
            list(verify(store))
        with refused(StoreError, UsageError):
            read_status(store)


def state(data: bytes) -> None:
    """status.json and lease.json of an output: a status, or a UsageError without a plan."""
    with file_of("status.json", data) as path:
        path.with_name("lease.json").write_bytes(data)
        store = open_store(str(path.parent))
        with refused(StoreError, UsageError):
            read_status(store)


def votes(data: bytes) -> None:
    """Votes of a report: a list, or a UsageError."""
    with contextlib.suppress(UnicodeDecodeError), refused(UsageError):
        parse_votes(data.decode(), "votes.jsonl")


def scores(data: bytes) -> None:
    """Scores of VBench: a table, or a UsageError."""
    row = {"sample_id": "s", "row_id": "r", "model": "m", "prompt": "p", "sample_index": 0, "scores": "{}"}
    records = pa.Table.from_pylist([row], RECORDS)
    with file_of("vbench.json", data) as path, refused(UsageError):
        import_scores(records, records, path)


def listed(data: bytes) -> None:
    """A prompt list in each format: rows, or a UsageError; nothing is left beside it."""
    for form in ("vbench", "json", "lines", "webdataset"):
        with file_of("list.tar" if form == "webdataset" else "list.json", data) as path, refused(UsageError):
            import_manifest(path, form, path.with_name("target.jsonl"))
            for line in path.with_name("target.jsonl").read_text("utf-8").split("\n"):
                json.loads(line or "{}")


def shard(data: bytes) -> None:
    """A WebDataset shard: rows whose media are below the manifest, or a UsageError."""
    with file_of("shards/a.tar", data) as path, refused(UsageError):
        target = path.with_name("rows.jsonl")
        import_manifest(path, "webdataset", target)
        for line in filter(None, target.read_text("utf-8").split("\n")):
            for column in {"image", "video"} & (row := json.loads(line)).keys():
                assert (target.parent / row[column]).resolve().is_relative_to(target.parent / "rows")


def header(data: bytes) -> None:
    """A safetensors header: tensors, or a UsageError."""
    with file_of("x.safetensors", data) as path, refused(UsageError):
        for tensor in local_header(path).values():
            assert tensor.count >= 0


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    **{f"manifest-{suffix}": manifest_of(suffix) for suffix in ("txt", "csv", "tsv", "jsonl", "parquet")},
    "job": job,
    "image": image,
    "video": video,
    "frames": frames,
    "record": record,
    "segment": segment,
    "plan": plan,
    "state": state,
    "votes": votes,
    "scores": scores,
    "list": listed,
    "shard": shard,
    "header": header,
}
"""Name: target."""
