"""The faults: each breaks a run in one way, and ends when nothing runs any more; then comes one more run."""

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.faults.points import POINTS
from tests.faults.world import INNOCENT, PATIENCE_S, World

Strike = Callable[[World, int], None]
"""Breaks a run; the number counts the tries."""


@dataclass(frozen=True)
class Fault:
    """One way to break a run.

    Attributes:
        times: how often it is tried.
        world: what differs from the plain World.
        failed: ids of the rows that cannot be made whatever one does.
        charged: samples that a death may cost an attempt.
        quick: whether it belongs into every test run.
    """

    name: str
    strike: Strike
    times: int = 1
    world: Mapping[str, Any] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    charged: int = 0
    quick: bool = False


def nothing(world: World, number: int) -> None:
    """The fault is in the rows."""


def kill_driver(world: World, number: int) -> None:
    """SIGKILL after a random number of records and a random moment more."""
    moment = random.Random(number)
    _kill_after(world, moment.randrange(len(world.rows)), moment.uniform(0.0, 0.3))


def _kill_after(world: World, records: int, delay_s: float = 0.0) -> None:
    with world.started() as process:
        world.wait_for_records(records)
        time.sleep(delay_s)
        process.kill()


def at(point: str, nth: int = 3, codes: tuple[int, ...] = (-signal.SIGKILL,)) -> Strike:
    """Strike at the nth pass of a point; ``codes`` are how that run may end."""

    def strike(world: World, number: int) -> None:
        code = world.run(point, nth)
        assert code in codes, f"exit code {code}:\n{world.log()}"
        assert (world.folder / "struck").exists(), f"never came to {point}"

    return strike


def interrupt(number_of_signals: int, kind: signal.Signals) -> Strike:
    """Interrupt as a person or a cluster does."""

    def strike(world: World, number: int) -> None:
        with world.started() as process:
            world.wait_for_records(3)
            for _ in range(number_of_signals):
                process.send_signal(kind)
                time.sleep(0.3)
            assert process.wait(PATIENCE_S) in (130, 0)

    return strike


def second_driver(world: World, number: int) -> None:
    """Refused, with the name of the first, while that one's heart beats."""
    with world.store.lease():
        assert world.run() == 1, world.log()
    assert "is being written by another run: process" in world.log()


def suspended_driver(world: World, number: int) -> None:
    """Suspended until one elsewhere has taken over and finished, it wakes up and writes nothing more."""
    with world.started() as first:
        world.wait_for_records(3)
        first.send_signal(signal.SIGSTOP)
        assert world.run() == 1, world.log()
        assert "it is suspended: let it go on" in world.log()
        lease = world.store.read_json("lease.json")
        world.store.write_json("lease.json", lease | {"machine": "another"})
        assert world.run() == 0, world.log()
        finished = {file: file.read_bytes() for file in world.out.rglob("*") if file.is_file()}
        first.send_signal(signal.SIGCONT)
        assert first.wait(PATIENCE_S) == 1, world.log()
    changed = [
        str(file)
        for file, data in finished.items()
        if ".staging" not in str(file) and file.read_bytes() != data
    ]
    assert "the lease of this run was taken over" in world.log()
    assert changed == [], changed


@contextmanager
def _mounted(world: World, *arguments: str) -> Iterator[None]:
    """Something else where the output is; needs root."""
    world.out.mkdir(exist_ok=True)
    subprocess.run(["mount", *arguments, str(world.out)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(world.out)], check=True)


def full_disk(world: World, number: int) -> None:
    """The disk fills up in the middle; what was finished is brought to one with room."""
    kept = world.folder / "kept"
    with _mounted(world, "-t", "tmpfs", "-o", "size=200k", "tmpfs"):
        assert world.run() == 1, world.log()
        shutil.copytree(world.out, kept)
    world.out.rmdir()
    kept.rename(world.out)
    assert "no space is left" in world.log()


def read_only(world: World, number: int) -> None:
    """The output may no longer be written."""
    _kill_after(world, 3)
    with _mounted(world, "--bind", str(world.out)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(world.out)], check=True)
        assert world.run() == 1, world.log()
    assert "not allowed" in world.log()


