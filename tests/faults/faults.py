"""The ways to break a run: each returns when no process of the run is left."""

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

from t2vbatch.engines.ray_cluster import patient_start
from tests.faults.invariants import PATIENCE_S, JobUnderTest

Inject = Callable[[JobUnderTest, int], None]
"""Breaks a run; the number counts the trials."""


def nothing(job: JobUnderTest, number: int) -> None:
    """Do nothing: the fault is in the rows."""


def kill_driver(job: JobUnderTest, number: int) -> None:
    """SIGKILL after a random number of records and a random time."""
    moment = random.Random(number)
    _kill_after(job, moment.randrange(len(job.rows)), moment.uniform(0.0, 0.3))


def _kill_after(job: JobUnderTest, records: int, delay_s: float = 0.0) -> None:
    with job.started() as process:
        job.wait_for_records(records)
        time.sleep(delay_s)
        process.kill()


def at(point: str, nth: int = 3, codes: tuple[int, ...] = (-signal.SIGKILL,)) -> Inject:
    """Inject at the nth pass of a point; ``codes`` are how that run may end."""

    def inject(job: JobUnderTest, number: int) -> None:
        code = job.run(point, nth)
        assert code in codes, f"exit code {code}:\n{job.log()}"
        assert (job.folder / "injected").exists(), f"never reached {point}"

    return inject


def interrupt(number_of_signals: int, kind: signal.Signals) -> Inject:
    """Interrupt with signals, as a person or a cluster does."""

    def inject(job: JobUnderTest, number: int) -> None:
        with job.started() as process:
            job.wait_for_records(3)
            for _ in range(number_of_signals):
                process.send_signal(kind)
                time.sleep(0.3)
            assert process.wait(PATIENCE_S) in (130, 0)

    return inject


def second_driver(job: JobUnderTest, number: int) -> None:
    """A second driver is refused, with the name of the first, while the first one renews its lease."""
    with job.store.lease():
        assert job.run() == 1, job.log()
    assert "is being written by another run: process" in job.log()


def suspended_driver(job: JobUnderTest, number: int) -> None:
    """A driver that is suspended until another one has taken over and finished writes nothing afterwards."""
    with job.started() as first:
        job.wait_for_records(3)
        first.send_signal(signal.SIGSTOP)
        assert job.run() == 1, job.log()
        assert "it is suspended: resume it" in job.log()
        lease = job.store.read_json("lease.json")
        job.store.write_json("lease.json", lease | {"machine": "another"})
        assert job.run() == 0, job.log()
        finished = {file: file.read_bytes() for file in job.out.rglob("*") if file.is_file()}
        first.send_signal(signal.SIGCONT)
        assert first.wait(PATIENCE_S) == 1, job.log()
    changed = [
        str(file)
        for file, data in finished.items()
        if ".staging" not in str(file) and file.read_bytes() != data
    ]
    assert "the lease of this run was taken over" in job.log()
    assert changed == [], changed


