"""The report of a run whose rows have input images."""

import json
from pathlib import Path

import yaml
from PIL import Image

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.job import load_job


def test_the_report_has_copies_of_input_images(tmp_path: Path) -> None:
    """A row with an image has a small copy beside the page; a row without an image has none."""
    Image.new("RGB", (640, 480), "red").save(tmp_path / "a.png")
    rows = [{"id": "with", "prompt": "x", "image": "a.png"}, {"id": "without", "prompt": "y"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    model = {"path": str(tmp_path / "faults"), "pipeline": "t2vbatch.models.fake:FakeModel"}
    job = {
        "manifest": "rows.jsonl",
        "output": "out",
        "metrics": [],
        "engine": "inline",
        "models": {"m": model},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job), "utf-8")
    run_job(prepare(load_job(tmp_path / "job.yaml")), engine_for)
    (copy,) = (tmp_path / "out" / "report" / "inputs").iterdir()
    assert Image.open(copy).size == (320, 240)
    data = (tmp_path / "out" / "report" / "data.js").read_text("ascii")
    assert (
        json.dumps(json.dumps({"with": [["image", f"inputs/{copy.name}"]]}, separators=(",", ":")))[1:-1]
        in data
    )