def torn_files(world: World, number: int) -> None:
    """What a dead machine leaves: half a video under its name, half files in staging and drafts."""
    _kill_after(world, 3)
    (world.out / ".staging").mkdir(exist_ok=True)
    (world.out / ".staging" / "torn").write_bytes(b"half")
    (world.out / "drafts").mkdir(exist_ok=True)
    (world.out / "drafts" / f"{'0' * 64}.json").write_bytes(b'{"sample_id": ')
    (world.out / "videos/fake/r7-0.mp4").write_bytes(b"half a video")


def damaged(pattern: str) -> Strike:
    """A file is cut off; the run says which one, and leaves everything as it is until the file is mended."""

    def strike(world: World, number: int) -> None:
        _kill_after(world, 3)
        if pattern.startswith("records/all"):
            world.store.compact()
        file = next(iter(sorted(world.out.glob(pattern))))
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        assert world.run() == 1, world.log()
        assert f"{file.name} is damaged" in world.log()
        file.write_bytes(whole)

    return strike


def damaged_results(world: World, number: int) -> None:
    """A cut table is made again from the records."""
    assert world.run() == 0, world.log()
    file = world.out / "results.parquet"
    file.write_bytes(file.read_bytes()[:100])


def edited_manifest(world: World, number: int) -> None:
    """Between two runs rows change places, one goes, one is there twice without an id, one is new."""
    _kill_after(world, 3 + number)
    twice = {"prompt": "without an id"}
    world.rows = [*reversed(world.rows[1:]), twice, twice, {"id": "new", "prompt": "new"}]
    world.write()


_RAY = {"engine": "ray"}
_TIMED = {"engine": "ray", "workers": {"timeout_s": 10.0}}


def _bad(prompt: str) -> dict[str, Any]:
    return {"rows": [*INNOCENT, {"id": "bad", "prompt": f"x [fault:{prompt}]"}]}


_BAD = frozenset({"bad"})

_KILLS = [name for name in POINTS if "fails" not in name]
_IN_COMPACTION = {"before compaction": 1, "during compaction": 3, "after compaction": 1}
_QUICK = {"between video and record", "during compaction"}

FAULTS: tuple[Fault, ...] = (
    Fault("driver killed at a random moment", kill_driver, 20),
    Fault("driver of Ray workers killed", kill_driver, 2, _RAY),
    *(
        Fault(f"killed {point}", at(point, _IN_COMPACTION.get(point, 3)), quick=point in _QUICK)
        for point in _KILLS
    ),
    *(
        Fault(f"Ray worker killed {point}", at(point, 3, (0,)), world=_RAY, charged=1)
        for point in _KILLS
        if point not in _IN_COMPACTION
    ),
    *(Fault(point, at(point, 3, (1,))) for point in POINTS if point.startswith("storage")),
    Fault("model fails to load once", at("model fails to load", 1, (0,)), world=_RAY),
    Fault("second driver", second_driver, quick=True),
    Fault("suspended driver", suspended_driver),
    Fault("a row raises", nothing, world=_bad("raise"), failed=_BAD),
    Fault("a row exits", nothing, world=_bad("exit") | _RAY, failed=_BAD),
    Fault("a row segfaults", nothing, world=_bad("segfault") | _RAY, failed=_BAD),
    Fault("a row hangs", nothing, world=_bad("hang") | _TIMED, failed=_BAD),
    Fault("a row is out of memory", nothing, world=_bad("oom"), failed=_BAD),
    Fault("disk full", full_disk),
    Fault("output read-only", read_only),
    Fault("torn files", torn_files, quick=True),
    Fault("truncated record", damaged("records/new/*.json")),
    Fault("truncated records in Parquet", damaged("records/all-*")),
    Fault("truncated results", damaged_results),
    Fault("manifest edited between runs", edited_manifest, 2),
    Fault("SIGTERM", interrupt(1, signal.SIGTERM)),
    Fault("Ctrl-C", interrupt(1, signal.SIGINT)),
    Fault("Ctrl-C twice", interrupt(2, signal.SIGINT)),
)
