"""A job of small samples, runs of it in processes, and the invariants that must hold after every fault."""

import hashlib
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
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
"""A run of these samples takes seconds, and one that loses three workers half a minute; on a machine that
does ten other things, many times that."""

IN_FLIGHT = 4
"""Most samples that one worker holds: one is generated, two wait to be finished, one is finished."""

INNOCENT = [{"id": f"r{index}", "prompt": f"prompt {index}"} for index in range(8)]


@dataclass(frozen=True)
class Before:
    """What stood when the fault was over: samples with a record, and how often each was generated."""

    committed: frozenset[str]
    generated: Mapping[str, int]


@dataclass
class World:
    """A folder with a manifest, a job and an output.

    Every row is ``slow`` in the fake's words, with a delay of next to nothing: the fake counts, in files, how
    often it was asked for each.

    Attributes:
        address: of a Ray cluster; None for one that the run starts.
        environment: what the runs are told besides this process's own.
        storage: what stands between the runs and an output on S3.
    """

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=lambda: list(INNOCENT))
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
        """Write manifest and job as they are now."""
        lines = (json.dumps(row) + "\n" for row in self.rows)
        (self.folder / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
        call = {"fault": "slow", "fault_times": 10**6, "fault_seconds": 0.02}
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

    def started(self, point: str = "", nth: int = 1) -> AbstractContextManager[Running]:
        """A run that goes on; it is ended with the block at the latest. What it says goes to ``log``."""
        return started(self.job, self.folder / "log", self.environment, point, nth)

    def log(self) -> str:
        """What all runs have said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def wait_for_records(self, count: int) -> None:
        """Wait until so many records were written by the run that goes on, or it has compacted them all."""
        until = time.monotonic() + PATIENCE_S
        while not self._has_records(count):
            assert time.monotonic() < until, f"never saw {count} records:\n{self.log()}"
            time.sleep(0.01 if self.storage is None else 0.2)

    def _has_records(self, count: int) -> bool:
        names = list(self.store.folder.names("records"))
        return len(names) >= count or any(not name.startswith("records/new/") for name in names)

    def before(self) -> Before:
        """What stands now."""
        committed = frozenset(self.store.records()["sample_id"].to_pylist())
        return Before(committed, {sample_id: self.generated(sample_id) for sample_id in committed})

    def generated(self, sample_id: str) -> int:
        """How often the fake was asked for a sample that has a record."""
        record = self.records()[sample_id]
        name = digest([record["prompt"], record["seed"], "slow"])[:16]
        return len(list((self.folder / "count").glob(f"{name}-*")))

    def records(self) -> dict[str, dict[str, Any]]:
        """Records by sample."""
        return {record["sample_id"]: record for record in self.store.records().to_pylist()}

    def digests(self) -> dict[str, str]:
        """Digest of each file among the videos."""
        folder = self.store.folder
        names = sorted(name for name in folder.names("videos") if name.endswith(".mp4"))
        return {name: hashlib.sha256(folder.read(name)).hexdigest() for name in names}


@contextmanager
def on_s3(world: World, seed: int) -> Iterator[None]:
    """The world's output is on an S3 that its strike may break, as long as the block lasts."""
    with faulty_s3(seed) as (storage, environment), pytest.MonkeyPatch.context() as own:
        for name, value in environment.items():
            own.setenv(name, value)
        world.output, world.environment, world.storage = "s3://bucket/out", environment, storage
        world.write()
        yield


def calm(folder: Path, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The digests of an undisturbed run of these rows."""
    world = World(folder, list(rows))
    assert world.run() == 0, world.log()
    return world.digests()


def broken(
    world: World,
    before: Before,
    undisturbed: Mapping[str, str],
    failed: Collection[str] = (),
    charged: int = 0,
) -> list[str]:
    """The invariants that do not hold after a fault and the run that followed it, in words.

    Args:
        undisturbed: digests of an undisturbed run of the innocent rows.
        failed: ids of the rows that cannot be made.
        charged: samples that may have needed a second attempt, because the fault killed what made them.
    """
    digests = world.digests()
    return [
        *_accounted(world, failed),
        *_kept(world, before),
        *(f"I3, I4: {finding}" for finding in verify(world.store) if finding),
        *_charged(world, failed, charged),
        *(
            f"I6: {name} differs from the undisturbed run's"
            for name, value in undisturbed.items()
            if digests.get(name, value) != value
        ),
    ]


def _accounted(world: World, failed: Collection[str]) -> Iterator[str]:
    status = read_status(world.store)
    if status.planned != status.ok + status.degenerate + status.failed + status.pending:
        yield f"I1: the counts do not add up: {status}"
    if (status.failed, status.pending) != (len(failed), 0):
        yield f"I1: {status.failed} failed and {status.pending} pending, where {len(failed)} cannot be made"


def _kept(world: World, before: Before) -> Iterator[str]:
    records = world.records()
    for sample_id in before.committed:
        if sample_id not in records:
            yield f"I2: the record of {sample_id[:12]} is lost"
        elif world.generated(sample_id) > before.generated[sample_id]:
            yield f"I2: {records[sample_id]['video']} was committed, and made again"
    twice = [sample_id for sample_id in records if world.generated(sample_id) > 1]
    if len(twice) > IN_FLIGHT:
        yield f"I2: {len(twice)} samples were made again, where {IN_FLIGHT} can have been in flight"


def _charged(world: World, failed: Collection[str], charged: int) -> Iterator[str]:
    attempts = {record["row_id"]: record["attempts"] for record in world.records().values()}
    for row_id in failed:
        if attempts[row_id] != 3:
            yield f"I5: row {row_id} was given up after {attempts[row_id]} attempts"
    innocent = [count for row_id, count in attempts.items() if row_id not in failed]
    if max(innocent) > 2 or innocent.count(2) > charged:
        yield f"I5: samples were charged that are innocent: {attempts}"
