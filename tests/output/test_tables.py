"""The tables that people read: their columns."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from t2vbatch.commands.prepare import prepare
from t2vbatch.job import load_job
from t2vbatch.output.record_table import to_table
from t2vbatch.output.records import Record, score_columns
from t2vbatch.output.tables import make_results
from t2vbatch.plan.plan import PLAN, ROWS, Plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    rows = [json.dumps({"id": str(number), "prompt": f"ball {number}"}) for number in range(4)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), "utf-8")
    models = {"m": {"path": str(tmp_path / "faults"), "pipeline": "t2vbatch.models.fake:FakeModel"}}
    job = {"manifest": "rows.jsonl", "output": "out", "metrics": [], "models": models}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job), "utf-8")
    return prepare(load_job(tmp_path / "job.yaml")).plan


@pytest.mark.parametrize("large", [2**53 + 1, 10**20, 10**300], ids=["2^53", "10^20", "10^300"])
def test_each_score_has_a_column(plan: Plan, large: int) -> None:
    """Columns of the job come first, then the others in the order of the records; a missing score is null."""
    scores: list[dict[str, float | None]]
    scores = [{"b": 1, "c\n": None}, {}, {"a": 0.1, "b": 1e-300, "é": -0.0}, {"b": 0.5, "d": large}]
    samples = map(plan.sample, range(4))
    records = [replace(Record.of(one, "ok", 1), scores=own) for one, own in zip(samples, scores, strict=True)]
    results = make_results(plan, to_table(records), ["z", "a"])
    assert score_columns(results.schema) == ["z", "a", "b", "c\n", "é", "d"]
    assert results.select(score_columns(results.schema)).to_pylist() == [
        {"z": None, "a": None, "b": 1.0, "c\n": None, "é": None, "d": None},
        {"z": None, "a": None, "b": None, "c\n": None, "é": None, "d": None},
        {"z": None, "a": 0.1, "b": 1e-300, "c\n": None, "é": -0.0, "d": None},
        {"z": None, "a": None, "b": 0.5, "c\n": None, "é": None, "d": float(large)},
    ]


@pytest.mark.parametrize("count", [0, 3])
def test_records_without_scores(plan: Plan, count: int) -> None:
    """The columns of the job are null where no record has a score, and if there is no record."""
    records = to_table(Record.of(plan.sample(number), "ok", 1) for number in range(count))
    assert make_results(plan, records, ["z"])["z"].to_pylist() == [None] * count
    assert make_results(plan, records, []).num_rows == count


def test_a_column_that_a_score_has_in_other_case_is_renamed() -> None:
    """A scorer may name its score in capitals; the manifest's column keeps its values under another name."""
    plan = Plan(PLAN.empty_table(), ROWS.empty_table(), pa.table({"sharp": pa.array([], pa.string())}), {})
    names = make_results(plan, to_table([]), ["Sharp"]).column_names
    assert names[-2:] == ["Sharp", "manifest_sharp"]
