"""Manifest x models x indices -> the plan.  [no torch, no Ray]

Everything is computed by column. Python code runs once for each model and each distinct call, and for the
rows that have a problem.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.canonical import NotCanonicalError, canonical, digest
from t2vbatch.errors import JobError, ModelError, Problem
from t2vbatch.job import Job
from t2vbatch.manifest import Manifest
from t2vbatch.media.video import suffix
from t2vbatch.models.calls.check import check_call
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.plan.bad_rows import BadRows
from t2vbatch.plan.calls import DistinctCalls, distinct_calls, normal_call
from t2vbatch.plan.media import KnownMedia, MediaReader, digests_of, media_columns
from t2vbatch.plan.names import fan_out, safe_name, safe_names, video_names
from t2vbatch.plan.plan import PLAN, Plan, PlannedModel
from t2vbatch.plan.plan_notes import plan_notes
from t2vbatch.plan.problems import MAX_SEED, row_problems
from t2vbatch.plan.sample_ids import VERSION, Digests, as_digests, derive_seeds, row_digests, sample_ids

Positions = npt.NDArray[np.int64]


def make_plan(
    manifest: Manifest,
    job: Job,
    models: Mapping[str, ModelFacts],
    known: KnownMedia = MappingProxyType({}),
    digits: int = 0,
) -> Plan:
    """Plan every sample of the job.

    Args:
        known: digests of media from the previous plan; files that did not change are not read again.
        digits: the least value of ``Plan.fan_out``; a larger plan gets more digits.

    Raises:
        ManifestError: all bad rows: they name unknown models, lack an input that a model needs, or have
            values without a canonical form. With ``on_bad_row: record`` they become ``Plan.bad``.
        ModelError: a call argument that a model does not take.
        JobError: more samples than ``limits.samples``.
    """
    makers = {name: _Maker.of(name, job, facts) for name, facts in models.items()}
    calls = _distinct_calls(manifest, makers, job)
    count = manifest.sample_count(job.samples)
    if count > job.limits.samples:
        raise JobError("samples", f"{count:,} samples in all rows", job.limits.bound("samples"))
    bad = BadRows(manifest, job.on_bad_row, job.limits.problems)
    rows = _rows(manifest, models, calls, job, known, bad)
    pairs = _pairs(manifest, list(makers))
    samples = manifest.samples(job.samples)
    digits = max(digits, fan_out(int(np.bincount(pairs.models, samples[pairs.rows]).max())))
    content = _Content(manifest, rows, bad.problems)
    table = _table(content, job, makers, calls, pairs, digits)
    return Plan(
        table=table,
        rows=rows,
        extra=manifest.extra_table(),
        models={name: maker.planned() for name, maker in makers.items()},
        fan_out=digits,
        manifest=manifest if rows["media"].null_count < len(manifest) else None,
        bad=_bad_samples(table, bad.problems),
        notes=(*manifest.notes, *bad.notes(), *plan_notes(manifest, job, models)),
    )


def check_rows(manifest: Manifest, job: Job, models: Mapping[str, ModelFacts]) -> None:
    """Check the rows as ``make_plan`` does, without their media. Raises ManifestError and ModelError."""
    calls = _distinct_calls(
        manifest, {name: _Maker.of(name, job, facts) for name, facts in models.items()}, job
    )
    bad = BadRows(manifest, job.on_bad_row, job.limits.problems)
    for row, problem in _row_problems(manifest, models, calls, job).items():
        bad.add(row, problem)
    bad.raise_if_refused()


def _distinct_calls(manifest: Manifest, makers: Mapping[str, "_Maker"], job: Job) -> dict[str, DistinctCalls]:
    return {
        name: distinct_calls(manifest, maker.call, maker.facts, job.limits) for name, maker in makers.items()
    }


def _row_problems(
    manifest: Manifest, models: Mapping[str, ModelFacts], calls: Mapping[str, DistinctCalls], job: Job
) -> dict[int, Problem]:
    """The problem of each bad row, media aside; no more than a refusal lists."""
    problems = row_problems(manifest, models, calls, manifest.samples(job.samples))
    return dict(islice(problems, None if job.on_bad_row == "record" else job.limits.problems))


def _rows(
    manifest: Manifest,
    models: Mapping[str, ModelFacts],
    calls: Mapping[str, DistinctCalls],
    job: Job,
    known: KnownMedia,
    bad: BadRows,
) -> pa.Table:
    """What each row gives to its samples; rows that cannot be generated are collected or refused."""
    found = {row: (problem, False) for row, problem in _row_problems(manifest, models, calls, job).items()}
    reader = MediaReader(manifest, models, known, frozenset(found))
    rows = reader.rows()
    for row, (problem, remote) in sorted((found | reader.problems).items()):
        if not bad.full:
            bad.add(row, problem, remote)
    bad.raise_if_refused()
    return rows


def _bad_samples(table: pa.Table, problems: Mapping[int, Problem]) -> dict[str, str]:
    if not problems:
        return {}
    bad = table.select(["sample_id", "row"]).filter(
        pc.is_in(table["row"], pa.array(list(problems), pa.int64()))
    )
    return {
        sample_id: str(problems[row])
        for sample_id, row in zip(bad["sample_id"].to_pylist(), bad["row"].to_pylist(), strict=True)
    }


@dataclass(frozen=True)
class _Maker:
    """One model of the job: what decides the pixels of all its samples."""

    name: str
    facts: ModelFacts
    call: Mapping[str, Any]
    shared: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, job: Job, facts: ModelFacts) -> "_Maker":
        model = job.models[name]
        check_call(name, model.call, facts, job.limits)
        call = normal_call({**facts.call, **model.call}, facts)
        try:
            canonical(call)
        except NotCanonicalError as error:
            raise ModelError(f"models.{name}.call", str(error), "values with a canonical form") from None
        shared: dict[str, Any] = {
            "version": VERSION,
            "model": facts.identity,
            "batch": model.batch_size,
            "fps": float(model.fps or facts.fps),
            "video": job.video.model_dump(),
        }
        if model.retry_degenerate:
            shared["retry_degenerate"] = model.retry_degenerate
        return cls(name, facts, call, shared)

    def planned(self) -> PlannedModel:
        return PlannedModel(self.shared, self.call, self.facts.inputs)


@dataclass(frozen=True)
class _Pairs:
    """Every row with every model that makes it: two arrays of one length, in the order of rows and models."""

    rows: Positions
    models: Positions


def _pairs(manifest: Manifest, names: list[str]) -> _Pairs:
    count = len(manifest)
    if "model" not in manifest.table.column_names:
        rows = np.repeat(np.arange(count), len(names))
        return _Pairs(rows, np.tile(np.arange(len(names)), count))
    asked = manifest.table["model"].combine_chunks()
    is_all = asked.is_null().to_numpy(zero_copy_only=False)
    lengths = asked.value_lengths().fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = np.repeat(np.arange(count), lengths)
    models = _within(lengths)
    codes = pc.index_in(asked.flatten(), pa.array(names, asked.type.value_type)).fill_null(-1)
    models[~is_all[rows]] = codes.to_numpy()
    known = models >= 0
    if known.all():
        return _Pairs(rows, models)
    # A row that names only unknown models is bad, and counts for every model.
    lost = np.setdiff1d(np.arange(count), rows[known])
    rows, models = rows[known], models[known]
    rows = np.concatenate([rows, np.repeat(lost, len(names))])
    models = np.concatenate([models, np.tile(np.arange(len(names)), len(lost))])
    order = np.argsort(rows, kind="stable")
    return _Pairs(rows[order], models[order])


@dataclass(frozen=True)
class _Content:
    """What the rows hold, and which of them cannot be generated."""

    manifest: Manifest
    rows: pa.Table
    bad: Mapping[int, Problem]

    def digests(self, reads: frozenset[str]) -> Digests:
        """The digest of each row's content, as a model that reads these columns sees it.

        The digest of a bad row covers its problem, so that the corrected row becomes another sample.
        """
        digests = row_digests(
            self.rows["prompt"], self.rows["negative_prompt"], digests_of(self.rows, reads)
        ).copy()
        for row, problem in self.bad.items():
            said = ["bad row", self.manifest.row(row).row_id, problem.column, problem.found]
            digests[row] = as_digests([digest(said)])
        return digests


def _table(
    content: _Content,
    job: Job,
    makers: Mapping[str, _Maker],
    calls: Mapping[str, DistinctCalls],
    pairs: _Pairs,
    digits: int,
) -> pa.Table:
    samples = content.manifest.samples(job.samples)
    counts = samples[pairs.rows]
    row, model = np.repeat(pairs.rows, counts), np.repeat(pairs.models, counts)
    index = _within(counts)
    call, texts, costs = _call_columns(list(calls.values()), row, model)
    row_ids = content.manifest.row_ids().cast(pa.string())
    seeds = _seeds(content.manifest, job)[(np.cumsum(samples) - samples)[row] + index]
    shared = as_digests(digest(maker.shared) for maker in makers.values())
    called = as_digests(digest(json.loads(text)) for text in texts)
    read = _read_digests(content, makers, row, model)
    ids = sample_ids(shared[model], called[call], read, seeds).combine_chunks()
    folders = pa.array([safe_name(name) for name in makers]).take(pa.array(model))
    stems = safe_names(row_ids).take(pa.array(row)).combine_chunks()
    columns = {
        "sample_id": ids,
        "row_id": row_ids.take(pa.array(row)),
        "model": pa.DictionaryArray.from_arrays(pa.array(model, pa.int32()), pa.array(list(makers))),
        "sample_index": pa.array(index, pa.int64()),
        "seed": pa.array(seeds),
        "video": video_names(folders, stems, pa.array(index), ids, digits, suffix(job.video)),
        "call": pa.DictionaryArray.from_arrays(pa.array(call, pa.int32()), pa.array(texts, pa.string())),
        "cost": pa.array(costs[call]),
        "row": pa.array(row),
    }
    return pa.table(columns, PLAN)


def _read_digests(
    content: _Content, makers: Mapping[str, _Maker], row: Positions, model: Positions
) -> Digests:
    """Each sample's row, as its model sees it. Models that read the same columns share the digests."""
    columns = media_columns(content.manifest, [maker.facts for maker in makers.values()])
    reads = [maker.facts.inputs & columns for maker in makers.values()]
    if len(set(reads)) == 1:
        return content.digests(reads[0])[row]
    found = np.empty((len(row), 32), np.uint8)
    for seen in set(reads):
        mask = np.isin(model, [number for number, own in enumerate(reads) if own == seen])
        found[mask] = content.digests(seen)[row[mask]]
    return found


