"""The record of a finished sample, and the table of all records.  [pure]

A record is written once, by the worker that finished the sample. ``results.parquet`` has one row per finished
sample of the plan: the fields of ``RESULTS``, one float column per score, the manifest's other columns.
"""

import builtins
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.job.secrets import redacted_value
from t2vbatch.plan import Sample

Status = Literal["ok", "degenerate", "failed"]

RESULTS = pa.schema(
    [
        ("sample_id", pa.string()),
        ("row_id", pa.string()),
        ("model", pa.string()),
        ("sample_index", pa.int64()),
        ("seed", pa.int64()),
        ("status", pa.string()),
        ("error_type", pa.string()),
        ("error", pa.string()),
        ("traceback", pa.string()),
        ("attempts", pa.int64()),
        ("prompt", pa.string()),
        ("negative_prompt", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("prompt_truncated", pa.bool_()),
        ("video", pa.string()),
        ("num_frames", pa.int64()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("fps", pa.float64()),
        ("duration_s", pa.float64()),
        ("bytes", pa.int64()),
        ("video_sha256", pa.string()),
        ("frames_sha256", pa.string()),
        ("call", pa.string()),
        ("load_s", pa.float64()),
        ("generate_s", pa.float64()),
        ("encode_s", pa.float64()),
        ("score_s", pa.float64()),
        ("peak_memory_bytes", pa.int64()),
        ("device", pa.string()),
        ("worker", pa.string()),
        ("node", pa.string()),
        ("versions", pa.string()),
        ("started_at", pa.timestamp("us", tz="UTC")),
        ("finished_at", pa.timestamp("us", tz="UTC")),
        ("score_errors", pa.string()),
        ("retry_reason", pa.string()),
        ("audio_rate_hz", pa.int64()),
        ("audio_channels", pa.int64()),
        ("audio_sha256", pa.string()),
        ("wait_s", pa.float64()),
        ("convert_s", pa.float64()),
        ("verify_s", pa.float64()),
        ("commit_s", pa.float64()),
        ("video_notes", pa.string()),
    ]
)
"""The fixed columns. ``call``, ``versions`` and ``score_errors`` are JSON objects; times are UTC."""

RECORDS = RESULTS.append(pa.field("scores", pa.string())).append(pa.field("scored_by", pa.string()))
"""The columns of many records in one table: those of the results, the scores and their scorers as JSON."""

JSON_FIELDS = ("call", "versions", "score_errors", "scores", "scored_by")
_MESSAGES = ("error", "traceback", "score_errors", "retry_reason")
TIMES = ("started_at", "finished_at")
_PYTHON: Mapping[str, type] = {"string": str, "int64": int, "double": float, "bool": bool}
_KINDS = {column.name: _PYTHON.get(str(column.type), str) for column in RECORDS}
"""The Python type of each column in the JSON of a record; times are text there."""
_FLAT = 100
"""A text with at most so many brackets is nested less deeply than any limit."""


def _finite(text: str) -> float:
    """A number of JSON text. Raises ValueError for infinity and NaN, which JSON does not have."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a finite number")
    return number


# Made once: json.dumps and json.loads would make them at each of a million calls.
_decode = json.JSONDecoder(parse_float=_finite, parse_constant=_finite).decode
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
REQUIRED = {"sample_id", "row_id", "model", "sample_index", "seed", "status", "attempts", *JSON_FIELDS}
WITHDRAWN = "withdrawn"
"""The status of a row that says that its sample has no record."""

_SCORE: Mapping[bytes, bytes] = {b"t2vbatch": b"score"}
"""Marks the field of a score column, in the table and in its Parquet file."""


@dataclass(frozen=True)
class Record:
    """One finished sample.

    Attributes:
        video: path of the file, relative to the output folder; None without a file.
        prompt_tokens: tokens of the prompt by the scorer's tokenizer, special ones included, before any cut.
        prompt_truncated: whether the scorer read only the beginning of the prompt.
        frames_sha256: digest of the decoded frames (see Video.sha256), as a reader of the file gets them.
        peak_memory_bytes: most device memory that the pipeline call used; the process's on a CPU.
        started_at, finished_at: ISO 8601, UTC.
        scores: metric column: value; None for a missing score.
        score_errors: metric column: why it has no value.
        scored_by: metric column: the digest of the metric, its options and weights that computed the score.
        retry_reason: why the first video was degenerate, if this one is the retry in float32 that
            ``retry_degenerate`` asks for; None for all other videos.
        audio_rate_hz, audio_channels: sample rate and channels of the sound in the file; None without sound.
        audio_sha256: digest of that sound (see Audio.sha256), as a reader of the file gets it.
        wait_s: seconds in which the worker's loaded model ran no call before this one; inputs are read then.
            This time and the next two are those of the call, divided by the number of its samples.
        generate_s: seconds of the pipeline's call.
        convert_s: seconds of converting the output of the call into frames.
        encode_s: seconds of writing the file.
        verify_s: seconds of reading the file back and checking it.
        commit_s: seconds of publishing the file with its poster.
        score_s: seconds of scoring the file.
        video_notes: how the frames and the file differ from those that the job asked for, such as another
            number of frames; None if they do not differ.
    """

    sample_id: str
    row_id: str
    model: str
    sample_index: int
    seed: int
    status: Status
    attempts: int
    call: Mapping[str, Any]
    prompt: str | None = None
    negative_prompt: str | None = None
    error_type: str | None = None
    error: str | None = None
    traceback: str | None = None
    prompt_tokens: int | None = None
    prompt_truncated: bool | None = None
    video: str | None = None
    num_frames: int | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    duration_s: float | None = None
    bytes: int | None = None
    video_sha256: str | None = None
    frames_sha256: str | None = None
    load_s: float | None = None
    generate_s: float | None = None
    encode_s: float | None = None
    score_s: float | None = None
    peak_memory_bytes: int | None = None
    device: str | None = None
    worker: str | None = None
    node: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    started_at: str | None = None
    finished_at: str | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    score_errors: Mapping[str, str] = field(default_factory=dict)
    scored_by: Mapping[str, str] = field(default_factory=dict)
    retry_reason: str | None = None
    audio_rate_hz: int | None = None
    audio_channels: int | None = None
    audio_sha256: str | None = None
    wait_s: float | None = None
    convert_s: float | None = None
    verify_s: float | None = None
    commit_s: float | None = None
    video_notes: str | None = None

    @classmethod
    def of(cls, sample: Sample, status: Status, attempts: int) -> "Record":
        """The fields of a record that are known before the sample is generated."""
        return cls(
            sample_id=sample.sample_id,
            row_id=sample.row_id,
            model=sample.model,
            sample_index=sample.sample_index,
            seed=sample.seed,
            status=status,
            attempts=attempts,
            call=sample.call,
            prompt=sample.prompt,
            negative_prompt=sample.negative_prompt,
        )

    def to_json(self) -> builtins.bytes:
        """The record as one JSON object in UTF-8."""
        # Texts of libraries, which may quote a secret of the job. Prompts are the user's own.
        return _encode(
            vars(self) | {name: redacted_value(getattr(self, name)) for name in _MESSAGES}
        ).encode()

    @classmethod
    def from_json(cls, data: builtins.bytes) -> "Record":
        """Read back what ``to_json`` wrote. Raises ValueError for anything else."""
        try:
            text = data.decode()
            record = cls(**_decode(text))
            _check(record)
            if "\\u" in text or text.count("{") + text.count("[") > _FLAT:
                record.to_json()  # Finds lone surrogates, and values too deep to be written.
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a record: {error}") from error
        return record


def _check(record: Record) -> None:
    """Raise unless every field has its type: another program may have changed the file."""
    for name, kind in _KINDS.items():
        value = getattr(record, name)
        if value is None:
            if name in REQUIRED:
                raise ValueError(f"{name} is missing")
        elif name in JSON_FIELDS:
            if not isinstance(value, dict):
                raise ValueError(f"{name} is not a mapping")
        elif name in TIMES:
            datetime.fromisoformat(value).astimezone(UTC)
        elif not _fits(value, kind):
            raise ValueError(f"{name} is {value!r}, which is not {RECORDS.field(name).type}")
    if record.video is not None and not is_video_name(record.video):
        raise ValueError(f"video is {record.video[:80]!r}, which is not below videos/")
    if record.status not in get_args(Status):
        raise ValueError(f"status is {record.status!r}")
    if not are_scores(record.scores):
        raise ValueError("scores holds a value that is not a number")


def check_rows(table: pa.Table) -> None:
    """Check many records as ``Record.from_json`` checks one, in the columns that the table has.

    Args:
        table: with ``status``; a row may be withdrawn, and then most of its columns are null.

    Raises:
        ValueError: a value that no record has.
    """
    if table["status"].null_count:
        raise ValueError("status is missing")
    records = table.filter(pc.not_equal(table["status"], WITHDRAWN))
    # An earlier version may not have had one of the JSON columns.
    for name in REQUIRED.difference(JSON_FIELDS).intersection(table.column_names):
        if records[name].null_count:
            raise ValueError(f"{name} is missing")
    for name in {"status", *JSON_FIELDS}.intersection(table.column_names):
        for value in table[name].unique().drop_null().to_pylist():
            _check_text(name, value)
    if "video" in table.column_names:
        check_videos(table["video"])


def check_videos(names: pa.Array) -> None:
    """Raise ValueError if a name is not below ``videos/``. A null is no name."""
    plain = pc.match_substring_regex(names, r"^videos(/[ -.0-~]+)+$")
    dots = pc.match_substring_regex(names, r"/\.\.?(/|$)")
    # Of a million names, few are left to check one by one.
    for name in names.filter(pc.or_(pc.invert(plain), dots)).to_pylist():
        if not is_video_name(name):
            raise ValueError(f"video is {name[:80]!r}, which is not below videos/")


def _check_text(name: str, value: str) -> None:
    if name == "status" and value not in (*get_args(Status), WITHDRAWN):
        raise ValueError(f"status is {value!r}")
    if name in JSON_FIELDS:
        found = _decode(value)
        if not isinstance(found, dict):
            raise ValueError(f"{name} is not a mapping")
        if name == "scores" and not are_scores(found):
            raise ValueError("scores holds a value that is not a number")


def are_scores(found: Mapping[str, Any]) -> bool:
    """Whether each value is a number that a float column holds, or None."""
    return all(value is None or _fits(value, float) for value in found.values())


def is_video_name(name: str) -> bool:
    """Whether a name is below ``videos/``: any other would make a record name our own tables."""
    parts = name.split("/")
    known = parts[0] == "videos" and len(parts) > 1 and not {"", ".", ".."} & set(parts)
    return known and name.isprintable()


def _fits(value: Any, kind: type) -> bool:
    """Whether Arrow takes the value for a column of this type, without guessing."""
    if type(value) is int:
        most = sys.float_info.max if kind is float else 2**63 - 1
        return kind in {int, float} and -most - 1 <= value <= most
    return type(value) is kind


def rows_where(table: pa.Table, mask: pa.ChunkedArray) -> pa.Table:
    """The rows for which the mask is true; the table itself, without a copy, if these are all rows."""
    return table if pc.all(mask, skip_nulls=False).as_py() else table.filter(mask)


def count_values(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs, in order of first occurrence; nulls are left out."""
    found = column.value_counts().to_pylist()
    return {one["values"]: one["counts"] for one in found if one["values"] is not None}


def results_schema(scores: Sequence[str], extra: pa.Schema) -> pa.Schema:
    """The schema of a results table with these score columns and these other columns of the manifest."""
    scored = [pa.field(name, pa.float64(), metadata=_SCORE) for name in scores]
    return pa.schema([*RESULTS, *scored, *extra])


def score_columns(schema: pa.Schema) -> list[str]:
    """The score columns of a results table: they are marked, because extra columns may be numbers too."""
    return [field.name for field in schema if (field.metadata or {}).items() >= _SCORE.items()]


def extra_columns(schema: pa.Schema) -> list[str]:
    """The manifest's own columns in a results table that can be shown: bytes and nested values cannot."""
    scores = score_columns(schema)
    return [
        field.name for field in schema if field.name not in {*RESULTS.names, *scores} and _plain(field.type)
    ]


def _plain(kind: pa.DataType) -> bool:
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    return not pa.types.is_nested(kind) and not binary
