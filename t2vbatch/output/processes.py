"""Which process it is, on which machine: what a lease says of its holder, and what one can find out of that.

A process id alone names nobody: ids come again, after a restart, and in another container. What names a
process is the machine since it was switched on, the container's own count of processes, the id, and the
moment at which the process began, counted from the machine's start, as clocks may be set.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

State = Literal["alive", "suspended", "dead", "elsewhere"]
"""``suspended`` is stopped by a signal, or by a debugger; of what is elsewhere nobody here knows."""


@dataclass(frozen=True)
class Process:
    """One process, for good: no other is ever equal to it.

    Attributes:
        machine: the machine since it was switched on, and which of its process ids are meant.
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
        """What it does now."""
        if self.machine != _machine():
            return "elsewhere"
        try:
            status = psutil.Process(self.pid).status()
            if self.born != _born(self.pid) or status == psutil.STATUS_ZOMBIE:
                return "dead"
        except (psutil.NoSuchProcess, ValueError):
            return "dead"
        return "suspended" if status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP) else "alive"


def _machine() -> str:
    host = socket.gethostname()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{host} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return host  # No Linux: no containers either.


def _born(pid: int) -> str:
    """When a process began. Raises psutil.NoSuchProcess."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return str(psutil.Process(pid).create_time())
    # The 22nd word; the second may hold blanks and brackets. It counts from the machine's start; psutil makes
    # a time of day of it, which is another one when the clock is set.
    return words.rpartition(")")[2].split()[19]