@contextmanager
def _mounted(place: Path, *arguments: str) -> Iterator[None]:
    """Mount a filesystem on this folder; needs root."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", *arguments, str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def full_disk(options: str) -> Inject:
    """Make the fault: the output's disk, a tmpfs with these options, fills up in the middle of a run.

    Its files are moved to a larger disk.
    """

    def inject(job: JobUnderTest, number: int) -> None:
        kept = job.folder / "kept"
        with _mounted(job.out, "-t", "tmpfs", "-o", options, "tmpfs"):
            assert job.run() == 1, job.log()
            assert len(job.records()) > 1
            shutil.copytree(job.out, kept)
        job.out.rmdir()
        kept.rename(job.out)
        assert "no space is left" in job.log()

    return inject


def full_scratch(options: str) -> Inject:
    """Make the fault: the folder of temporary files is a tmpfs with these options, too small for a video."""

    def inject(job: JobUnderTest, number: int) -> None:
        scratch = job.folder / "scratch"
        with _mounted(scratch, "-t", "tmpfs", "-o", options, "tmpfs"):
            environment, job.environment = job.environment, {**job.environment, "TMPDIR": str(scratch)}
            assert job.run() == 1, job.log()
            job.environment = environment
            assert f"temporary files cannot be written in {scratch}" in job.log()

    return inject


def broken_disk(job: JobUnderTest, number: int) -> None:
    """From one moment on the filesystem answers EIO; after a new mount it has lost all unsynced data."""
    image, place = job.folder / "image", job.folder / "disk"
    image.touch()
    os.truncate(image, 64 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    place.mkdir()
    with _mounted(place, "-o", "loop", str(image)):
        with job.started() as process:
            job.wait_for_records(3)
            _shut_down(place)
            assert process.wait(PATIENCE_S) == 1, job.log()
        assert "Input/output error" in job.log()
    with _mounted(place, "-o", "loop", str(image)):
        shutil.copytree(job.out, job.folder / "kept")
    (job.folder / "kept").rename(job.out)


def _shut_down(filesystem: Path) -> None:
    """Shut an ext4 down without its last flush, as the kernel does when the disk is gone."""
    shut_down, without_flush = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
    handle = os.open(filesystem, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, shut_down, struct.pack("I", without_flush))
    finally:
        os.close(handle)


def flaky_storage(job: JobUnderTest, number: int) -> None:
    """One of ten requests is refused, one of ten answers is lost; for some seconds all requests are
    refused."""
    storage = job.storage
    assert storage is not None
    storage.refused = storage.lost = 0.1
    with job.started() as process:
        job.wait_for_records(3)
        storage.refused = 1.0
        time.sleep(5.0)
        storage.refused = 0.1
        assert process.wait(PATIENCE_S) == 0, job.log()
    storage.refused = storage.lost = 0.0
    assert storage.injected > 10


def read_only(job: JobUnderTest, number: int) -> None:
    """The output becomes read-only; nothing is started."""
    _kill_after(job, 3)
    with _mounted(job.out, "--bind", str(job.out)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(job.out)], check=True)
        assert job.run() == 2, job.log()
    assert "is not writable" in job.log()


def torn_files(job: JobUnderTest, number: int) -> None:
    """Add the files that a power cut leaves: half a video, and half files in staging and drafts."""
    _kill_after(job, 3)
    (job.out / ".staging").mkdir(exist_ok=True)
    (job.out / ".staging" / "torn").write_bytes(b"half")
    (job.out / "drafts").mkdir(exist_ok=True)
    (job.out / "drafts" / f"{'0' * 64}.json").write_bytes(b'{"sample_id": ')
    plan = job.store.read_plan().table
    video = plan["video"][plan["row_id"].index("r7").as_py()].as_py()
    (job.out / video).write_bytes(b"half a video")


def damaged(pattern: str) -> Inject:
    """A file is truncated; the run names it, and changes nothing until the file is repaired."""

    def inject(job: JobUnderTest, number: int) -> None:
        _kill_after(job, 3)
        if pattern.startswith("records/base"):
            job.store.compact()
        file = next(iter(sorted(job.out.glob(pattern))))
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        assert job.run() == 1, job.log()
        assert f"{file.name} is damaged" in job.log()
        file.write_bytes(whole)

    return inject


def damaged_results(job: JobUnderTest, number: int) -> None:
    """A cut table is made again from the records."""
    assert job.run() == 0, job.log()
    file = job.out / "results.parquet"
    file.write_bytes(file.read_bytes()[:100])


def edited_manifest(job: JobUnderTest, number: int) -> None:
    """Between two runs rows change places, one is removed and one is added."""
    _kill_after(job, 3 + number)
    job.rows = [*reversed(job.rows[1:]), {"id": "new", "prompt": "new"}]
    job.write()


def repeated_rows(job: JobUnderTest, number: int) -> None:
    """Between two runs rows without ids change places, and some are repeated: they are generated once."""
    _kill_after(job, 3)
    job.rows = [*reversed(job.rows), *job.rows[2:5]]
    job.write()


def never_loads(job: JobUnderTest, number: int) -> None:
    """The run stops with the reason."""
    path, job.path = job.path, "fault:raise"
    job.write()
    assert job.run() == 1, job.log()
    assert "could not be started 10 times in a row" in job.log()
    job.path = path
    job.write()


def slow_row(job: JobUnderTest, number: int) -> None:
    """The row fails at its deadline; the worker keeps its model and generates the others."""
    assert job.run() == 3, job.log()
    made_by = {record["worker"] for record in job.records().values() if record["status"] == "ok"}
    assert made_by == {"fake-1"}


def lost_node(job: JobUnderTest, number: int) -> None:
    """The raylet of one of two nodes is killed (SIGKILL) during a unit; the other node generates the rest."""
    _on_two_nodes("node lost", job, number)


def full_scratch_on_one_node(job: JobUnderTest, number: int) -> None:
    """One of two nodes can write no temporary file from its third unit on; the other generates the rest."""
    _on_two_nodes("scratch full", job, number)
    assert "is left out of the run" in job.log()


def full_scratch_everywhere(job: JobUnderTest, number: int) -> None:
    """If the only node can write no temporary file, the run stops with the reason."""
    at("scratch full", 3, (1,))(job, number)
    assert "temporary files cannot be written" in job.log()


def fails_alike(job: JobUnderTest, number: int) -> None:
    """A model that raises the same error for every sample stops the run, and no sample is recorded as
    failed."""
    rows = job.rows
    job.rows = [{"id": f"{index}", "prompt": f"{index} [fault:raise]"} for index in range(40)]
    job.write()
    assert job.run() == 1, job.log()
    assert "failed with the same error: 10 samples" in job.log()
    assert job.records() == {}
    job.rows = rows
    job.write()


def _on_two_nodes(point: str, job: JobUnderTest, number: int) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        with patient_start():
            for _ in range(2):
                cluster.add_node(num_cpus=1)
        job.address = cluster.address
        job.write()
        at(point, 3, (0,))(job, number)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
