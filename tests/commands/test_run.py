"""Whole runs with the fake model: what is generated, what is kept, and which bytes are equal."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from t2vbatch.commands import status_file
from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import Result, run_job
from t2vbatch.commands.status import Status, read_status
from t2vbatch.commands.verify import verify
from t2vbatch.engines import Progress, engine_for, loop
from t2vbatch.errors import JobError, LeaseHeldError
from t2vbatch.job import load_job
from t2vbatch.output.store import open_store

_PROMPTS = [
    {"id": f"r{n}", "prompt": f"prompt {n}", "topic": "even" if n % 2 == 0 else "odd"} for n in range(4)
]


def _write(folder: Path, rows: Sequence[dict[str, Any]] = _PROMPTS, **changes: Any) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    model = {"path": str(folder / "faults"), "pipeline": "t2vbatch.models.fake:FakeModel"}
    job: dict[str, Any] = {"manifest": "rows.jsonl", "output": "out", "metrics": [], "engine": "inline"}
    job |= {"models": {"fake": model}, "samples": 2} | changes
    file = folder / "job.yaml"
    file.write_text(yaml.safe_dump(job), encoding="utf-8")
    return file


def _run(job: Path, *sets: str, retry_failed: bool = False) -> Result:
    return run_job(prepare(load_job(job, sets)), engine_for, retry_failed=retry_failed)


def _videos(output: str | Path) -> dict[str, str]:
    files = sorted(Path(output, "videos").rglob("*.mp4"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _results(output: str | Path) -> list[dict[str, Any]]:
    return list(pq.read_table(Path(output, "results.parquet")).to_pylist())


def test_a_run_makes_every_sample_and_every_table(tmp_path: Path) -> None:
    """4 rows x 2 indices give 8 videos, 8 rows of results, a summary and a report."""
    result = _run(_write(tmp_path))
    assert (result.made, result.summary.counts.ok, result.ending) == (8, 8, "finished")
    out = Path(result.output)
    assert len(_videos(out)) == 8
    assert {row["topic"] for row in _results(out)} == {"even", "odd"}
    assert [row["row_id"] for row in _results(out)] == [f"r{n // 2}" for n in range(8)]
    for name in ("job.yaml", "plan.parquet", "metadata.parquet", "summary.json", "report/index.html"):
        assert (out / name).exists(), name
    assert [finding for finding in verify(open_store(result.output)) if finding] == []


def test_every_file_of_an_output_is_documented(tmp_path: Path) -> None:
    """jobs/README.md names each file and folder that a run leaves in its output."""
    page = (Path(__file__).parents[2] / "jobs/README.md").read_text()
    section = page[page.index("## The output folder") :]
    names = {path.name for path in Path(_run(_write(tmp_path)).output).iterdir()} - {".staging"}
    assert {name for name in names if f"`{name}" not in section} == set()


def test_metadata_is_what_datasets_looks_for(tmp_path: Path) -> None:
    """metadata.parquet has the file_name of each ok video, relative to the folder."""
    out = Path(_run(_write(tmp_path)).output)
    names = pq.read_table(out / "metadata.parquet")["file_name"].to_pylist()
    assert len(names) == 8
    assert all((out / name).is_file() for name in names)


def test_a_second_run_makes_nothing(tmp_path: Path) -> None:
    """A second run starts no engine and changes no video."""
    job = _write(tmp_path)
    first = _run(job)
    before = {file: file.stat().st_mtime_ns for file in Path(first.output, "videos").rglob("*.mp4")}
    second = run_job(prepare(load_job(job)), _no_engine)
    assert second.made == 0
    assert before == {file: file.stat().st_mtime_ns for file in before}
    assert second.summary == first.summary


def _no_engine(job: object) -> Any:
    pytest.fail("an engine was started for nothing")


def test_changing_one_row_makes_what_it_touches(tmp_path: Path) -> None:
    """After an edit of a row, its two samples are generated, and their old videos leave ``videos/``."""
    before = _videos(_run(_write(tmp_path)).output)
    changed = [*_PROMPTS[:-1], {**_PROMPTS[-1], "prompt": "another prompt"}]
    result = _run(_write(tmp_path, changed))
    after = _videos(result.output)
    assert result.made == 2
    assert {name.partition("~")[0] for name in after.keys() - before.keys()} == {"r3-0", "r3-1"}
    assert {name.partition("~")[0] for name in before.keys() - after.keys()} == {"r3-0", "r3-1"}
    superseded = Path(result.output, "superseded/fake")
    assert {file.name for file in superseded.iterdir()} == before.keys() - after.keys()
    assert [finding for finding in verify(open_store(result.output)) if finding] == []


def test_a_row_that_comes_back_brings_its_video_back(tmp_path: Path) -> None:
    """Leaving a row out, or changing it there and back, costs no finished video."""
    before = _videos(_run(_write(tmp_path)).output)
    assert _run(_write(tmp_path, _PROMPTS[:3])).summary.counts.planned == 6
    assert _run(_write(tmp_path)).made == 0
    changed = [{**_PROMPTS[0], "prompt": "x"}, *_PROMPTS[1:]]
    assert _run(_write(tmp_path, changed)).made == 2
    again = _run(_write(tmp_path))
    assert again.made == 0
    assert _videos(again.output) == before
    assert [finding for finding in verify(open_store(again.output)) if finding] == []


def test_a_missing_video_is_made_again(tmp_path: Path) -> None:
    """A run looks for every finished video, and says whether the new file has the same bytes."""
    result = _run(_write(tmp_path))
    before = _videos(result.output)
    lost = sorted(Path(result.output).rglob("*.mp4"))[0]
    lost.unlink()
    again = _run(_write(tmp_path))
    assert (again.made, list(again.remade.values())) == (1, [True])
    assert _videos(again.output) == before


def test_changing_an_extra_column_changes_the_table_alone(tmp_path: Path) -> None:
    """After an edit of an extra column, the results have its new values, and no video is generated."""
    _run(_write(tmp_path))
    result = _run(_write(tmp_path, [{**row, "topic": "new"} for row in _PROMPTS]))
    assert result.made == 0
    assert {row["topic"] for row in _results(result.output)} == {"new"}


def test_adding_a_model_makes_its_samples_alone(tmp_path: Path) -> None:
    """After a model was added, the videos of the first model are kept."""
    job = _write(tmp_path)
    _run(job)
    spec = "{path: y, pipeline: 't2vbatch.models.fake:FakeModel', call: {num_frames: 4}}"
    result = _run(job, f"models.second={spec}")
    assert result.made == 8
    rows = _results(result.output)
    assert {row["num_frames"] for row in rows if row["model"] == "second"} == {4}
    seeds = {(row["row_id"], row["sample_index"]): row["seed"] for row in rows if row["model"] == "fake"}
    assert all(seeds[row["row_id"], row["sample_index"]] == row["seed"] for row in rows)


def test_equal_samples_are_one_video(tmp_path: Path) -> None:
    """A model under two names is generated once, and both names have all their rows."""
    job = _write(tmp_path)
    spec = {"path": "elsewhere", "pipeline": "t2vbatch.models.fake:FakeModel"}
    result = _run(job, f"models.twin={json.dumps(spec)}")
    assert len(_videos(result.output)) == 8
    assert {name: model.counts.ok for name, model in zip("ab", result.summary.models, strict=True)} == {
        "a": 8,
        "b": 8,
    }
    assert [finding for finding in verify(open_store(result.output)) if finding] == []
    assert read_status(open_store(result.output)).ok == 16


def test_a_renamed_model_keeps_its_videos(tmp_path: Path) -> None:
    """A model that gets another name keeps its videos."""
    job = _write(tmp_path)
    _run(job)
    spec = {"path": "elsewhere", "pipeline": "t2vbatch.models.fake:FakeModel"}
    result = _run(_write(tmp_path, models={"renamed": spec}))
    assert (result.made, result.summary.counts.ok) == (0, 8)
    assert {row["model"] for row in _results(result.output)} == {"renamed"}


def test_what_shared_a_video_keeps_it_when_the_other_model_changes(tmp_path: Path) -> None:
    """No record names a file of another sample."""
    spec = {"path": "x", "pipeline": "t2vbatch.models.fake:FakeModel"}
    both = {"a": spec, "b": spec}
    _run(_write(tmp_path, models=both))
    result = _run(_write(tmp_path, models={**both, "a": {**spec, "call": {"num_frames": 4}}}))
    assert result.made == 8
    frames = {(row["model"], row["num_frames"]) for row in _results(result.output)}
    assert frames == {("a", 4), ("b", 8)}
    assert [finding for finding in verify(open_store(result.output)) if finding] == []


def test_a_failing_row_is_recorded_and_stops_nothing(tmp_path: Path) -> None:
    """A failing row is recorded after three attempts with its error, and the other rows are generated."""
    rows = [*_PROMPTS, {"id": "bad", "prompt": "x [fault:raise]"}]
    result = _run(_write(tmp_path, rows))
    counts = result.summary.counts
    assert (counts.planned, counts.ok, counts.failed, counts.pending) == (10, 8, 2, 0)
    failed = [row for row in _results(result.output) if row["status"] == "failed"]
    assert {(row["row_id"], row["attempts"], row["error_type"]) for row in failed} == {("bad", 3, "RowError")}
    assert "Traceback" in failed[0]["traceback"]
    assert failed[0]["video"] is None


def test_a_failed_sample_is_tried_again_only_when_asked(tmp_path: Path) -> None:
    """The next run skips a failed sample; --retry-failed retries it."""
    job = _write(tmp_path, [{"id": "bad", "prompt": "x [fault:raise x3]"}], samples=1)
    assert _run(job).summary.counts.failed == 1
    assert _run(job).made == 0
    again = _run(job, retry_failed=True)
    assert (again.made, again.summary.counts.ok) == (1, 1)
    assert _results(again.output)[0]["attempts"] == 1


def test_output_that_shows_nothing_is_degenerate(tmp_path: Path) -> None:
    """Black frames and NaN are degenerate, with the reason, and never ok."""
    rows = [{"id": "a", "prompt": "x [fault:black]"}, {"id": "b", "prompt": "x [fault:nan]"}]
    result = _run(_write(tmp_path, rows, samples=1))
    assert result.summary.counts.degenerate == 2
    found = {row["row_id"]: row for row in _results(result.output)}
    assert "black" in found["a"]["error"]
    assert found["a"]["video"] is not None
    assert "NaN" in found["b"]["error"]
    assert found["b"]["video"] is None


def test_retrying_in_float32_is_part_of_the_identity(tmp_path: Path) -> None:
    """The key retry_degenerate changes the identity, because the retry may give other pixels."""
    rows = [{"id": "a", "prompt": "x [fault:black]"}]
    job = _write(tmp_path, rows, samples=1)
    before = prepare(load_job(job)).plan.sample(0).sample_id
    half = ("models.fake.dtype=float16", "models.fake.retry_degenerate=float32")
    assert prepare(load_job(job, half[:1])).plan.sample(0).sample_id == before
    assert prepare(load_job(job, half)).plan.sample(0).sample_id != before
    row = _results(_run(job, *half).output)[0]
    assert row["status"] == "degenerate"
    assert "black" in row["retry_reason"]
    with pytest.raises(JobError, match="would give the same video"):
        load_job(job, half[1:])


def test_partial_units_are_padded(tmp_path: Path) -> None:
    """With batch 3, the videos of 4 rows do not change when a fifth row shares their units."""
    batch = {"fake": {"path": "x", "pipeline": "t2vbatch.models.fake:FakeModel", "batch": 3}}
    few = _videos(_run(_write(tmp_path, models=batch, samples=1)).output)
    rows = [{"id": "first", "prompt": "new"}, *_PROMPTS]
    many = _videos(_run(_write(tmp_path, rows, models=batch, samples=1), f"output={tmp_path}/more").output)
    assert few.items() <= many.items()


def test_results_survive_a_column_of_the_same_name(tmp_path: Path) -> None:
    """A manifest's own 'status' column keeps its values under another name."""
    result = _run(_write(tmp_path, [{"prompt": "x", "status": "mine", "manifest_status": "too"}]))
    row = _results(result.output)[0]
    assert row["status"] == "ok"
    assert row["manifest_status"] == "mine"
    assert row["manifest_manifest_status"] == "too"


