"""The command lines of t2vbatch score and compare."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from t2vbatch.cli import app
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.errors import UsageError
from t2vbatch.job import Job, Model
from t2vbatch.output.records import results_schema
from t2vbatch.output.store import open_store

SCHEMA = results_schema(["clip_score"], pa.schema([("category", pa.string())]))


def output(folder: Path, **models: float) -> str:
    """An output folder with results of 24 rows per model; the number is how much better a model is."""
    rows: list[dict[str, Any]] = [
        {
            "sample_id": f"{model}-{row}",
            "row_id": f"r{row}",
            "prompt": f"prompt {row}",
            "seed": row,
            "model": model,
            "status": "ok",
            "clip_score": 30 + better + (row * 7 % 5) / 5 + (row * len(model) % 3) / 10,
            "category": "odd" if row % 2 else "even",
        }
        for model, better in models.items()
        for row in range(24)
    ]
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "results.parquet")
    return str(folder)


def typed(*arguments: str) -> Result:
    """The output of a command; its errors are raised."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_compare_names_the_better_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models of one output and a third of another are compared in pairs."""
    monkeypatch.setenv("COLUMNS", "160")
    first, second = output(tmp_path / "a", slow=1, fast=0), output(tmp_path / "b", slow=0)
    text = typed("compare", first, second).output
    assert "a/slow is better than fast (p < 0.001)" in text
    assert "b/slow" in text
    assert sum(" - " in line and " %" in line for line in text.splitlines()) == 3


def test_compare_loads_no_pandas(tmp_path: Path) -> None:
    """Importing pandas takes as long as the comparison, so compare does without it."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    code = (
        "import sys; from t2vbatch.cli import app; app(standalone_mode=False); "
        "print(*sorted({'pandas', 'pyarrow.dataset', 'scipy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "compare", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_compare_prints_json_and_latex(tmp_path: Path) -> None:
    """--json is one object; --format writes the table for a paper."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    found = json.loads(typed("compare", folder, "--json").output)
    assert [pair["winner"] for pair in found["pairs"]] == ["slow"]
    assert r"\begin{tabular}" in typed("compare", folder, "--format", "latex").output


def test_compare_by_a_column(tmp_path: Path) -> None:
    """--by compares once for each value of a column of the manifest."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    found = json.loads(typed("compare", folder, "--by", "category", "--json").output)
    assert {label: part["pairs"][0]["n"] for label, part in found.items()} == {"even": 12, "odd": 12}


def test_compare_by_a_column_with_the_name_of_a_score(tmp_path: Path) -> None:
    """--by names the column as the manifest does, although the results rename it."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    table = pq.read_table(f"{folder}/results.parquet")
    names = ["manifest_clip_score" if name == "category" else name for name in table.column_names]
    pq.write_table(table.rename_columns(names), f"{folder}/results.parquet")
    assert set(json.loads(typed("compare", folder, "--by", "clip_score", "--json").output)) == {"even", "odd"}


def test_compare_by_a_column_leaves_out_values_of_one_model(tmp_path: Path) -> None:
    """A value that only one model's rows have is reported; the others are compared."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    table = pq.read_table(f"{folder}/results.parquet")
    keep = [row["model"] == "slow" or row["category"] == "odd" for row in table.to_pylist()]
    pq.write_table(table.filter(pa.array(keep)), f"{folder}/results.parquet")
    shown = typed("compare", folder, "--by", "category")
    assert "category: odd" in shown.stdout
    assert "category: even" not in shown.stdout
    assert "only one model has rows with category even" in shown.stderr


def test_compare_uses_the_directions_of_the_job(tmp_path: Path) -> None:
    """A column that a metric of the job yields has the direction of its ``yields``."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    program = {"command": ["true"], "yields": {"clip_score": "lower"}}
    models = {name: Model(path="bundled:shapes") for name in ("slow", "fast")}
    job = Job(manifest="m.csv", output=folder, models=models, metrics={"error": program})
    open_store(folder).write_job(job)
    (pair,) = json.loads(typed("compare", folder, "--json").output)["pairs"]
    assert (pair["better"], pair["winner"]) == ("lower", "fast")


