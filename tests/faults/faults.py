"""The ways to break a run: each ends when nothing runs any more."""

import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ray.cluster_utils import Cluster

from tests.faults.invariants import PATIENCE_S, World

Strike = Callable[[World, int], None]
"""Breaks a run; the number counts the tries."""


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
def _mounted(place: Path, *arguments: str) -> Iterator[None]:
    """Something else in this folder; needs root."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", *arguments, str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def full_disk(world: World, number: int) -> None:
    """The disk fills up in the middle; what was finished is brought to one with room."""
    kept = world.folder / "kept"
    with _mounted(world.out, "-t", "tmpfs", "-o", "size=200k", "tmpfs"):
        assert world.run() == 1, world.log()
        shutil.copytree(world.out, kept)
    world.out.rmdir()
    kept.rename(world.out)
    assert "no space is left" in world.log()


def broken_disk(world: World, number: int) -> None:
    """The filesystem answers EIO from one moment on, and has lost what was not synced when it comes back."""
    image, place = world.folder / "image", world.folder / "disk"
    image.touch()
    os.truncate(image, 64 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    place.mkdir()
    with _mounted(place, "-o", "loop", str(image)):
        with world.started() as process:
            world.wait_for_records(3)
            _shut_down(place)
            assert process.wait(PATIENCE_S) == 1, world.log()
        assert "Input/output error" in world.log()
    with _mounted(place, "-o", "loop", str(image)):
        shutil.copytree(world.out, world.folder / "kept")
    (world.folder / "kept").rename(world.out)


def _shut_down(filesystem: Path) -> None:
    """What the kernel does with an ext4 whose disk is gone, without its last flush."""
    shut_down, without_flush = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
    handle = os.open(filesystem, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, shut_down, struct.pack("I", without_flush))
    finally:
        os.close(handle)


def flaky_storage(world: World, number: int) -> None:
    """Of ten requests one is refused and one loses its answer; for some seconds all are refused."""
    storage = world.storage
    assert storage is not None
    storage.refused = storage.lost = 0.1
    with world.started() as process:
        world.wait_for_records(3)
        storage.refused = 1.0
        time.sleep(5.0)
        storage.refused = 0.1
        assert process.wait(PATIENCE_S) == 0, world.log()
    storage.refused = storage.lost = 0.0
    assert storage.struck > 10


def read_only(world: World, number: int) -> None:
    """The output may no longer be written."""
    _kill_after(world, 3)
    with _mounted(world.out, "--bind", str(world.out)):
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
    plan = world.store.read_plan().table
    video = plan["video"][plan["row_id"].index("r7").as_py()].as_py()
    (world.out / video).write_bytes(b"half a video")


def damaged(pattern: str) -> Strike:
    """A file is cut off; the run says which one, and leaves everything as it is until the file is mended."""

    def strike(world: World, number: int) -> None:
        _kill_after(world, 3)
        if pattern.startswith("records/base"):
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
    """Between two runs rows change places, one goes and one is new."""
    _kill_after(world, 3 + number)
    world.rows = [*reversed(world.rows[1:]), {"id": "new", "prompt": "new"}]
    world.write()


def repeated_rows(world: World, number: int) -> None:
    """Between two runs rows without ids change places, and some are there twice: they are made once."""
    _kill_after(world, 3)
    world.rows = [*reversed(world.rows), *world.rows[2:5]]
    world.write()


def never_loads(world: World, number: int) -> None:
    """The job stops with the reason, however often it is tried."""
    path, world.path = world.path, "fault:raise"
    world.write()
    assert world.run() == 1, world.log()
    assert "could not be started 10 times in a row" in world.log()
    world.path = path
    world.write()


def slow_row(world: World, number: int) -> None:
    """It is given up at its deadline; the worker keeps its model and makes the others."""
    assert world.run() == 3, world.log()
    made_by = {record["worker"] for record in world.records().values() if record["status"] == "ok"}
    assert made_by == {"fake-1"}


def lost_node(world: World, number: int) -> None:
    """The raylet of one of two nodes is killed (SIGKILL) under a worker; the other node makes the rest."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        world.address = cluster.address
        world.write()
        at("node lost", 3, (0,))(world, number)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