@pytest.mark.parametrize("damage", ["content", "missing", "table", "stranger"])
def test_verify_finds_what_is_wrong(tmp_path: Path, damage: str) -> None:
    """A changed byte, a missing file, a stale table and a file without a record are reported."""
    out = Path(_run(_write(tmp_path)).output)
    file = next(out.glob("videos/fake/r0-0~*.mp4"))
    match damage:
        case "content":
            data = bytearray(file.read_bytes())
            data[-100] ^= 1
            file.write_bytes(bytes(data))
        case "missing":
            file.unlink()
        case "table":
            results = pq.read_table(out / "results.parquet")
            pq.write_table(results.slice(1), out / "results.parquet")
        case _:
            (out / "videos/fake/who.mp4").write_bytes(b"x")
    findings = [finding for finding in verify(open_store(str(out))) if finding]
    assert len(findings) == 1, findings
    assert {"table": "results.parquet", "stranger": "who.mp4"}.get(damage, "r0-0~") in findings[0].place


def test_status_tells_from_the_files_alone(tmp_path: Path) -> None:
    """planned = ok + degenerate + failed + pending in status, also after a manifest has grown."""
    rows = [*_PROMPTS, {"id": "bad", "prompt": "x [fault:raise]"}]
    result = _run(_write(tmp_path, rows))
    status = read_status(open_store(result.output))
    assert (status.planned, status.ok, status.failed, status.pending) == (10, 8, 2, 0)
    assert status.failures == {"RowError": 2}
    assert status.writer is None


