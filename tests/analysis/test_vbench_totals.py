"""VBench's totals against its own formula, and their intervals against a bootstrap by prompt."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2vbatch.analysis.vbench_totals import totals, totals_notes, totals_table
from t2vbatch.commands.vbench import vbench_scores
from t2vbatch.errors import UsageError
from t2vbatch.metrics.vbench import VBENCH, VBENCH_2, VBENCH_I2V, Benchmark
from t2vbatch.output.records import results_schema


def scored(benchmark: Benchmark, prompts: int = 20, videos: int = 3, seed: int = 0) -> pa.Table:
    """Results with scores of all dimensions of a benchmark, which share noise by prompt."""
    random = np.random.default_rng(seed)
    names = [name for group in benchmark.groups.values() for name in group]
    rows: list[dict[str, Any]] = []
    for prompt in range(prompts):
        shared = random.normal(0, 0.05)
        for index in range(videos):
            scores = {f"vbench_{name}": 0.3 + shared + random.normal(0, 0.02) for name in names}
            rows.append(
                {"row_id": f"r{prompt}", "model": "m", "status": "ok", "sample_id": f"{prompt}-{index}"}
                | scores
            )
    return pa.Table.from_pylist(rows, results_schema([f"vbench_{name}" for name in names], pa.schema([])))


def by_the_script(table: pa.Table) -> dict[str, float]:
    """The computation of VBench's cal_final_score.py, with its own constants."""
    low_high = {"subject consistency": (0.1462, 1.0), "background consistency": (0.2615, 1.0)}
    low_high |= {"temporal flickering": (0.6293, 1.0), "motion smoothness": (0.706, 0.9975)}
    low_high |= {"scene": (0.0, 0.8222), "appearance style": (0.0009, 0.2855)}
    low_high |= {"temporal style": (0.0, 0.364), "overall consistency": (0.0, 0.364)}
    quality = ["subject consistency", "background consistency", "temporal flickering", "motion smoothness"]
    quality += ["aesthetic quality", "imaging quality", "dynamic degree"]
    semantic = ["object class", "multiple objects", "human action", "color", "spatial relationship", "scene"]
    semantic += ["appearance style", "temporal style", "overall consistency"]
    weight = {"dynamic degree": 0.5}
    normal = {}
    for key in [*quality, *semantic]:
        low, high = low_high.get(key, (0.0, 1.0))
        mean = np.mean(table[f"vbench_{key.replace(' ', '_')}"].to_pylist())
        normal[key] = (mean - low) / (high - low) * weight.get(key, 1)
    scores = {
        name: sum(normal[key] for key in keys) / sum(weight.get(key, 1) for key in keys)
        for name, keys in (("quality", quality), ("semantic", semantic))
    }
    return scores | {"total": (scores["quality"] * 4 + scores["semantic"]) / 5}


def test_totals_are_those_of_vbenchs_script() -> None:
    """Quality, semantic and total equal VBench's own computation."""
    table = scored(VBENCH)
    (lines,) = totals(table, "m").values()
    found = {line.name: line.value.mean for line in lines if line.value and line.kind != "dimension"}
    assert found == pytest.approx(by_the_script(table))


@pytest.mark.parametrize("benchmark", [VBENCH_I2V, VBENCH_2])
def test_other_benchmarks_have_totals(benchmark: Benchmark) -> None:
    """VBench-I2V and VBench-2.0 are recognised by their dimensions and have their groups."""
    found = totals(scored(benchmark), "m")
    assert list(found) == [benchmark.name]
    names = [line.name for line in found[benchmark.name] if line.kind != "dimension"]
    assert names == [*benchmark.groups, "total"]


