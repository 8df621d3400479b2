"""Bad rows: named and refused, or recorded as failed while every other row is generated."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from t2vbatch.cli import app
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import Result, run_job
from t2vbatch.engines import engine_for
from t2vbatch.errors import ManifestError
from t2vbatch.job import load_job
from t2vbatch.output.store import open_store
from tests.servers import folder_server

GOOD = {"id": "good", "prompt": "a cat"}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"prompt": "x", "seed": -1}, "seed"),
    ({"prompt": "x", "seed": 2**63 - 1}, "at most 9223372036854775806"),
    ({"prompt": 5}, "prompt"),
    ({"seed": 1}, "a prompt, an image or a video"),
    ({"prompt": "x", "image": "missing.png"}, "missing.png"),
    ({"prompt": "x", "image": "broken.png"}, "broken"),
    ({"prompt": "x", "image": "../outside.png"}, "../outside.png"),
    ({"prompt": "x", "model": "other"}, "a model of the job"),
    ({"prompt": "x", "num_frames": {"$a": 1}}, "a whole number"),
    ({"prompt": "x", "num_frames": "many"}, "a whole number from 1 to 100,000"),
    ({"prompt": "x", "num_frames": 4.5}, "the number 4.5"),
    ({"prompt": "x", "num_frames": 0}, "a whole number from 1"),
    ({"prompt": "x", "num_frames": 10**9}, "limits.num_frames"),
    ({"prompt": "x", "height": 10**9}, "limits.height"),
    ({"prompt": "x", "width": -8}, "limits.width"),
    ({"prompt": "x", "num_inference_steps": 10**9}, "limits.num_inference_steps"),
    ({"prompt": "x", "fault_seconds": "long"}, "a number"),
    ({"prompt": "x", "height": 16_000, "width": 16_000, "num_frames": 90_000}, "limits.video_bytes"),
    ({"prompt": "x", "id": "good"}, "each id once"),
    ({"prompt": "x", "id": None}, "an id in every row"),
    ({"prompt": "x", "image": "http://nosuch.invalid/x.png"}, "nosuch.invalid"),
]


def job_of(folder: Path, rows: Sequence[dict[str, Any]], **changes: Any) -> Path:
    """A job of the fake model with these rows."""
    lines = [json.dumps({"id": f"r{n}"} | row) for n, row in enumerate(rows)]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    model = {"path": str(folder / "faults"), "pipeline": "t2vbatch.models.fake:FakeModel"}
    job = {"manifest": "rows.jsonl", "output": "out", "metrics": [], "engine": "inline", "samples": 2}
    (folder / "job.yaml").write_text(yaml.safe_dump(job | {"models": {"fake": model}} | changes))
    return folder / "job.yaml"


def run(job: Path, retry_failed: bool = False) -> Result:
    """Run the job."""
    return run_job(prepare(load_job(job)), engine_for, retry_failed=retry_failed)


def outcomes(result: Result) -> dict[tuple[str, str], int]:
    """Row and status: number of samples."""
    rows = open_store(result.output).read_table("results.parquet").to_pylist()
    pairs = [(row["row_id"], row["status"]) for row in rows]
    return {pair: pairs.count(pair) for pair in pairs}


def test_bad_rows_are_recorded_and_the_others_are_made(tmp_path: Path) -> None:
    """With ``on_bad_row: record`` each bad row fails with its reason, and the good row gets its videos."""
    job = job_of(tmp_path, [GOOD, *(row for row, _ in BAD)], on_bad_row="record")
    result = run(job)
    counts = result.summary.counts
    assert (counts.ok, counts.failed) == (2, 2 * len(BAD))
    assert outcomes(result)["good", "ok"] == 2
    rows = open_store(result.output).read_table("results.parquet").to_pylist()[2:]
    for (_, said), record in zip(BAD, rows[::2], strict=True):
        assert (record["error_type"], record["attempts"]) == ("RowError", 0)
        assert said in record["error"]
    (note,) = [note for note in prepare(load_job(job)).plan.notes if "recorded as failed" in note]
    assert f"{len(BAD)} of {len(BAD) + 1} rows" in note


@pytest.mark.parametrize(("row", "said"), BAD, ids=[said for _, said in BAD])
def test_a_bad_row_stops_the_run_before_it_starts(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    """With ``on_bad_row: stop`` the message names the row, and says how to record it."""
    with pytest.raises(ManifestError) as caught:
        prepare(load_job(job_of(tmp_path, [GOOD, row], on_bad_row="stop")))
    assert said in str(caught.value)
    assert "on_bad_row: record" in str(caught.value)


def test_the_default_records_remote_media_alone(tmp_path: Path) -> None:
    """Without the key a bad cell stops the run, and a URL that cannot be read is a failed row."""
    rows = [GOOD, {"prompt": "x", "image": "http://nosuch.invalid/x.png"}]
    assert outcomes(run(job_of(tmp_path, rows)))["r1", "failed"] == 2
    with pytest.raises(ManifestError):
        prepare(load_job(job_of(tmp_path, [GOOD, {"prompt": "x", "seed": -1}])))


def test_a_mended_row_is_made_and_a_retry_leaves_bad_rows(tmp_path: Path) -> None:
    """``--retry-failed`` starts nothing for a bad row; once the row is correct, its videos are made."""
    bad = {"prompt": "x", "seed": -1}
    run(job_of(tmp_path, [GOOD, bad], on_bad_row="record"))
    again = run(tmp_path / "job.yaml", retry_failed=True)
    assert (again.made, again.summary.counts.failed) == (0, 2)
    shown = CliRunner().invoke(app, ["failures", str(tmp_path / "out")]).stdout
    assert "Correct the wrong rows of the manifest" in shown
    assert "--retry-failed" not in shown
    mended = run(job_of(tmp_path, [GOOD, bad | {"seed": 1}], on_bad_row="record"))
    assert (mended.made, mended.summary.counts.ok, mended.summary.counts.failed) == (2, 4, 0)


def test_one_wrong_cell_of_a_csv_spoils_its_own_row_alone(tmp_path: Path) -> None:
    """The column becomes text, and every other cell is still a number."""
    job = job_of(tmp_path, [], manifest="rows.csv", on_bad_row="record")
    (tmp_path / "rows.csv").write_text("id,prompt,num_frames\na,one,8.0\nb,two,many\nc,three,4\n")
    plan = prepare(load_job(job)).plan
    calls = [plan.planned(position).call["num_frames"] for position in (0, 4)]
    assert calls == [8, 4]
    assert len(plan.bad) == 2


def test_rows_that_are_all_bad_are_all_recorded(tmp_path: Path) -> None:
    """No worker starts, and every row has its own failed samples, also without ids."""
    rows = [{"id": None, "prompt": "x", "seed": seed} for seed in (-1, -2)]
    lines = "".join(json.dumps({"prompt": "x", "seed": seed}) + "\n" for seed in (-1, -2, 5, -1))
    job = job_of(tmp_path, rows, on_bad_row="record")
    (tmp_path / "rows.jsonl").write_text(lines)
    result = run(job)
    assert (result.summary.counts.ok, result.summary.counts.failed) == (2, 4)


def test_a_url_that_stops_working_loses_no_other_row(tmp_path: Path) -> None:
    """After a finished run the next one records the row as failed; the other rows stay as they are."""
    site = tmp_path / "site"
    site.mkdir()
    Image.new("RGB", (8, 8), "red").save(site / "a.png")
    rows = [{"id": "a", "prompt": "x", "image": "a.png"}, {"id": "b", "prompt": "y"}]
    (site / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with folder_server(site) as address:
        job = job_of(tmp_path, [], manifest=f"{address}/rows.jsonl")
        assert run(job).summary.counts.ok == 4
        (site / "a.png").unlink()
        result = run(job)
    assert result.made == 0
    assert outcomes(result)["b", "ok"] == 2


def test_media_that_no_model_reads_may_be_missing(tmp_path: Path) -> None:
    """Only a path that the manifest may not read is a problem in every column."""
    model = {"path": "x", "pipeline": "tests.commands.test_bad_rows:TextOnly"}
    rows = [GOOD | {"video": "gone.mp4", "image": "broken.png"}]
    job = job_of(tmp_path, rows, models={"text": model})
    assert len(prepare(load_job(job)).plan) == 2
    with pytest.raises(ManifestError, match=r"gone\.mp4"):
        prepare(load_job(job_of(tmp_path, [GOOD | {"video": "../gone.mp4"}], models={"text": model})))


class TextOnly:
    """A plug-in that reads prompts alone."""

    def generate(self, requests: object) -> list[object]:
        """Never called, because the test only plans."""
        raise AssertionError