def _call_columns(
    calls: list[DistinctCalls], row: Positions, model: Positions
) -> tuple[Positions, list[str], npt.NDArray[np.float64]]:
    """Each sample's call as an index, and the distinct calls as JSON with their costs."""
    texts = dict.fromkeys(text for found in calls for text in found.texts)
    numbers = {text: number for number, text in enumerate(texts)}
    costs = np.zeros(len(texts))
    chosen = np.zeros(len(row), np.int64)
    for number, found in enumerate(calls):
        own = np.array([numbers[text] for text in found.texts], np.int64)
        costs[own] = found.costs
        mask = model == number
        chosen[mask] = own[found.of_row[row[mask]]]
    return chosen, list(texts), costs


def _seeds(manifest: Manifest, job: Job) -> npt.NDArray[np.int64]:
    """The seed of each row and sample index, in this order: the manifest's, or one that is derived."""
    samples = manifest.samples(job.samples)
    derived = derive_seeds(job.seed, manifest.row_ids(), samples)
    if "seed" not in manifest.table.column_names:
        return derived
    column = manifest.table["seed"].combine_chunks()
    given = column.is_valid().to_numpy(zero_copy_only=False)
    first = column.fill_null(0).to_numpy(zero_copy_only=False)
    given &= first <= MAX_SEED - (samples - 1)  # A row with a larger seed is bad.
    own = np.where(given, first, 0)
    return np.where(np.repeat(given, samples), np.repeat(own, samples) + _within(samples), derived)


def _within(counts: Positions) -> Positions:
    """0, 1, ... up to each count, one after another; shape (sum of ``counts``,)."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
