"""Two drivers at each step of a lease: one is suspended there, and the other one runs meanwhile."""

import signal
import time
from collections.abc import Callable

from tests.faults.faults import Inject
from tests.faults.invariants import PATIENCE_S, JobUnderTest

_LATER = {"later_version": {"fields": [1, 2]}}


def no_lease(job: JobUnderTest) -> None:
    """The output has no lease yet."""


def dead_lease(job: JobUnderTest) -> None:
    """The output has the lease of a process that was killed."""
    with job.started() as process:
        job.wait_for_records(2)
        process.kill()


def two_drivers(point: str, second: int, before: Callable[[JobUnderTest], None] = no_lease) -> Inject:
    """Suspend a driver at a step of its lease, run another one, and let the first one go on.

    Args:
        second: exit code of the other one: 0 when it may run, 1 when the lease is the first one's.
        before: makes the lease that the first one finds.
    """

    def inject(job: JobUnderTest, number: int) -> None:
        before(job)
        with job.started(point) as first:
            _wait_for_suspension(job, point)
            code = job.run()
            assert code == second, f"exit code {code}:\n{job.log()}"
            first.send_signal(signal.SIGCONT)
            assert first.wait(PATIENCE_S) == 0, job.log()

    return inject


def two_waiting_drivers(job: JobUnderTest, number: int) -> None:
    """Both wait until the holder on another machine is silent for a minute; one of them takes its lease."""
    dead_lease(job)
    lease = job.store.read_json("lease.json")
    job.store.write_json("lease.json", lease | {"machine": "another"})
    with job.started() as first, job.started() as second:
        codes = {first.wait(PATIENCE_S), second.wait(PATIENCE_S)}
    assert codes <= {0, 1}, job.log()
    assert 0 in codes, job.log()


def lease_lost_at_a_beat(job: JobUnderTest, number: int) -> None:
    """A driver is suspended while it renews its lease; its successor's lease stays as it is."""
    with job.started("before the lease is replaced") as first:
        _wait_for_suspension(job, "a beat or the release")
        lease = job.store.read_json("lease.json")
        job.store.write_json("lease.json", lease | {"token": "successor", "released": True})
        after = job.store.folder.read("lease.json")
        first.send_signal(signal.SIGCONT)
        # 0: all samples were finished, and the driver was releasing the lease.
        assert first.wait(PATIENCE_S) in (0, 1), job.log()
        found = job.store.folder.read("lease.json")
        assert found == after, f"the successor's lease was overwritten: {found!r}"


def lease_of_another_version(job: JobUnderTest, number: int) -> None:
    """Fields that this version does not know stay, through taking, renewing and releasing."""
    job.store.write_json("lease.json", {"token": "x", "released": True} | _LATER)
    assert job.run() == 0, job.log()
    lease = job.store.read_json("lease.json")
    assert lease.items() >= _LATER.items(), lease
    assert lease["token"] != "x"


def _wait_for_suspension(job: JobUnderTest, what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not (job.folder / "injected").exists():
        assert time.monotonic() < until, f"never reached {what}:\n{job.log()}"
        time.sleep(0.01)
    time.sleep(0.2)  # The marker comes just before the signal.