def test_score_asks_before_it_runs_a_program_of_the_output(tmp_path: Path) -> None:
    """The job of another person's output may name a program; without a terminal it is refused."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    program = {"command": ["touch", str(tmp_path / "ran")], "yields": {"x": "lower"}}
    models = {name: Model(path="bundled:shapes") for name in ("slow", "fast")}
    job = Job(manifest="m.csv", output=folder, models=models, metrics={"mine": program})
    open_store(folder).write_job(job)
    result = CliRunner().invoke(app, ["score", folder])
    assert isinstance(result.exception, UsageError)
    assert "--allow-code" in str(result.exception)
    assert not (tmp_path / "ran").exists()


def test_a_metric_that_was_typed_is_blamed_on_its_option(tmp_path: Path) -> None:
    """An unknown metric of --metrics names the option, and no line of the output's job.yaml."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    job = Job(manifest="m.csv", output=folder, models={"slow": Model(path="bundled:shapes")}, metrics={})
    open_store(folder).write_job(job)
    error = CliRunner().invoke(app, ["score", folder, "--metrics", "motio"]).exception
    assert isinstance(error, UsageError)
    assert error.where == "--metrics motio"
    assert "motion" in error.expected


def test_compare_plans_the_next_comparison(tmp_path: Path) -> None:
    """--plan shows how many prompts reach the goal, in text and JSON."""
    folder = output(tmp_path / "a", slow=1, faster=0)
    assert "prompts needed for a width of 0.1" in typed("compare", folder, "--plan", "width=0.1").output
    (pair,) = json.loads(typed("compare", folder, "--plan", "detect=0.1", "--json").output)["pairs"]
    assert pair["plan"]["1"] > 2


def test_compare_warns_of_an_unfinished_run(tmp_path: Path) -> None:
    """A run with pending samples is compared with a warning about repeated looks."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    pq.write_table(pa.table({"sample_id": [str(index) for index in range(100)]}), f"{folder}/plan.parquet")
    assert "48 of 100 samples are finished" in typed("compare", folder).stderr
    pq.write_table(pa.table({"sample_id": [str(index) for index in range(48)]}), f"{folder}/plan.parquet")
    assert "finished" not in typed("compare", folder).stderr


def test_compare_warns_of_a_repeated_comparison(tmp_path: Path) -> None:
    """A comparison of more prompts than an earlier one of the same output warns; --sequential needs none."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    results = pq.read_table(f"{folder}/results.parquet")
    few = results.filter(pc.is_in(results["row_id"], pa.array([f"r{row}" for row in range(10)])))
    pq.write_table(few, f"{folder}/results.parquet")
    assert typed("compare", folder).stderr == typed("compare", folder).stderr == ""
    pq.write_table(results, f"{folder}/results.parquet")
    assert typed("compare", folder, "--sequential").stderr == ""
    assert "compared before with 10 prompts, now with 24" in typed("compare", folder).stderr


def test_a_sequential_comparison_takes_complete_prompts(tmp_path: Path) -> None:
    """--sequential leaves out prompts that still get videos, and says so in the notes of the table."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    rows = [{"row_id": f"r{row}", "model": model} for row in range(24) for model in ("slow", "fast")]
    pq.write_table(pa.Table.from_pylist([*rows, {"row_id": "r3", "model": "slow"}]), f"{folder}/plan.parquet")
    found = typed("compare", folder, "--sequential", "--json")
    (pair,) = json.loads(found.stdout)["pairs"]
    assert (pair["rows"], pair["sequential"], pair["winner"]) == (23, True, "slow")
    assert "1 finished samples wait" in found.stderr
    assert "valid however often" in typed("compare", folder, "--sequential").stdout


def test_compare_names_rows_with_one_prompt(tmp_path: Path) -> None:
    """Rows that repeat a prompt are units of their own, and a note says so."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    results = pq.read_table(f"{folder}/results.parquet")
    prompts = [f"prompt {int(row[1:]) % 20}" for row in results["row_id"].to_pylist()]
    at = results.column_names.index("prompt")
    pq.write_table(results.set_column(at, "prompt", pa.array(prompts)), f"{folder}/results.parquet")
    assert "8 rows share their prompt with another row" in typed("compare", folder).stderr


