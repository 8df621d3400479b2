"""Runs the soak: the job, its disturbances, and the checks afterwards."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from t2vbatch.commands.status import read_status
from t2vbatch.commands.verify import verify
from t2vbatch.errors import StoreError
from t2vbatch.output.store import Store, open_store
from tests.faults.storage import faulty_s3
from tests.soak.measure import Growth, Measure, growths, measure
from tests.soak.rows import SLOW_S, make_rows, write_media, wrong_outcomes

SAMPLES_PER_KILL = 1500
"""A worker is killed (SIGKILL) after so many samples, and at least one in each soak."""

EVERY_S = 5.0
"""Seconds between two measures."""

END_S = 60.0
"""A process of the run that lives so long after its driver was left behind."""

SPOT_CHECKS = 40
"""Plain rows whose videos are compared with those of an undisturbed run."""

_MODELS = {
    "small": {"num_frames": 4, "height": 32, "width": 32},
    "large": {"num_frames": 6, "height": 48, "width": 64},
}
_CALL = {"fault": "slow", "fault_times": 10**6, "fault_seconds": SLOW_S}


@dataclass(frozen=True)
class Report:
    """What a soak found.

    Attributes:
        facts: what ran, as lines.
        broken: what does not hold, as sentences.
    """

    facts: tuple[str, ...]
    growths: tuple[Growth, ...]
    broken: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether something grew beyond its slack, or an invariant does not hold."""
        return bool(self.broken) or any(growth.too_much for growth in self.growths)

    def __str__(self) -> str:
        head = f"{'':44} {'beginning':>10} {'end':>10} {'slack':>8} {'equal':>6}"
        broken = self.broken or ("every invariant holds",)
        return "\n".join([*self.facts, head, *(str(growth) for growth in self.growths), *broken])


