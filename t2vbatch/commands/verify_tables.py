"""Checks the tables and the summary of an output against its plan and records.

They are made again from the plan and the records, and compared. The report is not read: ``t2vbatch report``
writes it from the same tables.
"""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from t2vbatch.analysis.distance.result import valid_distances
from t2vbatch.analysis.summary import summarize
from t2vbatch.commands.verify_problem import VerifyProblem
from t2vbatch.errors import StoreError, UsageError, counted
from t2vbatch.output.records import RESULTS, score_columns
from t2vbatch.output.scored_by import without_outdated
from t2vbatch.output.store import Store
from t2vbatch.output.tables import make_metadata, make_results
from t2vbatch.plan import Plan

_ROUNDING = 1e-9
"""Relative difference that two processors may give the mean of the same values."""


def table_problems(store: Store, records: pa.Table) -> Iterator[VerifyProblem]:
    """The differences of results.parquet, metadata.parquet and summary.json from the plan and the records.

    Args:
        records: those of the samples of the plan.
    """
    results = _read(store, "results.parquet")
    if isinstance(results, VerifyProblem):
        yield results
        return
    try:
        plan = store.read_plan()
    except (UsageError, StoreError) as error:
        yield VerifyProblem(f"{store.uri}/plan.parquet", str(error), "a plan to make the tables from")
        return
    current = without_outdated(records, store.read_scorers())
    scores = [name for name in score_columns(results.schema) if name not in RESULTS.names]
    expected = make_results(plan, current, scores)
    found = list(_differences(store, "results.parquet", results, expected))
    yield from found
    if found:
        return
    metadata = _read(store, "metadata.parquet")
    if isinstance(metadata, VerifyProblem):
        yield metadata
    else:
        yield from _differences(store, "metadata.parquet", metadata, make_metadata(expected))
    yield from _summary_problems(store, plan, expected)


def _read(store: Store, name: str) -> pa.Table | VerifyProblem:
    try:
        return store.read_table(name)
    except (FileNotFoundError, StoreError) as error:
        return _outdated(store, name, f"no readable table ({error})", "the table of the records")


def _differences(store: Store, name: str, table: pa.Table, expected: pa.Table) -> Iterator[VerifyProblem]:
    if table.num_rows != expected.num_rows:
        rows = f"{counted(expected.num_rows, 'row')}, one for each sample with a record"
        yield _outdated(store, name, counted(table.num_rows, "row"), rows)
        return
    for column, count in Counter(table.column_names).items():
        if count > 1:
            yield _outdated(store, name, f"{count} columns {column!r}", "one column of each name")
            return
    for column in sorted({*table.column_names} - {*expected.column_names}):
        yield _outdated(store, name, f"a column {column!r}", "only columns of the plan and the records")
    for column in expected.column_names:
        if column not in table.column_names:
            yield _outdated(store, name, f"no column {column!r}", "every column of the plan and the records")
        elif not _equal(table[column], expected[column]):
            found = f"values in column {column!r} that differ from the plan or the records"
            yield _outdated(store, name, found, "equal values")


def _outdated(store: Store, name: str, found: str, expected: str) -> VerifyProblem:
    return VerifyProblem(
        f"{store.uri}/{name}", found, f"{expected}; to write it again: t2vbatch report {store.uri}"
    )


def _equal(first: pa.ChunkedArray, second: pa.ChunkedArray) -> bool:
    """Whether two columns have the same values; null equals null, and NaN equals NaN."""
    return first.equals(second) or repr(first.to_pylist()) == repr(second.to_pylist())


def _summary_problems(store: Store, plan: Plan, results: pa.Table) -> Iterator[VerifyProblem]:
    try:
        found = store.read_json("summary.json")
        expected = summarize(results, plan.counts(), valid_distances(store, results)).to_json()
    except (FileNotFoundError, StoreError) as error:
        yield _outdated(
            store, "summary.json", f"no readable summary ({error})", "the summary of results.parquet"
        )
        return
    difference = first_difference(found, expected)
    if difference is not None:
        key, value, right = difference
        yield _outdated(
            store,
            "summary.json",
            f"{key} = {value!r}",
            f"{right!r}, which this version computes from results.parquet",
        )


def first_difference(found: Any, expected: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """The first key with another value, with both values; None if all values are equal."""
    if isinstance(found, dict) and isinstance(expected, dict):
        pairs = [(name, found.get(name), expected.get(name)) for name in {**expected, **found}]
    elif isinstance(found, list) and isinstance(expected, list | tuple) and len(found) == len(expected):
        pairs = [(str(index), *pair) for index, pair in enumerate(zip(found, expected, strict=True))]
    else:
        return None if _same(found, expected) else (key, found, expected)
    differences = (
        first_difference(value, right, f"{key}.{name}".lstrip(".")) for name, value, right in pairs
    )
    return next((one for one in differences if one is not None), None)


def _same(found: Any, expected: Any) -> bool:
    if isinstance(found, int | float) and isinstance(expected, int | float):
        both_nan = math.isnan(found) and math.isnan(expected)
        return both_nan or math.isclose(found, expected, rel_tol=_ROUNDING)
    return bool(found == expected)
