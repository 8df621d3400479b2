"""Rows that cannot be generated, each with its reason.  [pure]

Columns find the rows that may have a problem; only those few are looked at one by one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import Problem
from t2vbatch.manifest import MEDIA, Manifest, Row
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.plan.calls import DistinctCalls

MAX_SEED = 2**63 - 1
"""The largest seed; a generator takes a signed 64-bit integer."""

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


def row_problems(
    manifest: Manifest, facts: Mapping[str, ModelFacts], calls: Mapping[str, DistinctCalls], samples: Counts
) -> Iterator[tuple[int, Problem]]:
    """The first reason why a row cannot be generated, for every row that has one, in the manifest's order.

    Args:
        samples: videos of each row per model, shape (rows,).
    """
    mask = _suspects(manifest, facts, calls, samples)
    mask[list(manifest.bad_rows)] = True
    for position in np.flatnonzero(mask).tolist():
        problem = manifest.bad_rows.get(position)
        problem = problem or _problem(manifest, position, facts, calls, int(samples[position]))
        if problem is not None:
            yield position, problem


def place_of(manifest: Manifest, row: Row) -> Problem:
    """A problem of this row; the caller adds the column and the reason."""
    return Problem(f"{manifest.source}, row with id {row.row_id!r}", None, None, "", "")


def models_of(row: Row, models: Mapping[str, object]) -> Sequence[str]:
    """The models that generate the row; all models for a row that names only unknown ones, which is bad."""
    return [name for name in row.models or () if name in models] or list(models)


def _suspects(
    manifest: Manifest, facts: Mapping[str, ModelFacts], calls: Mapping[str, DistinctCalls], samples: Counts
) -> Mask:
    """Rows that have a problem with some model of the job, whether or not that model generates them."""
    mask = np.zeros(len(manifest), bool)
    if "model" in manifest.table.column_names:
        mask |= _unknown_models(manifest, facts)
    if "seed" in manifest.table.column_names:
        too_large = pc.greater(manifest.table["seed"], pa.array(MAX_SEED - (samples - 1)))
        mask |= pc.fill_null(too_large, False).to_numpy()
    for name, known in facts.items():
        for column in known.requires:
            filled = known.fills.get(column, column)
            same = [one for one in ("prompt", *MEDIA) if known.fills.get(one, one) == filled]
            same += [known.replaced_by[column]] if column in known.replaced_by else []
            mask |= ~np.logical_or.reduce([_given(manifest, one) for one in (column, *same)])
        for column in known.lacking:
            mask |= _given(manifest, column)
        bad = np.array([problem is not None for problem in calls[name].problems], bool)
        mask |= bad[calls[name].of_row]
    return mask


def _unknown_models(manifest: Manifest, facts: Mapping[str, ModelFacts]) -> Mask:
    asked = manifest.table["model"].combine_chunks()
    known = pc.is_in(asked.flatten(), pa.array(list(facts), asked.type.value_type))
    mask = np.zeros(len(manifest), bool)
    mask[pc.list_parent_indices(asked).filter(pc.invert(known)).to_numpy()] = True
    return mask


def _given(manifest: Manifest, column: str) -> Mask:
    """Rows that have a value in this column."""
    if column not in manifest.table.column_names:
        return np.zeros(len(manifest), bool)
    return np.asarray(pc.is_valid(manifest.table[column]).to_numpy())


def _problem(
    manifest: Manifest,
    position: int,
    facts: Mapping[str, ModelFacts],
    calls: Mapping[str, DistinctCalls],
    samples: int,
) -> Problem | None:
    row = manifest.row(position)
    at = place_of(manifest, row)
    if unknown := [name for name in row.models or () if name not in facts]:
        expected = f"a model of the job: {', '.join(facts)}"
        return replace(at, column="model", found=repr(unknown[0]), expected=expected)
    if row.seed is not None and row.seed > MAX_SEED + 1 - samples:
        found = f"{row.seed} for {samples} samples, whose seeds are seed + 0, seed + 1, ..."
        return replace(at, column="seed", found=found, expected=f"at most {MAX_SEED + 1 - samples}")
    for name in models_of(row, facts):
        if problem := _input_problem(at, row, name, facts[name]):
            return problem
        if call := calls[name].problems[calls[name].of_row[position]]:
            return replace(at, column=call.column, found=call.found, expected=call.expected)
    return None


def _input_problem(at: Problem, row: Row, name: str, facts: ModelFacts) -> Problem | None:
    """The input that the model needs and the row lacks, or that the row has and the model cannot take."""
    given = {facts.fills.get(column, column) for column in row.media}
    given |= {"prompt"} if row.prompt is not None else set()
    arrays = row.media.keys() | row.columns.keys()
    missing = sorted(
        one
        for one in facts.requires
        if facts.fills.get(one, one) not in given and facts.replaced_by.get(one) not in arrays
    )
    if missing:
        other = facts.replaced_by.get(missing[0])
        either = f" or {other}" if other else ""
        expected = f"a {missing[0]}{either}, which model {name!r} needs; or a model column that leaves it out"
        return replace(at, column=missing[0], found="nothing", expected=expected)
    if unusable := sorted(row.media.keys() & facts.lacking.keys()):
        found = f"an input that model {name!r} cannot use"
        return replace(at, column=unusable[0], found=found, expected=facts.lacking[unusable[0]])
    return None