def soak(folder: Path, samples: int, seed: int, show: Callable[[str], None] = lambda line: None) -> Report:
    """Generate so many samples of two models while rows, workers and the storage fail.

    Args:
        folder: empty; its path must be short, because Ray's sockets are in it.
    """
    work = folder / "set"
    work.mkdir()
    write_media(work)
    rows = make_rows(max(1, samples // len(_MODELS)), seed)
    planned, kills = len(rows) * len(_MODELS), max(1, samples // SAMPLES_PER_KILL)
    with faulty_s3(seed) as (storage, environment), pytest.MonkeyPatch.context() as own:
        for name, value in environment.items():
            own.setenv(name, value)
        _write_job(work, rows, "s3://bucket/out", "ray")
        storage.refused, storage.lost, storage.reset, storage.slow = 0.02, 0.01, 0.01, 0.002
        start, store = time.monotonic(), open_store("s3://bucket/out")
        code, measures, left = _run(work, environment, store, kills, planned, seed, show)
        seconds = time.monotonic() - start
        storage.refused = storage.lost = storage.reset = storage.slow = 0.0
        broken = [*left, *_broken(work, store, code, rows)]
        repeated = sum(1 for count in _generated(work).values() if count > len(_MODELS))
    facts = (
        f"{planned} samples, {seconds / 60:.0f} min, {kills} workers killed, "
        f"{storage.injected} requests to the storage failed, {repeated} rows were generated again",
    )
    return Report(facts, tuple(growths(measures, planned)), tuple(broken))


def _write_job(work: Path, rows: list[dict[str, Any]], output: str, engine: str) -> Path:
    (work / f"{engine}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fake = {"path": str(work / f"count-{engine}"), "pipeline": "t2vbatch.models.fake:FakeModel"}
    job = {
        "manifest": f"{engine}.jsonl",
        "output": output,
        "on_bad_row": "record",
        "metrics": [],
        "engine": engine,
        "models": {name: fake | {"call": call | _CALL} for name, call in _MODELS.items()},
        "workers": {"count": 3, "timeout_s": 60.0, "finish": 2},
    }
    path = work / f"{engine}.yaml"
    path.write_text(yaml.safe_dump(job))
    return path


def _run(
    work: Path,
    environment: Mapping[str, str],
    store: Store,
    kills: int,
    planned: int,
    seed: int,
    show: Callable[[str], None],
) -> tuple[int, list[Measure], list[str]]:
    """Run the job to its end; its exit code, the measures, and what it left behind."""
    temporary, rays = work.parent / "tmp", work.parent / "ray"
    temporary.mkdir()
    own = dict(os.environ) | dict(environment) | {"TMPDIR": str(temporary), "RAY_TMPDIR": str(rays)}
    chosen = random.Random(seed)
    measures: list[Measure] = []
    known: set[psutil.Process] = set()
    with (work / "log").open("wb") as log:
        command = [sys.executable, "-m", "t2vbatch", "run", str(work / "ray.yaml")]
        with subprocess.Popen(command, env=own, stdout=log, stderr=log) as process:
            driver = psutil.Process(process.pid)
            start, killed = time.monotonic(), 0
            while process.poll() is None:
                time.sleep(EVERY_S)
                found = measure(driver, temporary, time.monotonic() - start, _finished(store))
                if found is None:
                    continue
                measures.append(found)
                show(_line(found))
                known |= _below(driver)
                due = found.finished >= (killed + 1) * planned / (kills + 1)
                if found.workers and killed < kills and due:
                    os.kill(chosen.choice(found.workers).pid, signal.SIGKILL)
                    killed += 1
    return process.returncode, measures, [*_left(temporary, known)]


def _below(driver: psutil.Process) -> set[psutil.Process]:
    try:
        return set(driver.children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def _left(temporary: Path, known: set[psutil.Process]) -> Iterator[str]:
    """Processes and temporary files that the run left behind."""
    _, alive = psutil.wait_procs(list(known), timeout=END_S)
    for process in alive:
        yield f"the process {process.pid} ({process.name()}) was left behind"
    for path in sorted(temporary.iterdir()):
        if path.name.startswith("torchinductor_"):
            continue  # torch creates this empty cache when it is imported.
        yield f"the temporary file {path.name} was left behind"


def _finished(store: Store) -> int:
    """Samples with a result in this run, by status.json."""
    try:
        progress = store.read_json("status.json").get("this_run", {})
    except (FileNotFoundError, StoreError):
        return 0
    return int(sum(progress.get(status, 0) for status in ("ok", "degenerate", "failed")))


def _line(found: Measure) -> str:
    workers = " ".join(f"{usage.rss_bytes >> 20}/{usage.handles}" for usage in found.workers)
    return (
        f"{found.at_s:7.0f} s {found.finished:6} finished, driver {found.driver.rss_bytes >> 20} MiB "
        f"{found.driver.handles} handles {found.driver.threads} threads, workers {workers}, "
        f"{found.processes} processes, {found.scratch_folders} scratch folders, {found.staged} staged, "
        f"{found.temporary} other temporary files"
    )


def _broken(work: Path, store: Store, code: int, rows: list[dict[str, Any]]) -> Iterator[str]:
    """The invariants that do not hold after the run."""
    log = (work / "log").read_text(errors="replace")
    if code != 3:
        yield f"exit code {code}, not 3:\n{log[-4000:]}"
        return
    status = read_status(store)
    if (status.ok + status.degenerate + status.failed, status.pending) != (status.planned, 0):
        yield f"the counts do not add up: {status}"
    records = store.records().to_pylist()
    if len(records) != len(rows) * len(_MODELS):
        yield f"{len(records)} records of {len(rows) * len(_MODELS)} samples"
    yield from wrong_outcomes(records)
    yield from (str(problem) for problem in verify(store) if problem)
    yield from _other_bytes(work, records, rows)


def _generated(work: Path) -> Mapping[str, int]:
    """How often each plain row was generated by all models: the fake leaves a file each time."""
    counts: dict[str, int] = {}
    for path in (work / "count-ray").iterdir():
        name = path.name.rpartition("-")[0]
        counts[name] = counts.get(name, 0) + 1
    return counts


def _other_bytes(work: Path, records: list[dict[str, Any]], rows: list[dict[str, Any]]) -> Iterator[str]:
    """Videos that differ from those of an undisturbed run in one process."""
    plain = [row for row in rows if row["id"].startswith("plain-")][:SPOT_CHECKS]
    job = _write_job(work, plain, "undisturbed", "inline")
    command = [sys.executable, "-m", "t2vbatch", "run", str(job)]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode not in (0, 3):
        yield f"the undisturbed run failed: {ended.stderr}"
        return
    found = {record["sample_id"]: (record["status"], record["video_sha256"]) for record in records}
    for record in open_store(str(work / "undisturbed")).records().to_pylist():
        if found.get(record["sample_id"]) != (record["status"], record["video_sha256"]):
            yield f"{record['video']} differs from that of an undisturbed run"