def test_intervals_of_totals_are_those_of_a_bootstrap_by_prompt() -> None:
    """The interval is as wide as that of 2,000 bootstrap samples of whole prompts, to 10%."""
    table = scored(VBENCH, prompts=40)
    (lines,) = totals(table, "m").values()
    total = lines[-1].value
    assert total is not None
    assert total.low is not None
    assert total.high is not None
    random, frame = np.random.default_rng(1), table.to_pandas()
    groups = [part for _, part in frame.groupby("row_id")]
    means = np.array([part.mean(numeric_only=True) for part in groups])
    columns = list(groups[0].mean(numeric_only=True).index)
    drawn = []
    for _ in range(2000):
        sample = dict(zip(columns, means[random.integers(0, 40, 40)].mean(axis=0), strict=True))
        drawn.append(by_the_script(pa.table({name: [value] for name, value in sample.items()}))["total"])
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert total.high - total.low == pytest.approx(high - low, rel=0.1)


def test_a_total_of_few_prompts_has_a_caution() -> None:
    """Three prompts of one dimension make the intervals of it, its group and the total unreliable."""
    few = scored(VBENCH).to_pylist()
    for row in few:
        row["vbench_color"] = row["vbench_color"] if row["row_id"] in ("r0", "r1", "r2") else None
    found = totals(pa.Table.from_pylist(few, scored(VBENCH).schema), "m")["VBench"]
    caution = "3 prompts are too few for a reliable interval"
    assert totals_notes({"m": found}) == [f"color, semantic, total: {caution}"]
    assert totals_notes({"m": totals(scored(VBENCH), "m")["VBench"]}) == []


def test_a_missing_dimension_gives_no_total() -> None:
    """VBench's script counts a missing dimension as 0; here the total is missing, and the dimension named."""
    table = scored(VBENCH).drop_columns(["vbench_color"])
    (lines,) = totals(table, "m").values()
    by_name = {line.name: line for line in lines}
    assert (by_name["total"].value, by_name["total"].missing) == (None, ("color",))
    assert by_name["quality"].value is not None


def test_published_rows_are_shown_beside(tmp_path: Path) -> None:
    """A file of published values adds a column, as fractions or percent."""
    pq.write_table(scored(VBENCH), tmp_path / "results.parquet")
    (tmp_path / "rows.json").write_text(json.dumps({"Wan": {"total": 0.8026, "color": "91.2%"}}))
    found = vbench_scores(str(tmp_path), tmp_path / "rows.json")
    text = totals_table(found.benchmarks["VBench"], found.published).render("markdown")
    assert "80.26" in text
    assert "91.20" in text


@pytest.mark.parametrize("content", ["[1]", '{"Wan": {"total": 80.26}}', '{"Wan": {"total": NaN}}'])
def test_published_values_are_from_0_to_1(content: str, tmp_path: Path) -> None:
    """80.26 without a percent sign would be shown as 8026.00."""
    pq.write_table(scored(VBENCH), tmp_path / "results.parquet")
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(UsageError, match="published rows"):
        vbench_scores(str(tmp_path), tmp_path / "bad.json")


def test_samples_without_an_ok_video_are_counted(tmp_path: Path) -> None:
    """Scores of degenerate videos are left out, and their number is reported."""
    rows = scored(VBENCH, prompts=6).to_pylist()
    rows[0] |= {"status": "degenerate", "vbench_color": 9.0}
    pq.write_table(pa.Table.from_pylist(rows, scored(VBENCH).schema), tmp_path / "results.parquet")
    found = vbench_scores(str(tmp_path), None)
    (color,) = (line for line in found.benchmarks["VBench"]["m"] if line.name == "color")
    assert (color.videos, found.left_out) == (17, {"m": 1})


def test_an_output_without_vbench_scores_is_rejected(tmp_path: Path) -> None:
    """The message names the command that imports scores."""
    pq.write_table(
        scored(VBENCH).select(["sample_id", "row_id", "model", "status"]), tmp_path / "results.parquet"
    )
    with pytest.raises(UsageError, match="import-scores"):
        vbench_scores(str(tmp_path), None)
