"""One writer an output: the lease that a run holds on its output folder.

A holder on this machine is asked for (see processes.py): as long as its process lives, the output is its
own, however long a busy machine keeps it from moving; from when it is dead, nobody waits for it. Of a holder
elsewhere one sees that it counts up a number in ``lease.json``: the number moves, and the output is taken;
it stands still for a minute, and the lease is taken over. No clock is compared with
another machine's.

A holder that was suspended for longer than others wait comes back to an output that is another's. So nobody
writes on the strength of having held the lease once: ``Fenced`` asks before every write, in the driver and in
its workers. What lies between asking and writing is one call, and a record is created exclusively besides.
"""

import contextlib
import json
import logging
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from t2vbatch.errors import LeaseHeldError, StoreError
from t2vbatch.output.processes import Process
from t2vbatch.storage.files import Folder

_log = logging.getLogger(__name__)

_NAME = "lease.json"
_FIELDS = {"token", "host", "machine", "pid", "born", "started_at", "beat"}
_BEAT_S = 5.0
# Twelve beats missed: longer than a machine with ten runs too many, or a slow disk, keeps a thread waiting;
# short enough for a job that was started again elsewhere.
_PATIENCE_S = 12 * _BEAT_S


class Lease:
    """A context in which this process alone writes to a folder.

    Attributes:
        token: names this lease among all that were ever held.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.token = uuid.uuid4().hex
        self._process = Process.own()
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        while not self._folder.create(_NAME, self._content(0)):
            holder = _read(self._folder)
            if holder is not None and holder["token"] == self.token:
                break  # The storage did as asked, and its answer was lost.
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
        return None if holder is None or _process(holder).state() == "dead" else _words(holder)

    def _wait_for_death(self, holder: dict[str, Any]) -> None:
        """Return when the holder is dead and its lease removed; raise when it lives."""
        state = _process(holder).state()
        if state in ("alive", "suspended"):
            raise self._held_by(holder, suspended=state == "suspended")
        if state == "elsewhere" and not self._is_silent(holder):
            return
        # Only the lease that was found dead is removed: another process may have taken it over meanwhile.
        seen = _read(self._folder)
        if seen is not None and seen["token"] == holder["token"]:
            self._folder.delete(_NAME)

    def _is_silent(self, holder: dict[str, Any]) -> bool:
        """Whether a holder elsewhere seems to be dead; False: its lease is gone. Raises where it beats."""
        who = f"{self._folder.uri} was being written by another run, {_words(holder)}"
        _log.warning("%s; waiting for %g s whether it still is", who, _PATIENCE_S)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            time.sleep(_BEAT_S / 10)
            seen = _read(self._folder)
            if seen is None:
                return False
            if (seen["token"], seen["beat"]) != (holder["token"], holder["beat"]):
                raise self._held_by(seen)
        return True

    def _held_by(self, holder: dict[str, Any], suspended: bool = False) -> LeaseHeldError:
        advice = "wait for it, or end it"
        if suspended:
            advice = f"it is suspended: let it go on (kill -CONT {holder['pid']}), or end it"
        place, who = self._folder.uri, _words(holder)
        return LeaseHeldError(f"{place} is being written by another run: {who}; {advice}")

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
        about = {"token": self.token, "host": socket.gethostname(), **asdict(self._process)}
        return json.dumps({**about, "started_at": self._started_at, "beat": beat}).encode()


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


def _process(holder: dict[str, Any]) -> Process:
    return Process(holder["machine"], holder["pid"], holder["born"])
