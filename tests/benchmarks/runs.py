"""Runs of whole jobs with the fake model, in fresh processes: what everything around the model costs."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from t2vbatch.job import load_job
from tests.benchmarks.figures import Figure

SLEEP_S = 0.5
_WORKER = "ray::_Actor"
NULL_SAMPLES, SLEEP_SAMPLES, MEMORY_SAMPLES = 2000, 60, 20_000


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        wall_s: wall time of the command.
        span_s: time from the start of the first worker to the last record; the rest is the command's start
            and end.
        cpu_s: CPU time of all processes, the driver included.
        driver_cpu_s: CPU time of the driver.
        driver_bytes: largest resident size of the driver.
        running_bytes: the same while Ray workers run; 0 without Ray.
        seconds: stage: its seconds, summed over all samples.
    """

    samples: int
    wall_s: float
    span_s: float
    cpu_s: float
    driver_cpu_s: float
    driver_bytes: int
    running_bytes: int
    seconds: Mapping[str, float]


def null_model(samples: int = NULL_SAMPLES) -> Iterator[Figure]:
    """8 frames of 64x64 from a model that takes no time: files and records of every sample."""
    cores = len(os.sched_getaffinity(0))
    for engine, workers in (("inline", 1), ("ray", cores)):
        run = _run(samples, {"engine": engine, "workers": {"count": workers}}, {})
        used = 1 if engine == "inline" else cores
        value = 1000 * run.span_s * used / samples
        yield Figure(f"null model, {samples} samples, {engine}", value, 15.0, "ms/sample/core", vars(run))
        if engine == "ray":
            yield _driver(run, _run(samples // 10, {"engine": engine, "workers": {"count": workers}}, {}))


def _driver(large: Measured, small: Measured) -> Figure:
    """What each sample adds to the driver: the difference of two runs has no start and no end in it."""
    more = large.samples - small.samples
    driver = 1000 * (large.driver_cpu_s - small.driver_cpu_s) / more
    bytes_each = (large.driver_bytes - small.driver_bytes) / more
    details = {"large": vars(large), "small": vars(small), "bytes_each": bytes_each}
    return Figure(f"driver's CPU, {large.samples} samples, ray", driver, 2.0, "ms/sample", details)


def driver_memory(samples: int = MEMORY_SAMPLES) -> Iterator[Figure]:
    """The driver's memory while workers generate, against that of a tenth of the samples. The end of the run,
    which reads all records, does not count."""
    workers = {"count": len(os.sched_getaffinity(0))}
    call = {"num_frames": 2, "height": 32, "width": 32}
    small, large = (
        _run(count, {"engine": "ray", "workers": workers}, call) for count in (samples // 10, samples)
    )
    name = f"driver's memory while workers generate, {samples} samples / {samples // 10} samples"
    details = {"large": vars(large), "small": vars(small)}
    yield Figure(name, large.running_bytes / small.running_bytes, 1.1, "", details)


def sleeping_model(samples: int = SLEEP_SAMPLES) -> Iterator[Figure]:
    """49 frames of 480x720 from a model that sleeps: the wall against the larger of generation and CPU
    work."""
    call = {"num_frames": 49, "height": 480, "width": 720, "fault": "slow", "fault_seconds": SLEEP_S}
    scored = {"metrics": ["clip_score"], "clip": {"path": "bundled:shapes"}}
    for name, more in (("no scores", {"metrics": []}), ("CLIP score", scored)):
        run = _run(samples, {"engine": "ray", "workers": {"count": 1}, **more}, call)
        cores = len(os.sched_getaffinity(0))
        bound = max(run.seconds["generate"], run.cpu_s / cores)
        yield Figure(f"sleeping model, {name}: wall / bound", run.span_s / bound, 1.1, "", vars(run))
        yield Figure(f"sleeping model, {name}: CPU", run.cpu_s / samples, 1.5, "s/video", vars(run))


def _run(samples: int, changes: Mapping[str, Any], call: Mapping[str, Any]) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = (json.dumps({"id": f"r{index}", "prompt": f"prompt {index}"}) for index in range(samples))
        (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
        fake = {
            "path": str(folder / "count"),
            "pipeline": "t2vbatch.models.fake:FakeModel",
            "call": dict(call),
        }
        job = {"manifest": "rows.jsonl", "output": "out", "metrics": [], "models": {"fake": fake}} | dict(
            changes
        )
        (folder / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
        start = time.perf_counter()
        with _command(folder / "job.yaml") as usage:
            pass
        return _measured(folder, samples, time.perf_counter() - start, usage)


@dataclass
class _Usage:
    cpu_s: float = 0.0
    driver_cpu_s: float = 0.0
    driver_bytes: int = 0
    running_bytes: int = 0


@contextmanager
def _command(job: Path) -> Iterator[_Usage]:
    """Run the command to its end, and watch the CPU time and memory of its processes."""
    usage = _Usage()
    spent: dict[int, float] = {}
    command = [sys.executable, "-m", "t2vbatch", "run", str(job), "--json"]
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        members = [process, *_children(process)]
        for member in members:
            spent[member.pid] = max(spent.get(member.pid, 0.0), _cpu_s(member))
        usage.driver_cpu_s = spent[process.pid]
        resident = _resident(process)
        usage.driver_bytes = max(usage.driver_bytes, resident)
        if any(_name(member) == _WORKER for member in members):
            usage.running_bytes = max(usage.running_bytes, resident)
        time.sleep(0.2)
    # One of some thousand fake videos stands still by chance, and is degenerate.
    assert process.returncode in (0, 3), f"{job} ended with code {process.returncode}"
    usage.cpu_s = sum(spent.values())
    yield usage


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def _cpu_s(process: psutil.Process) -> float:
    """CPU seconds of a process and of its children that have ended; those of ffmpeg count there alone."""
    try:
        if _name(process).startswith("ffmpeg"):
            return 0.0
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    except psutil.NoSuchProcess:
        return 0.0


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _measured(folder: Path, samples: int, wall_s: float, usage: _Usage) -> Measured:
    output = Path(load_job(folder / "job.yaml").output)
    results = pq.read_table(output / "results.parquet").to_pydict()
    assert len(results["status"]) == samples
    assert set(results["status"]) <= {"ok", "degenerate"}
    stages = ("wait", "generate", "convert", "encode", "verify", "commit", "score")
    seconds = {name: sum(value or 0.0 for value in results[f"{name}_s"]) for name in stages}
    first = min(start.timestamp() for start in results["started_at"]) - max(results["wait_s"])
    span_s = max(end.timestamp() for end in results["finished_at"]) - first
    return Measured(samples, wall_s, span_s, **vars(usage), seconds=seconds)
