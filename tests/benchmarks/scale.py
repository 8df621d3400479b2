"""What a million samples cost, without a GPU: ``python -m tests.benchmarks.scale WORK [NAME...]``.

Each measurement runs in a process of its own and imports what it needs, so that its memory is its own.
Outputs are made by writing plan and records directly: generating them is not what is measured. The figures go
to ``scale.json`` beside this file.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.rebuild import rebuild
from t2vbatch.commands.run import run_job
from t2vbatch.commands.status import read_status
from t2vbatch.engines import Ending, RunCallbacks
from t2vbatch.job import Job
from t2vbatch.output.record_log import SEGMENT_ROWS
from t2vbatch.output.store import open_store
from t2vbatch.plan import Unit
from t2vbatch.plan.stored import dump_plan
from tests.benchmarks.outputs import image_job, job_of, records_of, write_output, write_small, write_videos
from tests.benchmarks.slow_s3 import slow_s3

ROWS = 1_000_000
ON_S3 = 100_000
_FILE = Path(__file__).with_name("scale.json")

Figures = dict[str, float]


def plan_rows(work: Path) -> Figures:
    """Read a manifest of a million rows, plan it, and make the plan's file."""
    job = job_of(work, str(work / "none"), ROWS)
    return _timed(lambda: dump_plan(prepare(job).plan))


def plan_models(work: Path) -> Figures:
    """The same with three models."""
    job = job_of(work, str(work / "none"), ROWS, models=3)
    return _timed(lambda: dump_plan(prepare(job).plan))


