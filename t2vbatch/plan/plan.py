"""Rows x models x indices -> samples: identity, seeds, names.  [pure]

A plan is one Arrow table, a row a sample, so that a million samples stay small; what a worker needs of one
sample is put together when it is handed out. The same manifest, job and models give the same plan, whatever
was made before and whoever will make the rest.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.canonical import NotCanonicalError, canonical, digest
from t2vbatch.errors import InputError, Problem, RowError
from t2vbatch.job import Job
from t2vbatch.manifest import Manifest, Media, Row
from t2vbatch.media.playable import file_notes
from t2vbatch.media.video import suffix
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.plan.bad_rows import BadRows, is_remote
from t2vbatch.plan.makers import MAX_SEED, Maker, makers_of, misspelt, place_of, row_problem, unused
from t2vbatch.plan.names import derive_seed, safe_name

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

_BATCH = 8192


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
        reads: model: the media columns that it reads.
        notes: sentences that the user should read: columns that look misspelt, rows that were merged.
        bad: sample_id: why its row cannot be generated. The run records these samples as failed.
    """

    table: pa.Table
    manifest: Manifest
    shared: Mapping[str, str]
    reads: Mapping[str, frozenset[str]]
    notes: tuple[str, ...] = ()
    bad: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def sample(self, position: int) -> Sample:
        """The sample at a position of the table, with the bytes of its media.

        Raises:
            InputError: an input cannot be read, or differs from the one that was planned.
        """
        planned = self.planned(position)
        return read_inputs(planned, self.shared[planned.model])

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
            media={name: row.media[name] for name in row.media if name in self.reads[planned["model"]]},
            call=json.loads(planned["call"]),
        )

    def counts(self) -> dict[str, int]:
        """Planned samples of each model, in the order of the job."""
        counts = pc.value_counts(self.table["model"]).to_pylist()
        return {entry["values"]: entry["counts"] for entry in counts}


def make_plan(manifest: Manifest, job: Job, models: Mapping[str, ModelFacts]) -> Plan:
    """Plan every sample of the job.

    Raises:
        ManifestError: bad rows, which name unknown models, lack an input that a model needs, or have values
            without canonical form; all of them. With ``on_bad_row: record`` they become ``Plan.bad``.
        ModelError: a call argument that a model does not take.
    """
    makers = {name: Maker.of(name, job, facts) for name, facts in models.items()}
    planner = _Planner(manifest, job, makers)
    samples = planner.samples()
    batches = []
    while batch := list(islice(samples, _BATCH)):
        batches.append(pa.RecordBatch.from_pylist(batch, PLAN))
    planner.bad.raise_if_refused()
    table = pa.Table.from_batches(batches, PLAN).unify_dictionaries()
    shared = {name: maker.shared for name, maker in makers.items()}
    reads = {name: facts.inputs for name, facts in models.items()}
    columns = manifest.table.column_names
    notes = (
        *manifest.notes,
        *planner.bad.notes(),
        *misspelt(manifest.columns.names, models),
        *unused(columns, models),
        *(f"models.{name}: {note}" for name, facts in models.items() for note in facts.notes),
        *(
            f"models.{name}: {note}"
            for name, facts in models.items()
            for note in _file_notes(name, job, facts)
        ),
    )
    return Plan(table, manifest, shared, reads, notes, planner.bad.samples)


def _file_notes(name: str, job: Job, facts: ModelFacts) -> Iterator[str]:
    """Sentences about a model's files that differ from its frames, by the job's call."""
    spec = job.models[name]
    width, height = (
        spec.call.get(side, facts.call.get(side, facts.signature.get(side))) for side in ("width", "height")
    )
    return file_notes(job.video, spec.fps or facts.fps, width, height)


def read_inputs(planned: Sample, shared: str) -> Sample:
    """The sample with the bytes of its media.

    Args:
        shared: digest of what all samples of its model have in common: see Plan.

    Raises:
        InputError: an input cannot be read, or differs from the one that was planned.
    """
    try:
        sample = replace(planned, media={name: item.loaded() for name, item in planned.media.items()})
    except RowError as error:
        raise InputError(str(error)) from error
    media = {name: item.sha256() for name, item in sample.media.items()}
    what = _what(shared, sample.prompt, sample.negative_prompt, media, sample.call)
    if _identity(what, sample.seed) != sample.sample_id:
        raise InputError(f"an input of row {sample.row_id!r} has changed since it was planned; run again")
    return sample


@dataclass(frozen=True)
class _Planner:
    """Turns the rows of a manifest into samples, and collects the bad rows."""

    manifest: Manifest
    job: Job
    makers: Mapping[str, Maker]
    bad: BadRows = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bad", BadRows(self.manifest, self.job.on_bad_row, self.job.limits.problems))

    def samples(self) -> Iterator[dict[str, Any]]:
        """The samples of all rows. Those of bad rows are among them unless bad rows are refused."""
        for index, row in enumerate(self.manifest):
            if self.bad.full:
                return
            problem = self.manifest.bad_rows.get(index)
            problem = problem or row_problem(self.manifest, row, self.makers, self.job)
            media: dict[str, str] = {}
            remote = False
            if problem is None:
                media, problem = self._digests(row)
                remote = problem is not None and is_remote(row.media[problem.column or ""])
            for maker in makers_of(row, self.makers):
                if problem is None:
                    yield from _samples_of(index, row, media, maker)
                else:
                    yield from self._failed(index, row, problem, maker)
            if problem is not None:
                self.bad.add(problem, remote)

    def _digests(self, row: Row) -> tuple[dict[str, str], Problem | None]:
        """The digests of the media that some model reads, or the problem of the first unreadable one."""
        read = frozenset().union(*(maker.facts.inputs for maker in makers_of(row, self.makers)))
        media = {}
        for name, item in row.media.items():
            if name in read:
                try:
                    media[name] = item.sha256()
                except RowError as error:
                    problem = replace(place_of(self.manifest, row), column=name, found=str(error))
                    return {}, replace(problem, expected="a readable file")
        return media, None

    def _failed(self, index: int, row: Row, problem: Problem, maker: Maker) -> Iterator[dict[str, Any]]:
        """The samples of a bad row. Their identity has the problem, so that a mended row is a new sample."""
        call = {name: value for name, value in maker.call_of(row).items() if _is_canonical(value)}
        what = digest(["bad row", maker.shared, row.row_id, problem.column, problem.found])
        if row.seed is not None and row.seed > MAX_SEED - self.job.samples:
            row = replace(row, seed=None)
        for sample in _planned(index, row, call, what, maker):
            self.bad.samples[sample["sample_id"]] = str(problem)
            yield sample


def _is_canonical(value: Any) -> bool:
    try:
        canonical(value)
    except NotCanonicalError:
        return False
    return True


def _samples_of(index: int, row: Row, media: Mapping[str, str], maker: Maker) -> Iterator[dict[str, Any]]:
    call = maker.call_of(row)
    own = {name: sha256 for name, sha256 in media.items() if name in maker.facts.inputs}
    what = _what(maker.shared, row.prompt, row.negative_prompt, own, call)
    yield from _planned(index, row, call, what, maker)


def _planned(
    index: int, row: Row, call: Mapping[str, Any], what: str, maker: Maker
) -> Iterator[dict[str, Any]]:
    common = {
        "row": index,
        "row_id": row.row_id,
        "model": maker.name,
        "call": json.dumps(call, sort_keys=True, ensure_ascii=False),
        "cost": maker.cost_of(call),
    }
    stem = f"videos/{maker.folder}/{safe_name(row.row_id)}"
    for sample_index in range(maker.job.samples):
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
