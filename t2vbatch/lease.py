"""One writer an output: the lease that a run holds on its output folder.

The holder counts up a number in ``lease.json``. Another process that finds the file watches the number: it
moves, and the output is taken; it stands still, and the holder is dead and its lease is taken over. No clock
is compared with another machine's. A holder on this machine is simply asked for, by its process id.
"""

import json
import os
import socket
import threading
import time
import uuid
from datetime import UTC, datetime
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
    """A context in which this process alone writes to a folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._token = uuid.uuid4().hex
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        while not self._folder.create(_NAME, self._content(0)):
            holder = self._read()
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
        holder = self._read()
        return holder is not None and holder["token"] == self._token

    def holder(self) -> str | None:
        """Who holds the lease, in words; None where nobody does, or a process of this machine that died."""
        holder = self._read()
        return None if holder is None or _is_dead_here(holder) else _words(holder)

    def _wait_for_death(self, holder: dict[str, Any]) -> None:
        """Return when the holder is dead and its lease removed; raise when it lives."""
        if not _is_dead_here(holder):
            deadline = time.monotonic() + _PATIENCE_S
            while time.monotonic() < deadline:
                time.sleep(_BEAT_S / 10)
                seen = self._read()
                if seen is None:
                    return
                if (seen["token"], seen["beat"]) != (holder["token"], holder["beat"]):
                    raise self._held_by(seen)
        # Only the lease that was found dead is removed: another process may have taken it over meanwhile.
        seen = self._read()
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

    def _read(self) -> dict[str, Any] | None:
        try:
            holder = json.loads(self._folder.read(_NAME))
            if holder.keys() >= _FIELDS:
                return dict(holder)
        except FileNotFoundError:
            return None
        except (ValueError, AttributeError):
            pass
        # A torn file can only come from outside; it names nobody who could be waited for.
        self._folder.delete(_NAME)
        return None

    def _content(self, beat: int) -> bytes:
        return json.dumps(
            {
                "token": self._token,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "started_at": self._started_at,
                "beat": beat,
            }
        ).encode()


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
