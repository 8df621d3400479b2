"""Rows x models x indices -> samples: identity, seeds, names.  [pure]

A plan is one Arrow table, a row a sample, so that a million samples stay small; what a worker needs of one
sample is put together when it is handed out. The same manifest, job and models give the same plan, whatever
was made before and whoever will make the rest.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.canonical import NotCanonicalError, canonical, digest
from t2vbatch.errors import ManifestError, ModelError, Problem, RowError
from t2vbatch.job import Job
from t2vbatch.manifest import Manifest, Media, Row
from t2vbatch.media.video import suffix
from t2vbatch.models.calls.check import check_call, expected_frames, frame_count
from t2vbatch.models.protocol import ModelFacts

PLAN = pa.schema(
    [
        ("sample_id", pa.string()),
        ("row_id", pa.string()),
        ("model", pa.dictionary(pa.int32(), pa.string())),
        ("sample_index", pa.int64()),
        ("seed", pa.int64()),
        ("video", pa.string()),
        ("call", pa.dictionary(pa.int32(), pa.string())),
        ("cost", pa.float64()),
        ("row", pa.int64()),
    ]
)
"""``row`` counts the manifest's rows from 0; ``cost`` is frames x pixels x steps; ``call`` is JSON."""

_IDENTITY_VERSION = 1
_BATCH = 8192
_MAX_PROBLEMS = 1000


@dataclass(frozen=True)
class Sample:
    """One video to make, with all that a worker needs to make it and to record it."""

    sample_id: str
    row_id: str
    model: str
    sample_index: int
    seed: int
    video: str
    prompt: str | None
    negative_prompt: str | None
    media: Mapping[str, Media] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """The samples that one pipeline call makes together, by their positions in the plan.

    Attributes:
        cost: frames x pixels x steps of one sample; what units are ordered by, longest first.
    """

    model: str
    positions: tuple[int, ...]
    cost: float


@dataclass(frozen=True)
class Plan:
    """All samples of a job, before anything runs.

    Attributes:
        table: one row a sample, with the schema PLAN, in the order of rows, models, indices.
        shared: model: digest of what all its samples have in common.
        notes: sentences that the user should read: columns that look misspelt, rows that were merged.
    """

    table: pa.Table
    manifest: Manifest
    shared: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def sample(self, position: int) -> Sample:
        """The sample at a position of the table, with the bytes of its media.

        Raises:
            RowError: when an input cannot be read, or is not what it was when it was planned.
        """
        planned = self.planned(position)
        sample = replace(planned, media={name: item.loaded() for name, item in planned.media.items()})
        media = {name: item.sha256() for name, item in sample.media.items()}
        what = _what(self.shared[sample.model], sample.prompt, sample.negative_prompt, media, sample.call)
        if _identity(what, sample.seed) != sample.sample_id:
            raise RowError(f"an input of row {sample.row_id!r} has changed since it was planned; run again")
        return sample

    def planned(self, position: int) -> Sample:
        """The same, with media as the manifest names them: nothing is read."""
        planned = self.table.slice(position, 1).to_pylist()[0]
        row = self.manifest.row(planned["row"])
        return Sample(
            sample_id=planned["sample_id"],
            row_id=planned["row_id"],
            model=planned["model"],
            sample_index=planned["sample_index"],
            seed=planned["seed"],
            video=planned["video"],
            prompt=row.prompt,
            negative_prompt=row.negative_prompt,
            media=row.media,
            call=json.loads(planned["call"]),
        )

    def counts(self) -> dict[str, int]:
        """Planned samples of each model, in the order of the job."""
        counts = pc.value_counts(self.table["model"]).to_pylist()
        return {entry["values"]: entry["counts"] for entry in counts}


def make_plan(manifest: Manifest, job: Job, models: Mapping[str, ModelFacts]) -> Plan:
    """Plan every sample of the job.

    Raises:
        ManifestError: rows that name unknown models, lack what a model needs, or have values without
            canonical form; all of them, not only the first.
        ModelError: a call argument that a model does not take.
    """
    makers = {name: _Maker.of(name, job, facts) for name, facts in models.items()}
    problems: list[Problem] = []
    samples = _samples(manifest, makers, job.samples, problems)
    batches = []
    while batch := list(islice(samples, _BATCH)):
        batches.append(pa.RecordBatch.from_pylist(batch, PLAN))
    if problems:
        raise ManifestError(problems)
    table = pa.Table.from_batches(batches, PLAN).unify_dictionaries()
    shared = {name: maker.shared for name, maker in makers.items()}
    return Plan(table, manifest, shared, (*manifest.notes, *_misspelt(manifest.columns.names, models)))


def derive_seed(job_seed: int, row_id: str, sample_index: int) -> int:
    """The seed of a sample: the same for every model, so that models are compared on equal noise. 63 bits."""
    first = hashlib.sha256(canonical([job_seed, row_id, sample_index])).digest()[:8]
    return int.from_bytes(first, "big") >> 1


def safe_name(name: str) -> str:
    """A file name that every filesystem takes, and that differs wherever ``name`` does.

    Plain names stay as they are. Others keep what is plain of them, and get a digest of the rest: upper case
    (some disks fold it), separators, reserved names, and what is over 80 characters.
    """
    if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    kept = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:60]
    return f"{kept}~{hashlib.sha256(name.encode()).hexdigest()[:12]}".lstrip("~")


