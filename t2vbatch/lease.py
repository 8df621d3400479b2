"""One writer an output: the lease that a run holds on its output folder.

The holder counts up a number in ``lease.json``. Another process that finds the file watches the number: it
moves, and the output is taken; it stands still, and the holder is dead and its lease is taken over. No clock
is compared with another machine's. A holder on this machine is simply asked for, by its process id.

A holder that was suspended for longer than others wait comes back to an output that is another's. So nobody
writes on the strength of having held the lease once: ``Fenced`` asks before every write, in the driver and in
its workers. What lies between asking and writing is one call, and a record is created exclusively besides.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from t2vbatch.errors import LeaseHeldError, StoreError
from t2vbatch.files import Folder

_NAME = "lease.json"
_FIELDS = {"token", "host", "pid", "started_at", "beat"}
_BEAT_S = 5.0
# Three beats missed: long enough for a slow disk, short enough to wait for.
_PATIENCE_S = 3 * _BEAT_S


class Lease:
    """A context in which this process alone writes to a folder.

    Attributes:
        token: names this lease among all that were ever held.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.token = uuid.uuid4().hex
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        while not self._folder.create(_NAME, self._content(0)):
            holder = _read(self._folder)
            if holder is not None:
                self._wait_for_death(holder)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        self._thread.join()
        if self.held():
            self._folder.delete(_NAME)

    def held(self) -> bool:
        """Whether the lease is still this process's; a run that was suspended may have lost it."""
        holder = _read(self._folder)
        return holder is not None and holder["token"] == self.token

    def holder(self) -> str | None:
        """Who holds the lease, in words; None where nobody does, or a process of this machine that died."""
        holder = _read(self._folder)
        return None if holder is None or _is_dead_here(holder) else _words(holder)

    def _wait_for_death(self, holder: dict[str, Any]) -> None:
        """Return when the holder is dead and its lease removed; raise when it lives."""
        if not _is_dead_here(holder):
            deadline = time.monotonic() + _PATIENCE_S
            while time.monotonic() < deadline:
                time.sleep(_BEAT_S / 10)
                seen = _read(self._folder)
                if seen is None:
                    return
                if (seen["token"], seen["beat"]) != (holder["token"], holder["beat"]):
                    raise self._held_by(seen)
        # Only the lease that was found dead is removed: another process may have taken it over meanwhile.
        seen = _read(self._folder)
        if seen is not None and seen["token"] == holder["token"]:
            self._folder.delete(_NAME)

    def _held_by(self, holder: dict[str, Any]) -> LeaseHeldError:
        place, who = self._folder.uri, _words(holder)
        return LeaseHeldError(f"{place} is being written by another run: {who}; wait for it, or end it")

    def _beat_on(self) -> None:
        beat = 0
        while not self._released.wait(_BEAT_S):
            beat += 1
            try:
                if self.held():
                    self._folder.write(_NAME, self._content(beat))
            except StoreError:
                continue  # The disk may be full for a moment; commits fail loudly where it stays so.

    def _content(self, beat: int) -> bytes:
        return json.dumps(
            {
                "token": self.token,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "started_at": self._started_at,
                "beat": beat,
            }
        ).encode()


class Fenced:
    """A folder that is written only while a lease on it holds: see Folder.

    What writes raises LeaseHeldError from the moment that the lease is another's, or nobody's.
    """

    def __init__(self, folder: Folder, token: str) -> None:
        self._folder, self._token = folder, token

    @property
    def uri(self) -> str:
        return self._folder.uri

    def read(self, name: str) -> bytes:
        return self._folder.read(name)

    def size(self, name: str) -> int | None:
        return self._folder.size(name)

    def names(self, prefix: str) -> Iterator[str]:
        return self._folder.names(prefix)

    def local(self, name: str) -> contextlib.AbstractContextManager[Path]:
        return self._folder.local(name)

    def staging(self) -> Path:
        return self._folder.staging()

    def write(self, name: str, data: bytes) -> None:
        self._check()
        self._folder.write(name, data)

    def create(self, name: str, data: bytes) -> bool:
        self._check()
        return self._folder.create(name, data)

    def publish(self, name: str, local: Path) -> None:
        self._check()
        self._folder.publish(name, local)

    def delete(self, name: str) -> None:
        self._check()
        self._folder.delete(name)

    def _check(self) -> None:
        holder = _read(self._folder)
        if holder is None or holder["token"] != self._token:
            now = "nobody's now" if holder is None else f"now that of {_words(holder)}"
            raise LeaseHeldError(
                f"{self.uri}: the lease of this run was taken over while it stood still, and is {now}; "
                "what was finished before is kept, and the same command goes on from there"
            )


def _read(folder: Folder) -> dict[str, Any] | None:
    """What the lease file says; None where there is none."""
    try:
        holder = json.loads(folder.read(_NAME))
        if holder.keys() >= _FIELDS:
            return dict(holder)
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError):
        pass
    # A torn file can only come from outside; it names nobody who could be waited for.
    folder.delete(_NAME)
    return None


def _words(holder: dict[str, Any]) -> str:
    return f"process {holder['pid']} on {holder['host']}, since {holder['started_at']}"


def _is_dead_here(holder: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine that is no more."""
    if holder["host"] != socket.gethostname():
        return False
    if holder["pid"] == os.getpid():
        # The same id in a restarted container, unless this very process holds two leases.
        return not any(thread.name == "lease" for thread in threading.enumerate())
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
