"""A job of small samples, its runs in processes, and the invariants that must hold after every fault."""

import hashlib
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from t2vbatch.canonical import digest
from t2vbatch.commands.status import read_status
from t2vbatch.commands.verify import verify
from t2vbatch.output.store import Store, open_store
from tests.faults.child import Running, started
from tests.faults.storage import Faulty, faulty_s3

PATIENCE_S = 900.0
"""A run of these samples takes seconds, and half a minute if it loses three workers; on a busy machine it
takes many times that."""

IN_FLIGHT = 4
"""Most samples that are generated again after a fault: those that one worker holds, and one more."""

GOOD_ROWS = [{"id": f"r{index}", "prompt": f"prompt {index}"} for index in range(8)]


@dataclass(frozen=True)
class Before:
    """The state after the fault: samples with a record, and how often each was generated."""

    committed: frozenset[str]
    generated: Mapping[str, int]


@dataclass
class JobUnderTest:
    """A folder with a manifest, a job and an output.

    Every row has the fake's fault ``slow`` with a short delay, because the fake counts, in files, how often
    each such row was generated. A shorter delay would let a worker hold more units than IN_FLIGHT.

    Attributes:
        address: of a Ray cluster; None: the run starts Ray itself.
        environment: variables of the runs in addition to this process's own.
        storage: the proxy between the runs and an output on S3.
    """

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=lambda: list(GOOD_ROWS))
    engine: str = "inline"
    workers: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    output: str = "out"
    address: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    storage: Faulty | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write()

    @property
    def job(self) -> Path:
        return self.folder / "job.yaml"

    @property
    def out(self) -> Path:
        return self.folder / self.output

    @property
    def store(self) -> Store:
        return open_store(self.output if "://" in self.output else str(self.out))

    def write(self) -> None:
        """Write the manifest and the job."""
        lines = (json.dumps(row) + "\n" for row in self.rows)
        (self.folder / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
        call = {"fault": "slow", "fault_times": 10**6, "fault_seconds": 0.06}
        fake = {"path": self.path or str(self.folder / "count"), "call": call}
        job: dict[str, Any] = {
            "manifest": "rows.jsonl",
            "output": self.output,
            "metrics": [],
            "engine": self.engine,
            "ray": {"address": self.address},
        }
        job |= {"models": {"fake": fake | {"pipeline": "t2vbatch.models.fake:FakeModel"}}}
        self.job.write_text(yaml.safe_dump(job | {"workers": {"count": 1, **self.workers}}))

    def run(self, point: str = "", nth: int = 1) -> int:
        """Run the job to its end in a process, and return its exit code."""
        with self.started(point, nth) as process:
            return process.wait(PATIENCE_S)

    def prune(self, point: str = "", nth: int = 1) -> int:
        """Delete the superseded samples in a process, and return its exit code."""
        arguments = ["prune", str(self.out), "--yes"]
        with started(arguments, self.folder / "log", self.environment, point, nth) as process:
            return process.wait(PATIENCE_S)

    def started(self, point: str = "", nth: int = 1) -> AbstractContextManager[Running]:
        """A run in progress, which ends with the block at the latest. Its output goes to ``log``."""
        return started(["run", str(self.job)], self.folder / "log", self.environment, point, nth)

    def log(self) -> str:
        """The output of all runs so far."""
        return (self.folder / "log").read_text(errors="replace")

    def wait_for_records(self, count: int) -> None:
        """Wait until the run in progress has written so many records, or has compacted all of them."""
        until = time.monotonic() + PATIENCE_S
        while not self._has_records(count):
            assert time.monotonic() < until, f"never saw {count} records:\n{self.log()}"
            time.sleep(0.01 if self.storage is None else 0.2)

    def _has_records(self, count: int) -> bool:
        names = list(self.store.folder.names("records"))
        return len(names) >= count or any(not name.startswith("records/new/") for name in names)

    def before(self) -> Before:
        """The present state."""
        committed = frozenset(self.store.records()["sample_id"].to_pylist())
        return Before(committed, {sample_id: self.generated(sample_id) for sample_id in committed})

    def generated(self, sample_id: str) -> int:
        """How often a sample with a record was generated."""
        record = self.records()[sample_id]
        name = digest([record["prompt"], record["seed"], "slow"])[:16]
        return len(list((self.folder / "count").glob(f"{name}-*")))

    def records(self) -> dict[str, dict[str, Any]]:
        """Records by sample."""
        return {record["sample_id"]: record for record in self.store.records().to_pylist()}

    def digests(self) -> dict[str, str]:
        """Digest of each video file."""
        folder = self.store.folder
        names = sorted(name for name in folder.names("videos") if name.endswith(".mp4"))
        return {name: hashlib.sha256(folder.read(name)).hexdigest() for name in names}


@contextmanager
def on_s3(job: JobUnderTest, seed: int) -> Iterator[None]:
    """Within the block, the job's output is on an S3 that the fault may break."""
    with faulty_s3(seed) as (storage, environment), pytest.MonkeyPatch.context() as own:
        for name, value in environment.items():
            own.setenv(name, value)
        job.output, job.environment, job.storage = "s3://bucket/out", environment, storage
        job.write()
        yield


def undisturbed_digests(folder: Path, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The digests of an undisturbed run of these rows."""
    job = JobUnderTest(folder, list(rows))
    assert job.run() == 0, job.log()
    return job.digests()


def broken(
    job: JobUnderTest,
    before: Before,
    undisturbed: Mapping[str, str],
    failed: Mapping[str, int] = MappingProxyType({}),
    charged: int = 0,
) -> list[str]:
    """The violated invariants after a fault and the run that followed it, as sentences.

    Args:
        undisturbed: digests of an undisturbed run of the good rows.
        failed: ids of the rows that cannot be generated, with their attempts.
        charged: samples that may have needed a second attempt, because the fault killed their worker.
    """
    digests = job.digests()
    return [
        *_accounted(job, failed),
        *_kept(job, before),
        *(f"I3, I4: {finding}" for finding in verify(job.store) if finding),
        *_charged(job, failed, charged),
        *(
            f"I6: {name} differs from the undisturbed run's"
            for name, value in undisturbed.items()
            if digests.get(name, value) != value
        ),
    ]


def _accounted(job: JobUnderTest, failed: Collection[str]) -> Iterator[str]:
    status = read_status(job.store)
    if status.planned != status.ok + status.degenerate + status.failed + status.pending:
        yield f"I1: the counts do not add up: {status}"
    if (status.failed, status.pending) != (len(failed), 0):
        yield f"I1: {status.failed} failed and {status.pending} pending; {len(failed)} have to fail"


def _kept(job: JobUnderTest, before: Before) -> Iterator[str]:
    records = job.records()
    for sample_id in before.committed:
        if sample_id not in records:
            yield f"I2: the record of {sample_id[:12]} is lost"
        elif job.generated(sample_id) > before.generated[sample_id]:
            yield f"I2: {records[sample_id]['video']} was committed, and generated again"
    twice = [sample_id for sample_id in records if job.generated(sample_id) > 1]
    if len(twice) > IN_FLIGHT:
        yield f"I2: {len(twice)} samples were generated again, where {IN_FLIGHT} can have been in flight"


def _charged(job: JobUnderTest, failed: Mapping[str, int], charged: int) -> Iterator[str]:
    attempts = {record["row_id"]: record["attempts"] for record in job.records().values()}
    for row_id, expected in failed.items():
        if attempts[row_id] != expected:
            yield f"I5: row {row_id} was quarantined after {attempts[row_id]} attempts"
    good = [count for row_id, count in attempts.items() if row_id not in failed]
    if max(good) > 2 or good.count(2) > charged:
        yield f"I5: good samples were charged: {attempts}"
