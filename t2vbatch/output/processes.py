"""Processes: which one holds a lease, and whether it lives.

A process id does not identify a process: ids are used again after a restart, and in another container. A
process is identified by its machine since the last boot, the container's own count of processes, its id, and
the moment at which it began, counted from the machine's start, because clocks may be set.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

State = Literal["alive", "suspended", "dead", "elsewhere"]
"""``suspended``: stopped by a signal or a debugger. ``elsewhere``: on another machine, or hidden because it
is another user's, so its state is unknown."""


@dataclass(frozen=True)
class Process:
    """One process; no other process is ever equal to it.

    Attributes:
        machine: the machine since it was switched on, and the container.
        pid: its id there.
        born: when it began, in the machine's own count; only ever compared.
    """

    machine: str
    pid: int
    born: str

    @classmethod
    def own(cls) -> "Process":
        """This process."""
        return cls(_machine(), os.getpid(), _born(os.getpid()))

    def state(self) -> State:
        """Its state now."""
        if self.machine != _machine():
            return "elsewhere"
        try:
            status = psutil.Process(self.pid).status()
            if self.born != _born(self.pid) or status == psutil.STATUS_ZOMBIE:
                return "dead"
        except (psutil.NoSuchProcess, ValueError):
            return "elsewhere" if _is_hidden(self.pid) else "dead"
        except (psutil.AccessDenied, PermissionError):
            return "elsewhere"
        return "suspended" if status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP) else "alive"


def _machine() -> str:
    host = socket.gethostname()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{host} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return host  # Not Linux, so there are no containers.


def _is_hidden(pid: int) -> bool:
    """Whether another user's process has this id; with the option ``hidepid``, /proc does not show it."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        pass
    return False


def _born(pid: int) -> str:
    """When a process began. Raises psutil.NoSuchProcess."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return str(psutil.Process(pid).create_time())
    # The 22nd word; the second may hold spaces and brackets. It counts from the machine's start, while psutil
    # converts it to a time of day, which changes when the clock is set.
    return words.rpartition(")")[2].split()[19]