# A tilde marks a digest, so no plain name has one; a leading dot hides, a trailing one vanishes on Windows.
_PLAIN = re.compile(r"[a-z0-9_-](?:[a-z0-9_.-]{0,78}[a-z0-9_-])?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True)
class _Maker:
    """What turns rows into samples of one model; the parts that all rows share are digested once."""

    name: str
    job: Job
    facts: ModelFacts
    call: Mapping[str, Any]
    shared: str
    folder: str

    @classmethod
    def of(cls, name: str, job: Job, facts: ModelFacts) -> "_Maker":
        model = job.models[name]
        check_call(name, model.call, facts)
        try:
            canonical(model.call)
        except NotCanonicalError as error:
            raise ModelError(f"models.{name}.call", str(error), "values with a canonical form") from None
        shared = {
            "version": _IDENTITY_VERSION,
            "model": facts.identity,
            "batch": model.batch,
            "fps": float(model.fps or facts.fps),
            "video": job.video.model_dump(),
        }
        if model.retry_degenerate:
            shared["retry_degenerate"] = model.retry_degenerate
        return cls(name, job, facts, {**facts.call, **model.call}, digest(shared), safe_name(name))

    def call_of(self, row: Row) -> dict[str, Any]:
        return {**self.call, **{k: v for k, v in row.columns.items() if k in self.facts.parameters}}

    def cost_of(self, call: Mapping[str, Any]) -> float:
        cost = 1.0
        for argument in ("num_frames", "video_length", "height", "width", "num_inference_steps"):
            value = call.get(argument, self.facts.signature.get(argument))
            if isinstance(value, int | float) and value > 0:
                cost *= value
        return cost

    def lacks(self, row: Row) -> str | None:
        """The column that this model cannot do without and the row has not, if there is one."""
        given = set(row.media) | ({"prompt"} if row.prompt is not None else set())
        missing = sorted(self.facts.requires - given)
        return missing[0] if missing else None


def _samples(
    manifest: Manifest, makers: Mapping[str, _Maker], samples: int, problems: list[Problem]
) -> Iterator[dict[str, Any]]:
    for index, row in enumerate(manifest):
        if len(problems) >= _MAX_PROBLEMS:
            return
        found = _problems(manifest, row, makers)
        if found:
            problems += found
            continue
        media = {name: item.sha256() for name, item in row.media.items()}
        for maker in _makers_of(row, makers):
            yield from _samples_of(index, row, media, maker, samples)


def _samples_of(
    index: int, row: Row, media: Mapping[str, str], maker: _Maker, samples: int
) -> Iterator[dict[str, Any]]:
    call = maker.call_of(row)
    what = _what(maker.shared, row.prompt, row.negative_prompt, media, call)
    common = {
        "row": index,
        "row_id": row.row_id,
        "model": maker.name,
        "call": json.dumps(call, sort_keys=True, ensure_ascii=False),
        "cost": maker.cost_of(call),
    }
    stem = f"videos/{maker.folder}/{safe_name(row.row_id)}"
    for sample_index in range(samples):
        seed = derive_seed(maker.job.seed, row.row_id, sample_index)
        if row.seed is not None:
            seed = row.seed + sample_index
        yield common | {
            "sample_id": _identity(what, seed),
            "sample_index": sample_index,
            "seed": seed,
            "video": f"{stem}-{sample_index}{suffix(maker.job.video)}",
        }


def _what(
    shared: str,
    prompt: str | None,
    negative_prompt: str | None,
    media: Mapping[str, str],
    call: Mapping[str, Any],
) -> str:
    """Digest of all that decides the pixels but the seed."""
    return digest([shared, prompt, negative_prompt, media, call])


def _identity(what: str, seed: int) -> str:
    return digest([what, seed])


def _makers_of(row: Row, makers: Mapping[str, _Maker]) -> Iterable[_Maker]:
    return makers.values() if row.models is None else [makers[name] for name in row.models]


def _problems(manifest: Manifest, row: Row, makers: Mapping[str, _Maker]) -> list[Problem]:
    at = Problem(f"{manifest.source}, row with id {row.row_id!r}", None, None, "", "")
    unknown = [name for name in row.models or () if name not in makers]
    if unknown:
        hint = f"a model of the job: {', '.join(makers)}"
        return [replace(at, column="model", found=repr(name), expected=hint) for name in unknown]
    for maker in _makers_of(row, makers):
        column, call, facts = maker.lacks(row), maker.call_of(row), maker.facts
        if column is not None:
            expected = f"a {column}, which model {maker.name!r} needs; or a model column that leaves it out"
            return [replace(at, column=column, found="nothing", expected=expected)]
        if unusable := sorted(row.media.keys() & facts.lacking.keys()):
            package = facts.lacking[unusable[0]]
            expected = f"{package}, which model {maker.name!r} needs for it: pip install {package}"
            return [replace(at, column=unusable[0], found="a package missing here", expected=expected)]
        count = frame_count(call, facts)
        if count is not None and not facts.frames.allows(count):
            found, expected = f"{count} frames", expected_frames(count, facts)
            return [replace(at, column=facts.frames_argument, found=found, expected=expected)]
        try:
            canonical(call)
        except NotCanonicalError as error:
            return [replace(at, found=str(error), expected="call arguments with a canonical form")]
    return []


def _misspelt(columns: Iterable[str], models: Mapping[str, ModelFacts]) -> Iterator[str]:
    """A sentence for each column that is nearly an argument, but stays an extra column."""
    arguments = frozenset().union(*(facts.parameters for facts in models.values()))
    for column in columns:
        # Stricter than for a key that is surely wrong: most columns are meant as extra columns.
        close = get_close_matches(column, sorted(arguments), n=1, cutoff=0.8)
        if close and column not in arguments:
            yield f"column {column!r} is an extra column, not an argument; did you mean {close[0]!r}?"