def test_a_killed_driver_costs_what_was_being_made(tmp_path: Path) -> None:
    """After SIGKILL at a random moment the next run ends with the bytes of an undisturbed one."""
    rows = [{"id": f"r{n}", "prompt": f"{n}", "fault": "slow", "fault_seconds": 0.15} for n in range(12)]
    undisturbed = _videos(_run(_write(tmp_path, rows), f"output={tmp_path}/calm").output)
    job, out = _write(tmp_path, rows), tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-m", "t2vbatch", "run", str(job)], env=_quiet())
    deadline = time.monotonic() + 120
    while len(list(out.glob("records/new/*.json"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    made_before = len(list(out.glob("records/new/*.json")))
    assert 5 <= made_before < 24
    result = _run(job)
    assert result.made == 24 - made_before
    assert _videos(out) == undisturbed
    assert [finding for finding in verify(open_store(str(out))) if finding] == []


def test_status_tells_of_a_run_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """status shows who writes, the number of workers, and the age of the last report."""
    monkeypatch.setattr(status_file, "_EVERY_S", 0.0)
    monkeypatch.setattr(loop, "REPORT_S", 0.0)
    seen: list[Status] = []

    def look(progress: Progress) -> None:
        if progress.ok == 3:
            seen.append(read_status(open_store(str(tmp_path / "out"))))

    run_job(prepare(load_job(_write(tmp_path))), engine_for, look)
    status = seen[0]
    assert (status.planned, status.ok) == (8, 3)
    assert status.writer is not None
    assert f"process {os.getpid()}" in status.writer
    assert status.steps == 0
    assert status.heard_s is not None
    assert 0 <= status.heard_s < 60


def test_a_run_that_lost_its_lease_stops_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with the name of the new holder, and changes none of the new holder's files."""
    monkeypatch.setattr(loop, "REPORT_S", 0.0)
    out = tmp_path / "out"
    holder = {"host": "elsewhere", "machine": "another", "pid": 1, "born": "1"}
    taken = holder | {"token": "t", "started_at": "then", "beat": 3}
    before: dict[str, bytes] = {}

    def take_over(progress: Progress) -> None:
        if progress.ok == 3 and not before:
            (out / "lease.json").write_text(json.dumps(taken))
            # Writes that passed their check before the lease changed may still be under way.
            while before != (now := _files(out)):
                before.clear()
                before.update(now)
                time.sleep(1)

    with pytest.raises(LeaseHeldError, match="process 1 on elsewhere"):
        run_job(prepare(load_job(_write(tmp_path))), engine_for, take_over)
    assert 3 <= len([name for name in before if name.startswith("records/new/")]) < 8
    assert _files(out) == before


def _files(folder: Path) -> dict[str, bytes]:
    found = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {name: file.read_bytes() for name, file in found.items() if not name.startswith(".staging/")}


def test_an_object_store_is_an_output_like_any_other(tmp_path: Path, s3: str) -> None:
    """A run on S3 gives the bytes of a local run, and verify and status work on it."""
    local = _videos(_run(_write(tmp_path)).output)
    remote = f"output={s3}/some/prefix"
    assert _run(_write(tmp_path), remote).made == 8
    assert _run(_write(tmp_path), remote).made == 0
    store = open_store(f"{s3}/some/prefix")
    assert [finding for finding in verify(store) if finding] == []
    assert read_status(store).ok == 8
    digests = store.read_table("results.parquet")["video_sha256"].to_pylist()
    assert sorted(digests) == sorted(local.values())


def _quiet() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}
