"""Failures of an output, grouped by model and error."""

from typing import Any

import pyarrow as pa

from t2vbatch.analysis.failures import failure_groups
from t2vbatch.output.records import RESULTS


def _tables(*rows: dict[str, Any]) -> tuple[pa.Table, pa.Table]:
    """A plan and the records of these samples."""
    full = [{"sample_id": str(i), "sample_index": 0, "attempts": 3, **row} for i, row in enumerate(rows)]
    records = pa.Table.from_pylist(full, RESULTS)
    return records.select(["sample_id", "row_id", "model", "sample_index"]), records


def test_equal_failures_are_one_group() -> None:
    """One line for any number of samples with the same error of the same model, the largest group first."""
    broken = {"model": "wan", "status": "failed", "error_type": "RowError", "error": "x", "traceback": "t"}
    planned, records = _tables(
        {"row_id": "z", "model": "wan", "status": "failed", "error_type": "CrashError", "error": "y"},
        *({"row_id": row, **broken} for row in "abc"),
        {"row_id": "d", "model": "wan", "status": "ok"},
        {"row_id": "e", "model": "ltx", "status": "degenerate", "error_type": "DegenerateError"},
    )
    first, second, third = failure_groups(planned, records)
    assert first.samples == ("a-0", "b-0", "c-0")
    assert first.title == "3 samples of wan: RowError: x"
    assert (first.attempts, first.traceback) == (3, "t")
    assert second.title == "1 sample of wan: CrashError: y"
    assert (third.model, third.status) == ("ltx", "degenerate")


def test_samples_outside_the_plan_do_not_count() -> None:
    """A superseded record is of no interest to the present job."""
    planned, records = _tables({"row_id": "a", "model": "m", "status": "failed", "error_type": "RowError"})
    assert failure_groups(planned.slice(1), records) == []