def plan_images(work: Path) -> Figures:
    """Plan 100,000 rows with an image each again: an unchanged image is not opened."""
    job = image_job(work, str(work / "images-out"), ROWS // 10)
    _elsewhere(_write_first_plan, job)
    return _timed(lambda: prepare(job))


def resume_disk(work: Path) -> Figures:
    """Half of a million samples are finished, 4,000 records not folded: until the first new sample starts."""
    job = _killed_run(work, "half", ROWS, ROWS // 2)
    return _timed(lambda: _until_first_unit(job))


def resume_s3(work: Path) -> Figures:
    """100,000 of 200,000 samples are finished, on an S3 with 20 ms per request."""
    job = _killed_run(work, "s3/out", 2 * ON_S3, ON_S3)
    remote = job.model_copy(update={"output": "s3://bucket/out"})
    return _timed_on_s3(work / "s3", lambda: _until_first_unit(remote))


def status_disk(work: Path) -> Figures:
    """The status of a million finished samples, as ``t2vbatch status`` reads it."""
    store = open_store(_finished(work))
    return _timed(lambda: read_status(store))


def status_after_a_kill(work: Path) -> Figures:
    """The same where the last run was killed, so that the records are counted."""
    store = open_store(_finished(work))
    store.write_json("status.json", {"complete": False})
    return _timed(lambda: read_status(store))


def status_s3(work: Path) -> Figures:
    """The status of a million finished samples on an S3 with 20 ms per request."""
    _finished(work)
    return _timed_on_s3(work / "million", lambda: read_status(open_store("s3://bucket/out")))


def fold(work: Path) -> Figures:
    """Fold a million small records that lie in one folder."""
    job = _killed_run(work, "fold", ROWS, 0)
    _elsewhere(_write_small_records, job.output)
    return _timed(open_store(job.output).log.fold)


def fold_in_a_run(work: Path) -> Figures:
    """Fold 100,000 records as a run does: whenever a segment's rows are there. The sum of the folds."""
    rows = ROWS // 10
    job = _killed_run(work, "fold-in-a-run", rows, 0)
    store = open_store(job.output)
    records = records_of(store.read_plan(), rows)
    total = {"seconds": 0.0, "cpu_seconds": 0.0}
    for start in range(0, rows, SEGMENT_ROWS):
        write_small(store, records.slice(start, SEGMENT_ROWS))
        os.sync()
        one = _timed(store.log.fold)
        total = {name: round(seconds + one[name], 2) for name, seconds in total.items()}
    return total


def publish(work: Path) -> Figures:
    """Merge the segments of a million records, and write the tables, the summary and the report."""
    job = job_of(work, str(work / "publish"), ROWS)
    _elsewhere(_write_segments, job)
    store = open_store(job.output)
    plan = store.read_plan()
    with patch("t2vbatch.report.page.write_posters", return_value=set()):  # There are no videos.
        return _timed(lambda: rebuild(store, plan, job))


MEASUREMENTS: dict[str, Callable[[Path], Figures]] = {
    one.__name__: one
    for one in (
        plan_rows,
        plan_models,
        plan_images,
        resume_disk,
        resume_s3,
        status_disk,
        status_after_a_kill,
        status_s3,
        fold,
        fold_in_a_run,
        publish,
    )
}


class _ReachedError(Exception):
    """The run would hand out its first unit now."""


class _FirstUnit:
    """An engine that takes all that a worker needs of the first unit, and goes no further."""

    def run(
        self,
        units: Mapping[str, Sequence[Unit]],
        job: Job,
        factories: Mapping[str, Any],
        callbacks: RunCallbacks[Any],
    ) -> Ending:
        callbacks.payload(next(iter(units.values()))[0].positions[0])
        raise _ReachedError


def _until_first_unit(job: Job) -> None:
    with contextlib.suppress(_ReachedError):
        run_job(prepare(job), lambda job: _FirstUnit())


def _killed_run(work: Path, name: str, rows: int, done: int) -> Job:
    """The job of a new output that a killed run left with this many finished samples."""
    job = job_of(work, str(work / name), rows)
    _elsewhere(_write_killed_run, job, done)
    return job


def _write_killed_run(job: Job, done: int) -> None:
    shutil.rmtree(job.output, ignore_errors=True)
    plan = prepare(job).plan
    store = write_output(plan, job, done, small=min(done, 4_000))
    write_videos(store, plan, done)


def _write_first_plan(job: Job) -> None:
    prepared = prepare(job)
    with open_store(job.output).lease() as store:
        store.write_job(prepared.job)
        store.write_plan(prepared.plan)


def _write_segments(job: Job) -> None:
    shutil.rmtree(job.output, ignore_errors=True)
    plan = prepare(job).plan
    write_output(plan, job, len(plan))


def _write_small_records(output: str) -> None:
    store = open_store(output)
    plan = store.read_plan()
    write_small(store, records_of(plan, len(plan)))
    os.sync()  # The commits of a run are on the disk.


def _finished(work: Path) -> str:
    """An output of a million finished samples, without videos."""
    job = job_of(work, str(work / "million/out"), ROWS)
    store = open_store(job.output)
    if store.folder.size("plan.parquet") is None:
        _elsewhere(_write_finished, job)
    counts = {"planned": ROWS, "ok": ROWS, "degenerate": 0, "failed": 0, "failures": {}}
    store.write_json("status.json", {"complete": True, "counts": counts})
    return job.output


def _write_finished(job: Job) -> None:
    plan = prepare(job).plan
    write_output(plan, job, 0).rewrite(records_of(plan, len(plan)))


def _elsewhere(act: Callable[..., None], *arguments: Any) -> None:
    """Prepare an output in a process of its own, so that its memory does not count."""
    process = multiprocessing.get_context("spawn").Process(target=act, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0


def _timed(act: Callable[[], object]) -> dict[str, float]:
    """Seconds by the clock, seconds of CPU, and the most memory of this process, in GiB."""
    start, began = time.perf_counter(), time.process_time()
    act()
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(time.process_time() - began, 2),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def _timed_on_s3(folder: Path, act: Callable[[], object]) -> Figures:
    """As ``_timed`` beside a slow S3 with the files of a folder, and the CPU seconds of that server."""
    with slow_s3(folder) as server, patch.dict(os.environ, server.environment):
        before = server.cpu_seconds()
        found = _timed(act)
        return found | {"server_cpu_seconds": round(server.cpu_seconds() - before, 2)}


def main() -> None:
    """Measure, each in a process of its own, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="a folder for outputs of some gigabytes")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(MEASUREMENTS)}; default: all")
    parser.add_argument("--one", action="store_true", help="measure in this process, and print it")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.one:
        print(json.dumps(MEASUREMENTS[options.names[0]](options.work)))
        return
    found = json.loads(_FILE.read_text()) if _FILE.exists() else {}
    for name in options.names or MEASUREMENTS:
        command = [sys.executable, "-m", "tests.benchmarks.scale", str(options.work), name, "--one"]
        shown = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        machine = (
            f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, python {platform.python_version()}"
        )
        load = round(os.getloadavg()[0], 1)
        found[name] = json.loads(shown.splitlines()[-1]) | {"machine": machine, "load": load}
        print(f"{name:20} {found[name]}", flush=True)
        _FILE.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
