"""The number of usable CPUs is that of the affinity, or a smaller quota of a cgroup."""

import os
from pathlib import Path

import pytest

from t2vbatch.media.cpus import usable_cpus

AFFINITY = len(os.sched_getaffinity(0))


def tree(root: Path, files: dict[str, str], own: str = "0::/\n") -> int:
    """The number of CPUs with these files of cgroups."""
    for name, text in files.items():
        (root / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "cgroup" / name).write_text(text, "ascii")
    (root / "own").write_text(own, "ascii")
    return usable_cpus(root / "cgroup", root / "own")


@pytest.mark.parametrize(
    ("files", "own", "cpus"),
    [
        ({}, "0::/\n", AFFINITY),
        ({"cpu.max": "max 100000\n"}, "0::/\n", AFFINITY),
        ({"cpu.max": "100000 100000\n"}, "0::/\n", 1),
        ({"cpu.max": "20000 100000\n"}, "0::/\n", 1),
        ({"cpu.max": "150000 100000\n"}, "0::/\n", min(AFFINITY, 2)),
        ({"pod/cpu.max": "100000 100000\n", "pod/job/cpu.max": "max 100000\n"}, "0::/pod/job\n", 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/x\n", 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/x\n", AFFINITY),
        ({"cpu.max": "garbage\n"}, "garbage\n", AFFINITY),
    ],
)
def test_a_quota_limits_the_cpus(tmp_path: Path, files: dict[str, str], own: str, cpus: int) -> None:
    """Quotas of versions 2 and 1 count, also those of a cgroup above; no quota leaves the affinity."""
    assert tree(tmp_path, files, own) == cpus
