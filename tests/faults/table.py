"""The list of faults: each breaks a run in one way; one more run follows."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.actions import die
from tests.faults.edits import edited_at, pruned_at
from tests.faults.faults import (
    Inject,
    at,
    broken_disk,
    damaged,
    damaged_results,
    edited_manifest,
    fails_alike,
    flaky_storage,
    full_disk,
    full_scratch,
    full_scratch_everywhere,
    full_scratch_on_one_node,
    interrupt,
    kill_driver,
    lost_node,
    never_loads,
    nothing,
    read_only,
    repeated_rows,
    second_driver,
    slow_row,
    suspended_driver,
    torn_files,
)
from tests.faults.invariants import GOOD_ROWS
from tests.faults.leases import (
    dead_lease,
    lease_lost_at_a_beat,
    lease_of_another_version,
    two_drivers,
    two_waiting_drivers,
)
from tests.faults.points import POINTS


@dataclass(frozen=True)
class Fault:
    """One way to break a run.

    Attributes:
        times: number of trials.
        job: what differs from the plain JobUnderTest.
        failed: ids of the rows that cannot be generated, with the attempts that they get.
        charged: samples that may lose an attempt because their process died.
        on_s3: whether the output is on an S3 that the inject may break: see JobUnderTest.storage.
        root: whether it mounts filesystems, which needs Linux and root.
        quick: whether every test run includes it.
    """

    name: str
    inject: Inject
    times: int = 1
    job: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    charged: int = 0
    on_s3: bool = False
    root: bool = False
    quick: bool = False


_RAY = {"engine": "ray"}
_TIMED = {"engine": "ray", "workers": {"timeout_s": 10.0}}


def _bad(prompt: str) -> dict[str, Any]:
    return {"rows": [*GOOD_ROWS, {"id": "bad", "prompt": f"x [fault:{prompt}]"}]}


_BAD: Mapping[str, int] = {"bad": 3}
_WRONG: Mapping[str, int] = {"bad": 1}

_SLOW = {"id": "bad", "prompt": "x [fault:slow]", "fault_seconds": 3600.0, "num_inference_steps": 2_000}
_BIG = {"id": "big", "prompt": "x [fault:oom_unless_offload]"}
_NAMELESS = [{"prompt": f"prompt {index}"} for index in range(8)]
_TWO = {"engine": "ray", "workers": {"count": 2}}

_EDITS = (
    "before a video is superseded",
    "after a video is superseded",
    "before a video comes back",
    "after a video comes back",
)
_PRUNES = ("before a superseded video is deleted", "after a superseded video is deleted")
_PRUNES_RECORDS = (
    "before the records are pruned",
    "while the records are pruned",
    "after the records are pruned",
)
_KILLS = [
    name
    for name, point in POINTS.items()
    if point.action is die and name not in {*_EDITS, *_PRUNES, *_PRUNES_RECORDS}
]
_IN_DRIVER = {
    "before compaction": 1,
    "during compaction": 3,
    "after compaction": 1,
    "before folding": 1,
    "during folding": 2,
    "after folding": 1,
}
_QUICK = {"between video and record", "during compaction", "during folding"}

FAULTS: tuple[Fault, ...] = (
    Fault("driver killed at a random moment", kill_driver, 20),
    Fault("driver of Ray workers killed", kill_driver, 2, _RAY),
    *(
        Fault(f"killed {point}", at(point, _IN_DRIVER.get(point, 3)), quick=point in _QUICK)
        for point in _KILLS
    ),
    *(
        Fault(f"Ray worker killed {point}", at(point, 3, (0,)), job=_RAY, charged=1)
        for point in _KILLS
        if point not in _IN_DRIVER
    ),
    *(Fault(point, at(point, 3, (1,))) for point in POINTS if point.startswith("storage")),
    Fault("storage answers now and then", flaky_storage, 2, on_s3=True),
    Fault("model fails to load once", at("model fails to load", 1, (0,)), job=_RAY),
    Fault("model never loads", never_loads),
    Fault("worker fails at everything from the third on", at("worker faulty", 3, (0,)), job=_RAY),
    Fault("Ray worker suspended", at("worker suspended", 3, (0,)), job=_TIMED, charged=1),
    Fault("raylet killed", lost_node, job=_TWO),
    Fault("scratch disk full on one of two nodes", full_scratch_on_one_node, job=_TWO, on_s3=True),
    Fault("scratch disk full on the only node", full_scratch_everywhere, on_s3=True, quick=True),
    Fault("a model fails with one error at every sample", fails_alike),
    Fault("second driver", second_driver, quick=True),
    Fault("suspended driver", suspended_driver),
    *(Fault(f"killed {point}", edited_at(point, nth)) for point in _EDITS for nth in (1, 3)),
    *(Fault(f"prune killed {point}", pruned_at(point, nth), 2) for point in _PRUNES for nth in (1, 3)),
    *(Fault(f"prune killed {point}", pruned_at(point, 1), 2) for point in _PRUNES_RECORDS),
    Fault("two drivers: before the lease is taken", two_drivers("before the lease is taken", 0), quick=True),
    Fault("two drivers: after the lease is taken", two_drivers("after the lease is taken", 1)),
    Fault("two drivers: before the lease is released", two_drivers("before the lease is released", 1)),
    Fault("two drivers take a dead one's lease", two_drivers("before the lease is replaced", 0, dead_lease)),
    Fault("two drivers take a silent one's lease", two_waiting_drivers),
    Fault("a lease that is lost while it is renewed", lease_lost_at_a_beat),
    Fault("a lease with unknown fields", lease_of_another_version, quick=True),
    Fault("a row raises", nothing, job=_bad("raise"), failed=_BAD),
    Fault("a row's call has a wrong signature", nothing, job=_bad("type_error"), failed=_WRONG),
    Fault("a row exits", nothing, job=_bad("exit") | _RAY, failed=_BAD),
    Fault("a row segfaults", nothing, job=_bad("segfault") | _RAY, failed=_BAD),
    Fault("a row hangs", nothing, job=_bad("hang") | _TIMED, failed=_BAD),
    Fault("a row is slow", slow_row, job=_TIMED | {"rows": [*GOOD_ROWS, _SLOW]}, failed=_BAD),
    Fault("a row is out of memory once", nothing, job={"rows": [*GOOD_ROWS, _BIG]}),
    Fault("a row is always out of memory", nothing, job=_bad("oom"), failed=_BAD),
    Fault("disk full", full_disk("size=200k"), root=True),
    Fault("disk without inodes", full_disk("size=64m,nr_inodes=24"), root=True),
    Fault("scratch disk too small for a video", full_scratch("size=4k"), on_s3=True, root=True),
    Fault("scratch disk without inodes", full_scratch("size=64m,nr_inodes=3"), on_s3=True, root=True),
    Fault("disk broken (EIO)", broken_disk, 2, {"output": "disk/out"}, root=True),
    Fault("output read-only", read_only, root=True),
    Fault("torn files", torn_files, quick=True),
    Fault("truncated record", damaged("records/new/*.json")),
    Fault("truncated records in Parquet", damaged("records/base-*")),
    Fault("truncated results", damaged_results),
    Fault("manifest edited between runs", edited_manifest, 2),
    Fault("rows repeated between runs", repeated_rows, job={"rows": _NAMELESS}),
    Fault("clock goes back 400 days", at("clock goes back", 3, (0,)), quick=True),
    Fault("clock goes ahead 400 days", at("clock goes ahead", 3, (0,))),
    Fault("Ray worker's clock goes back", at("clock goes back", 3, (0,)), job=_RAY),
    Fault("Ray driver's clock goes back", at("driver's clock goes back", 2, (0,)), job=_RAY),
    Fault("SIGTERM", interrupt(1, signal.SIGTERM)),
    Fault("SIGHUP", interrupt(1, signal.SIGHUP)),
    Fault("Ctrl-C", interrupt(1, signal.SIGINT)),
    Fault("Ctrl-C twice", interrupt(2, signal.SIGINT)),
)
