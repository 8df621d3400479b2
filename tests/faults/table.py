"""The faults: each breaks a run in one way, and ends when nothing runs any more; then comes one more run."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.actions import die
from tests.faults.faults import (
    Strike,
    at,
    broken_disk,
    damaged,
    damaged_results,
    edited_manifest,
    flaky_storage,
    full_disk,
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
from tests.faults.invariants import INNOCENT
from tests.faults.points import POINTS


@dataclass(frozen=True)
class Fault:
    """One way to break a run.

    Attributes:
        times: how often it is tried.
        world: what differs from the plain World.
        failed: ids of the rows that cannot be made whatever one does.
        charged: samples that a death may cost an attempt.
        on_s3: whether the output is on an S3 that the strike may break: see World.storage.
        root: whether it mounts filesystems, which takes Linux and root.
        quick: whether it belongs into every test run.
    """

    name: str
    strike: Strike
    times: int = 1
    world: Mapping[str, Any] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    charged: int = 0
    on_s3: bool = False
    root: bool = False
    quick: bool = False


_RAY = {"engine": "ray"}
_TIMED = {"engine": "ray", "workers": {"timeout_s": 10.0}}


def _bad(prompt: str) -> dict[str, Any]:
    return {"rows": [*INNOCENT, {"id": "bad", "prompt": f"x [fault:{prompt}]"}]}


_BAD = frozenset({"bad"})

_SLOW = {"id": "bad", "prompt": "x [fault:slow]", "fault_seconds": 3600.0, "num_inference_steps": 36_000}
_BIG = {"id": "big", "prompt": "x [fault:oom_unless_offload]"}
_NAMELESS = [{"prompt": f"prompt {index}"} for index in range(8)]
_TWO = {"engine": "ray", "workers": {"count": 2}}

_KILLS = [name for name, point in POINTS.items() if point.deed is die]
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
        Fault(f"Ray worker killed {point}", at(point, 3, (0,)), world=_RAY, charged=1)
        for point in _KILLS
        if point not in _IN_DRIVER
    ),
    *(Fault(point, at(point, 3, (1,))) for point in POINTS if point.startswith("storage")),
    Fault("storage answers now and then", flaky_storage, 2, on_s3=True),
    Fault("model fails to load once", at("model fails to load", 1, (0,)), world=_RAY),
    Fault("model never loads", never_loads),
    Fault("worker fails at everything from the third on", at("worker sick", 3, (0,)), world=_RAY),
    Fault("Ray worker suspended", at("worker suspended", 3, (0,)), world=_TIMED, charged=1),
    Fault("raylet killed", lost_node, world=_TWO),
    Fault("second driver", second_driver, quick=True),
    Fault("suspended driver", suspended_driver),
    Fault("a row raises", nothing, world=_bad("raise"), failed=_BAD),
    Fault("a row exits", nothing, world=_bad("exit") | _RAY, failed=_BAD),
    Fault("a row segfaults", nothing, world=_bad("segfault") | _RAY, failed=_BAD),
    Fault("a row hangs", nothing, world=_bad("hang") | _TIMED, failed=_BAD),
    Fault("a row is slow", slow_row, world=_TIMED | {"rows": [*INNOCENT, _SLOW]}, failed=_BAD),
    Fault("a row is out of memory once", nothing, world={"rows": [*INNOCENT, _BIG]}),
    Fault("a row is always out of memory", nothing, world=_bad("oom"), failed=_BAD),
    Fault("disk full", full_disk, root=True),
    Fault("disk broken (EIO)", broken_disk, 2, {"output": "disk/out"}, root=True),
    Fault("output read-only", read_only, root=True),
    Fault("torn files", torn_files, quick=True),
    Fault("truncated record", damaged("records/new/*.json")),
    Fault("truncated records in Parquet", damaged("records/base-*")),
    Fault("truncated results", damaged_results),
    Fault("manifest edited between runs", edited_manifest, 2),
    Fault("rows repeated between runs", repeated_rows, world={"rows": _NAMELESS}),
    Fault("clock goes back 400 days", at("clock goes back", 3, (0,)), quick=True),
    Fault("clock goes ahead 400 days", at("clock goes ahead", 3, (0,))),
    Fault("Ray worker's clock goes back", at("clock goes back", 3, (0,)), world=_RAY),
    Fault("Ray driver's clock goes back", at("driver's clock goes back", 2, (0,)), world=_RAY),
    Fault("SIGTERM", interrupt(1, signal.SIGTERM)),
    Fault("Ctrl-C", interrupt(1, signal.SIGINT)),
    Fault("Ctrl-C twice", interrupt(2, signal.SIGINT)),
)
