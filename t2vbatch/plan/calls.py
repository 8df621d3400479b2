"""The distinct calls of a model: what the job and the row set, once for all equal rows.  [pure]"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from t2vbatch.canonical import NotCanonicalError, canonical, whole
from t2vbatch.job import Limits
from t2vbatch.manifest import Manifest
from t2vbatch.models.calls.check import cell_values, expected_frames, frame_count, suited_call, value_problems
from t2vbatch.models.protocol import ModelFacts

_NARROW: Mapping[pa.DataType, Callable[[float], np.floating[Any]]] = {
    pa.float16(): np.float16,
    pa.float32(): np.float32,
}
"""Types of columns in which 0.1 is another number than Python's."""

_COSTS = ("num_frames", "video_length", "height", "width", "num_inference_steps")


@dataclass(frozen=True)
class CallProblem:
    """Why no sample can be planned with a call. ``column`` is None if not a single argument is the cause."""

    column: str | None
    found: str
    expected: str


@dataclass(frozen=True)
class DistinctCalls:
    """The calls of one model.

    Attributes:
        of_row: for each row of the manifest, the index of its call.
        texts: the calls, as JSON.
        costs: the cost of one sample of each call: frames x pixels x steps.
        problems: the problem of each call, or None.
    """

    of_row: npt.NDArray[np.int64]
    texts: tuple[str, ...]
    costs: npt.NDArray[np.float64]
    problems: tuple[CallProblem | None, ...]


def normal_call(call: Mapping[str, Any], facts: ModelFacts) -> dict[str, Any]:
    """The call in the one form that identities are computed from.

    Equal numbers get one type: float if the pipeline's own default is a float, else integer if they have no
    fraction.
    """
    suited = suited_call(call, facts)
    return {name: _normal(value, facts.signature.get(name)) for name, value in suited.items()}


def distinct_calls(
    manifest: Manifest, call: Mapping[str, Any], facts: ModelFacts, limits: Limits
) -> DistinctCalls:
    """The calls of every row. A call that cannot be planned has a problem; nothing is raised.

    Args:
        call: the model's call; the columns of a row override its arguments.
    """
    kinds = {field.name: field.type for field in manifest.columns if field.name in facts.parameters}
    columns = list(kinds)
    firsts, of_row = _groups(manifest.table.select(columns), len(manifest))
    rows = (manifest.row(first).columns if columns else {} for first in firsts)
    cells = [{name: _number(cell, kinds.get(name)) for name, cell in row.items()} for row in rows]
    found = [normal_call({**call, **cell_values(own, facts, manifest.textual)}, facts) for own in cells]
    problems = tuple(_problem(one, facts, limits) for one in found)
    texts = tuple(
        _text(_canonical_part(one) if problem else one) for one, problem in zip(found, problems, strict=True)
    )
    costs = np.array([_cost(one, facts) for one in found])
    return DistinctCalls(of_row, texts, costs, problems)


def _number(cell: Any, kind: pa.DataType | None) -> Any:
    """A decimal, or the shortest decimal of a narrow float, as a float: 0.1 is one value in every table."""
    if isinstance(cell, Decimal):
        return float(cell)
    if isinstance(cell, float) and kind in _NARROW:
        return float(str(_NARROW[kind](cell)))
    return cell


def _groups(table: pa.Table, count: int) -> tuple[list[int], npt.NDArray[np.int64]]:
    """Groups of rows that are equal in every column: the first row of each, and the group of each row."""
    groups = np.zeros(count, np.int64)
    for column in table.columns:
        _, groups = np.unique(groups * (count + 1) + _codes(column), return_inverse=True)
    _, firsts = np.unique(groups, return_index=True)
    return firsts.tolist(), groups


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Equal numbers for equal cells, from 0 to the number of cells."""
    if pa.types.is_nested(column.type):
        column = pa.chunked_array([pa.array([repr(cell) for cell in column.to_pylist()], pa.large_string())])
    codes = column.combine_chunks().dictionary_encode(null_encoding="encode").indices
    return np.asarray(codes.to_numpy(zero_copy_only=False), np.int64)


def _normal(value: Any, default: Any) -> Any:
    match value:
        case bool() | None | str() | bytes():
            return value
        case int() | float() if isinstance(default, float) and abs(value) < 2**53:
            return float(value)
        case float():
            return whole(value)
        case list() | tuple():
            return [_normal(item, None) for item in value]
        case Mapping():
            return {name: _normal(item, None) for name, item in value.items()}
        case _:
            return value


def _problem(call: Mapping[str, Any], facts: ModelFacts, limits: Limits) -> CallProblem | None:
    for argument, found, expected in value_problems(call, facts, limits):
        return CallProblem(argument, found, expected)
    count = frame_count(call, facts)
    if count is not None and not facts.frames.allows(count):
        return CallProblem(facts.frames_argument, f"{count} frames", expected_frames(count, facts))
    try:
        canonical(call)
    except NotCanonicalError as error:
        return CallProblem(None, str(error), "call arguments with a canonical form")
    return None


def _canonical_part(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that have a canonical form, for the record of a row that cannot be generated."""
    return {name: value for name, value in call.items() if _is_canonical(value)}


def _is_canonical(value: Any) -> bool:
    try:
        canonical(value)
    except NotCanonicalError:
        return False
    return True


def _text(call: Mapping[str, Any]) -> str:
    return json.dumps(call, sort_keys=True, ensure_ascii=False)


_LARGEST = 1e12
"""The largest count that enters a cost. A row with a larger one is bad, and the cost may not fit a float."""


def _cost(call: Mapping[str, Any], facts: ModelFacts) -> float:
    cost = 1.0
    for argument in _COSTS:
        value = call.get(argument, facts.signature.get(argument))
        if isinstance(value, int | float) and value > 0:
            cost *= min(value, _LARGEST)
    return cost
