"""How many CPUs this process may use: its affinity and the quota of its cgroup, as in a container."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def usable_cpus(cgroups: Path = _CGROUPS, own: Path = _OWN) -> int:
    """At least 1. A quota of 1.5 CPUs counts as 2.

    Args:
        cgroups: where cgroups of version 2 or 1 are mounted.
        own: the file that names the cgroup of this process.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *(math.ceil(quota) for quota in _quotas(cgroups, own))]))


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """The CPU quotas of the cgroup and of those above it, in CPUs."""
    for folder in _folders(cgroups, own):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        yield from _ratio(quota, period)
    old = cgroups / "cpu"
    yield from _ratio(_read(old / "cpu.cfs_quota_us"), _read(old / "cpu.cfs_period_us"))


def _folders(cgroups: Path, own: Path) -> Iterator[Path]:
    lines = (line.split(":", 2) for line in _read(own).splitlines())
    names = [parts[2].strip("/") for parts in lines if len(parts) == 3 and parts[0] == "0"]
    for name in names or [""]:
        folder = cgroups / name
        yield from (one for one in (folder, *folder.parents) if one.is_relative_to(cgroups))


def _ratio(quota: str, period: str) -> Iterator[float]:
    """Nothing for ``max``, -1 or a file that is not there: no quota."""
    if quota.isdigit() and period.isdigit() and int(period):
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