def test_compare_shows_correlations(tmp_path: Path) -> None:
    """--correlations adds a table, and a list in JSON."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    assert "rank correlation" in typed("compare", folder, "--correlations").output
    assert json.loads(typed("compare", folder, "--correlations", "--json").output)["correlations"] == []


def test_compare_takes_a_policy_for_missing_scores(tmp_path: Path) -> None:
    """--missing names the policy, and an unknown one is rejected."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    assert (
        json.loads(typed("compare", folder, "--missing", "impute:3", "--json").output)["pairs"][0]["p"] < 0.05
    )
    with pytest.raises(UsageError, match="impute:VALUE"):
        typed("compare", folder, "--missing", "zero")


def test_compare_reads_the_votes_of_people(tmp_path: Path) -> None:
    """--votes adds win rates, strengths and agreement; files of several people count together."""
    folder = output(tmp_path / "a", slow=1, fast=0)
    line = {"left": "slow", "right": "fast", "winner": "slow"}
    files = []
    for person, rows in enumerate((range(10), range(10, 20))):
        files.append(tmp_path / f"votes-{person}.jsonl")
        lines = [json.dumps(line | {"row_id": f"r{row}", "seed": str(row)}) for row in rows]
        files[-1].write_text("\n".join(lines), "utf-8")
    options = [text for file in files for text in ("--votes", str(file))]
    votes = json.loads(typed("compare", folder, *options, "--json").output)["votes"]
    assert votes["votes"] == 20
    assert votes["win_rates"][0]["rate"]["mean"] == 1
    assert [one["model"] for one in votes["strengths"]] == ["slow", "fast"]
    assert votes["agreements"][0]["share"]["mean"] == 1
    assert "agrees with people" in typed("compare", folder, *options).output
    files[0].write_text(json.dumps(line | {"row_id": "other", "seed": 1}), "utf-8")
    with pytest.raises(UsageError, match="1 vote, none for"):
        typed("compare", folder, *options[:2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no such folder"),
        (["a"], "one model, only"),
        (["two", "./two"], "the same output twice"),
        (["two", "--by", "colour"], "no such column"),
        (["two", "--by", "clip_score"], "no such column.*\n.*category"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    """No results, one model, one output twice, an unknown column: one message each."""
    monkeypatch.chdir(tmp_path)
    output(tmp_path / "a", only=0)
    output(tmp_path / "two", one=0, other=0)
    with pytest.raises(UsageError, match=message):
        typed("compare", *arguments)


def test_score_takes_metrics_from_one_place(tmp_path: Path) -> None:
    """--metrics and --job together are refused, because one of them would be ignored."""
    with pytest.raises(UsageError, match="--job too"):
        typed("score", str(tmp_path), "--metrics", "motion", "--job", "job.yaml")


def test_score_refuses_a_folder_without_a_run(tmp_path: Path) -> None:
    """Without a run there is no video to score."""
    with pytest.raises(UsageError, match=r"no job\.yaml"):
        typed("score", str(tmp_path), "--metrics", "motion")


def test_score_counts_the_videos_that_it_cannot_read(tmp_path: Path) -> None:
    """Such a video has no score, so the exit code is that of samples that are not ok."""
    (tmp_path / "rows.csv").write_text("prompt\na red ball\na green ball\n")
    model = Model(path="fake", pipeline="t2vbatch.models.fake:FakeModel")
    job = Job(
        manifest=str(tmp_path / "rows.csv"),
        output=str(tmp_path / "out"),
        models={"fake": model},
        metrics={},
        engine="inline",
    )
    run_job(prepare(job), engine_for)
    next((tmp_path / "out/videos").rglob("*.mp4")).write_bytes(b"no video")
    result = typed("score", str(tmp_path / "out"), "--metrics", "motion")
    assert "1 video scored" in result.output
    assert "1 video could not be scored" in result.output
    assert result.exit_code == 3
