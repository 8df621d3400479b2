"""Scores as results of lm-eval and Inspect: what their own readers need, failures, and means by hand."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from t2vbatch.errors import UsageError
from t2vbatch.exchange import EvaluatedRun, export_evaluations
from t2vbatch.output.records import results_schema
from t2vbatch.plan import PLAN

SCHEMA = results_schema(["clip_score", "flicker"], pa.schema([("topic", pa.string())]))
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VALUES = {("r0", 0): 30.0, ("r0", 1): 31.0, ("r1", 0): 35.5, ("r1", 1): 33.0, ("r2", 0): None, ("r2", 1): 9.0}
"""The clip scores of one model: ``r2-0`` failed, and the video of ``r2-1`` is degenerate."""


def tables() -> tuple[pa.Table, pa.Table]:
    """Plan and results of two models with three rows of two samples each."""
    rows: list[dict[str, Any]] = []
    for model in ("a/b", "c"):
        for (row, index), value in VALUES.items():
            status = "failed" if value is None else "degenerate" if value == 9 else "ok"
            one: dict[str, Any] = {
                "sample_id": f"{model}{row}{index}",
                "row_id": row,
                "model": model,
                "sample_index": index,
            }
            one |= {
                "seed": index,
                "status": status,
                "prompt": f"prompt {row}",
                "topic": "x",
                "call": '{"n": 1}',
            }
            one |= {"started_at": START, "finished_at": START, "clip_score": value, "generate_s": 1.5}
            if value is None:
                one |= {"error_type": "RowError", "error": "no", "traceback": "at line 1"}
            else:
                one |= {"video": f"videos/{row}-{index}.mp4", "video_sha256": f"sha{row}{index}"}
            rows.append(one)
    plan = [{name: row.get(name) for name in PLAN.names} for row in rows]
    return pa.Table.from_pylist(plan, PLAN), pa.Table.from_pylist(rows[::-1], SCHEMA)


def exported(target: Path, layout: str) -> int:
    """Export the tables; the number of samples."""
    run = EvaluatedRun("my run", "rows.csv", {"c": {"path": "org/c"}}, {"clip_score": "higher"}, "/out")
    return export_evaluations(run, *tables(), layout, target)


def clustered_error() -> float:
    """The standard error of the mean of four videos of two prompts, by its definition."""
    residuals = np.array([30 + 31, 35.5 + 33]) - 2 * np.mean([30, 31, 35.5, 33])
    return float(np.sqrt(2 / (2 - 1) * (residuals**2).sum()) / 4)


def test_lm_eval_gets_results_and_samples(tmp_path: Path) -> None:
    """Means and errors by prompt are those of the definition; failed and degenerate samples have no score."""
    assert exported(tmp_path / "to", "lm-eval") == 12
    (file,) = (tmp_path / "to" / "a__b").glob("results_*.json")
    found = json.loads(file.read_text())
    assert found["results"]["my_run"]["clip_score,none"] == pytest.approx(np.mean([30, 31, 35.5, 33]))
    assert found["results"]["my_run"]["clip_score_stderr,none"] == pytest.approx(clustered_error())
    assert found["higher_is_better"] == {"my_run": {"clip_score": True}}
    assert found["n-samples"] == {"my_run": {"original": 6, "effective": 6}}
    (lines,) = (tmp_path / "to" / "a__b").glob("samples_my_run_*.jsonl")
    samples = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [sample["doc"]["sample_id"] for sample in samples] == [f"a/b{row}{index}" for row, index in VALUES]
    assert [sample.get("clip_score") for sample in samples] == [30, 31, 35.5, 33, None, None]
    assert [sample["doc"]["status"] for sample in samples[4:]] == ["failed", "degenerate"]
    assert samples[0]["filtered_resps"] == ["/out/videos/r0-0.mp4"]
    assert samples[0]["arguments"] == {"gen_args_0": {"arg_0": "prompt r0", "arg_1": {"n": 1}}}


def test_inspect_gets_a_log_per_model(tmp_path: Path) -> None:
    """Rows are samples, sample indices are epochs, and the failed sample has its error."""
    exported(tmp_path / "to", "inspect")
    logs = [json.loads(path.read_text()) for path in sorted((tmp_path / "to").iterdir())]
    assert [log["eval"]["model"] for log in logs] == ["t2vbatch/a/b", "t2vbatch/c"]
    (score,) = logs[0]["results"]["scores"]
    assert (score["scored_samples"], score["unscored_samples"]) == (4, 2)
    assert score["metrics"]["stderr"]["value"] == pytest.approx(clustered_error())
    samples = logs[0]["samples"]
    assert [(sample["id"], sample["epoch"] - 1) for sample in samples] == list(VALUES)
    assert samples[4]["error"]["message"] == "RowError: no"
    assert [sample["scores"] for sample in samples[4:]] == [{}, {}]
    assert logs[0]["eval"]["config"] == {"epochs": 2}


@pytest.mark.parametrize("layout", ["lm-eval", "inspect"])
def test_pending_samples_are_refused(tmp_path: Path, layout: str) -> None:
    """A mean over a part looks like a result, so it needs --partial."""
    plan, results = tables()
    run = EvaluatedRun("t", "d", {}, {}, "v")
    with pytest.raises(UsageError, match="2 pending samples of 12"):
        export_evaluations(run, plan, results.slice(2), layout, tmp_path / "to")
    assert export_evaluations(run, plan, results.slice(2), layout, tmp_path / "to", True) == 10
    with pytest.raises(UsageError, match="not empty"):
        export_evaluations(run, plan, results, layout, tmp_path / "to")


def test_inspect_itself_reads_the_log(tmp_path: Path) -> None:
    """Inspect's own reader accepts the log, lists it, and finds the scores."""
    log = pytest.importorskip("inspect_ai.log", reason="the package inspect_ai is not installed")
    exported(tmp_path / "to", "inspect")
    listed = sorted(info.name for info in log.list_eval_logs(str(tmp_path / "to")))
    assert len(listed) == 2
    found = log.read_eval_log(listed[0])
    assert (found.status, found.eval.task) == ("success", "my run")
    assert found.samples[0].scores["clip_score"].value == 30
    assert found.samples[0].output.completion == "/out/videos/r0-0.mp4"
    assert found.results.scores[0].metrics["mean"].value == pytest.approx(32.375)
    assert found.samples[4].error.message == "RowError: no"


def test_lm_eval_itself_prints_the_results(tmp_path: Path) -> None:
    """lm-eval's own table has the score with its error, and its own functions find the files."""
    utils = pytest.importorskip("lm_eval.utils", reason="the package lm_eval is not installed")
    exported(tmp_path / "to", "lm-eval")
    names = [str(path) for path in (tmp_path / "to" / "c").iterdir()]
    (results,), (samples,) = utils.get_results_filenames(names), utils.get_sample_results_filenames(names)
    assert utils.get_file_task_name(Path(samples).name) == "my_run"
    assert utils.get_file_datetime(samples) == utils.get_file_datetime(results).removesuffix(".json")
    shown = utils.make_table(json.loads(Path(results).read_text()))
    (line,) = (line for line in shown.splitlines() if "clip_score" in line)
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert (cells[0], cells[4:6], float(cells[6])) == ("my_run", ["clip_score", "\N{UPWARDS ARROW}"], 32.375)
    assert float(cells[8]) == pytest.approx(clustered_error(), abs=1e-4)
