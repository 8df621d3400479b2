"""Commands that import a prompt list, export a layout, and import scores of a benchmark."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from typer.testing import CliRunner

from t2vbatch.cli import app


def typed(*arguments: str | Path) -> str:
    """The output of a command that must succeed."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_benchmark_goes_through_the_whole_pipeline(tmp_path: Path) -> None:
    """VBench's list is imported, run, exported, and its scores become columns of the results."""
    entries = [{"prompt_en": prompt, "dimension": ["color"]} for prompt in ("a red ball", "a green ball.")]
    (tmp_path / "list.json").write_text(json.dumps(entries))
    assert "2 rows" in typed("manifest", "import", "vbench", tmp_path / "list.json", tmp_path / "rows.jsonl")
    model = {"path": "anything", "pipeline": "t2vbatch.models.fake:FakeModel"}
    job = {"manifest": "rows.jsonl", "output": "out", "models": {"fake": model}, "samples": 5}
    job |= {"metrics": ["motion"], "engine": "inline"}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    typed("run", tmp_path / "job.yaml")
    assert "10 videos" in typed("export", tmp_path / "out", tmp_path / "vbench", "--layout", "vbench")
    names = sorted(path.name for path in (tmp_path / "vbench").iterdir())
    assert names[0] == "a green ball.-0.mp4"
    scored = [{"video_path": str(tmp_path / "vbench" / name), "video_results": 0.25} for name in names]
    (tmp_path / "result.json").write_text(json.dumps({"color": [0.25, scored]}))
    assert "10 scores" in typed("import-scores", tmp_path / "out", tmp_path / "result.json")
    results = pq.read_table(tmp_path / "out" / "results.parquet")
    assert results["vbench_color"].to_pylist() == [0.25] * 10
    assert None not in results["motion"].to_pylist()
    assert results["dimension"].to_pylist() == ["color"] * 10
    assert "10 videos scored" in typed("score", tmp_path / "out", "--metrics", "sharpness")
    assert "fake-001.png" in typed("sheet", tmp_path / "out", "--rows", "10")


def test_an_export_says_how_many_videos_it_took(tmp_path: Path) -> None:
    """EvalCrafter takes one video per prompt; the command names the number of all."""
    model = {"path": "anything", "pipeline": "t2vbatch.models.fake:FakeModel"}
    (tmp_path / "rows.csv").write_text("id,prompt\na,one\nb,two\n")
    job = {"manifest": "rows.csv", "output": "out", "models": {"fake": model}, "samples": 2}
    job |= {"metrics": [], "engine": "inline"}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    typed("run", tmp_path / "job.yaml")
    shown = typed("export", tmp_path / "out", tmp_path / "to", "--layout", "evalcrafter")
    assert "2 of 4 videos" in shown
    assert "the first sample of each row" in shown
