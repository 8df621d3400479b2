"""One writer for an output: the lease that a run holds on its output folder.

A holder on this machine is looked up (see processes.py). While its process lives, the lease is valid, however
long a busy machine keeps the process from running; when the process is dead, the lease is free at once. A
holder on another machine counts up a number in ``lease.json``: while the number changes, the lease is valid;
when it has not changed for a minute, another run takes the lease over. No clock is compared with another
machine's. The lease names its folder: in a copy of the folder, the number does not change, whether the holder
lives or not.

Every change of ``lease.json`` is a conditional write: it replaces only the version that was read. So of two
runs that take over at the same moment one fails, and a run that was suspended cannot overwrite the lease of
its successor. Reading writes nothing, and a write keeps the fields that it does not know, so that another
version of t2vbatch can add some. A released lease stays as a file that names its last holder.

A suspended run may wake up after its output was taken over. So ``Fenced`` checks the lease before every
write, in the driver and in its workers. A record is created exclusively besides.
"""

import contextlib
import json
import logging
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from t2vbatch.errors import LeaseHeldError, StoreError
from t2vbatch.output.processes import Process, State
from t2vbatch.storage.files import Durable, Folder, local_path

_log = logging.getLogger(__name__)

LEASE_NAME = "lease.json"
_BEAT_S = 5.0
# Twelve missed beats: longer than an overloaded machine or a slow disk delays a thread, and short enough for
# a job that is started again on another machine.
_PATIENCE_S = 12 * _BEAT_S


@dataclass(frozen=True)
class _Seen:
    """What ``lease.json`` holds: its fields, the version of the file, and its bytes.

    Attributes:
        is_here: whether the lease names the folder in which it is, and not one from which it was copied.
    """

    fields: Mapping[str, Any]
    version: str
    data: bytes
    is_here: bool

    @property
    def is_free(self) -> bool:
        """Whether its holder released it, or is a process of this machine that died."""
        return bool(self.fields.get("released")) or self.state() == "dead"

    def is_of(self, token: str) -> bool:
        """Whether the lease with this token is held."""
        return self.fields.get("token") == token and not self.fields.get("released")

    def state(self) -> State:
        """The state of the holder's process; ``elsewhere`` too if the file does not name the process, or if
        the living process holds another folder."""
        try:
            process = Process(str(self.fields["machine"]), int(self.fields["pid"]), str(self.fields["born"]))
        except (KeyError, TypeError, ValueError):
            return "elsewhere"
        state = process.state()
        return state if state == "dead" or self.is_here else "elsewhere"

    def holder(self) -> str:
        """The holder in words."""
        pid, host, since = (self.fields.get(name, "unknown") for name in ("pid", "host", "started_at"))
        return f"process {pid} on {host}, since {since}"


class Lease:
    """A context in which this process alone writes to a folder.

    Attributes:
        token: names this lease among all that were ever held.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.token = uuid.uuid4().hex
        self._fields: dict[str, Any] = {
            "token": self.token,
            "folder": _place(folder),
            "host": socket.gethostname(),
            **asdict(Process.own()),
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "beat": 0,
            "released": False,
        }
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        while not self._take():
            pass
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        self._thread.join()
        seen = _read(self._folder)
        if seen is not None and seen.is_of(self.token):
            self._replace(seen, released=True)

    def held(self) -> bool:
        """Whether the lease is still this process's; a run that was suspended may have lost it."""
        seen = _read(self._folder)
        return seen is not None and seen.is_of(self.token)

    def holder(self) -> str | None:
        """Who holds the lease, in words; None for a lease that is free."""
        seen = _read(self._folder)
        return None if seen is None or seen.is_free else seen.holder()

    def _take(self) -> bool:
        """Take the lease if it is free; return whether it is this process's now.

        Raises:
            LeaseHeldError: the holder lives.
        """
        seen = _read(self._folder)
        if seen is None:
            # Read before: an object store that ignores conditions would replace the lease of another run.
            return self._folder.create(LEASE_NAME, _content(self._fields))
        if seen.is_of(self.token):
            return True  # The storage replaced the file, but its answer was lost.
        if not seen.is_free:
            self._wait_for_death(seen)
        return self._replace(seen, **self._fields)

    def _replace(self, seen: _Seen, **changes: Any) -> bool:
        """Write these fields over the version that was seen; return whether it was still there."""
        return (
            self._folder.replace(LEASE_NAME, _content({**seen.fields, **changes}), seen.version) is not None
        )

    def _wait_for_death(self, seen: _Seen) -> None:
        """Return when the holder seems to be dead; raise LeaseHeldError when it lives."""
        state = seen.state()
        if state != "elsewhere":
            raise self._held_by(seen, suspended=state == "suspended")
        who = f"{self._folder.uri} was being written by another run, {seen.holder()}"
        _log.warning("%s; waiting %g s for a sign that it still runs", who, _PATIENCE_S)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            time.sleep(_BEAT_S / 10)
            now = _read(self._folder)
            if now is None or now.is_free:
                return
            if now.version != seen.version:
                raise self._held_by(now)

    def _held_by(self, seen: _Seen, suspended: bool = False) -> LeaseHeldError:
        advice = "wait for it, or end it"
        if suspended:
            advice = f"it is suspended: resume it (kill -CONT {seen.fields['pid']}), or end it"
        return LeaseHeldError(
            f"{self._folder.uri} is being written by another run: {seen.holder()}; {advice}"
        )

    def _beat_on(self) -> None:
        while not self._released.wait(_BEAT_S):
            try:
                seen = _read(self._folder)
                if seen is not None and seen.is_of(self.token):
                    self._replace(seen, beat=int(seen.fields["beat"]) + 1)
            except StoreError:
                continue  # The disk may be full for a moment; commits fail loudly when it stays full.


class Fenced:
    """A folder that is written only while a lease on it is held: see Folder.

    Methods that write raise LeaseHeldError once the lease is lost.
    """

    def __init__(self, folder: Folder, token: str) -> None:
        self._folder, self._token = folder, token
        # What the file of the lease held when it was last seen to be this run's.
        self._held: bytes | None = None

    @property
    def uri(self) -> str:
        return self._folder.uri

    def read(self, name: str) -> bytes:
        return self._folder.read(name)

    def read_version(self, name: str) -> tuple[bytes, str]:
        return self._folder.read_version(name)

    def size(self, name: str) -> int | None:
        return self._folder.size(name)

    def names(self, prefix: str) -> Iterator[str]:
        return self._folder.names(prefix)

    def children(self, folder: str) -> list[str]:
        return self._folder.children(folder)

    def local(self, name: str) -> contextlib.AbstractContextManager[Path]:
        return self._folder.local(name)

    def staging(self) -> Path:
        return self._folder.staging()

    def clean_staging(self) -> None:
        self._check()
        self._folder.clean_staging()

    def replace(self, name: str, data: bytes, version: str) -> str | None:
        self._check()
        return self._folder.replace(name, data, version)

    def version(self, name: str) -> str | None:
        return self._folder.version(name)

    def move(self, old: str, new: str) -> None:
        self._check()
        self._folder.move(old, new)

    def write(self, name: str, data: bytes, durable: Durable = "name") -> None:
        self._check()
        self._folder.write(name, data, durable)

    def create(self, name: str, data: bytes, durable: Durable = "name") -> bool:
        self._check()
        return self._folder.create(name, data, durable)

    def publish(self, name: str, local: Path) -> None:
        self._check()
        self._folder.publish(name, local)

    def delete(self, name: str) -> None:
        self._check()
        self._folder.delete(name)

    def delete_all(self, names: Sequence[str]) -> None:
        self._check()
        self._folder.delete_all(names)

    def _is_unchanged(self) -> bool:
        """Whether the file holds the bytes that it held when the lease was last seen to be this run's."""
        try:
            return self._folder.read(LEASE_NAME) == self._held
        except FileNotFoundError:
            return False

    def _check(self) -> None:
        if self._is_unchanged():
            return
        seen = _read(self._folder)
        if seen is not None and seen.is_of(self._token):
            self._held = seen.data
        else:
            raise LeaseHeldError(f"{self.uri}: {_loss(seen)}")


def _loss(seen: _Seen | None) -> str:
    """How a run lost its lease, by what the file holds now."""
    if seen is None:
        return (
            f"{LEASE_NAME} is missing: it or its folder was moved or deleted while the run wrote to it; "
            "give the folder its name back, then run the same command again"
        )
    now = "free" if seen.is_free else f"held by {seen.holder()}"
    return (
        f"the lease of this run was taken over while the run was suspended, and is now {now}; "
        "everything that was finished before is kept: run the same command again"
    )


def _read(folder: Folder) -> _Seen | None:
    """What the lease file holds; None if there is no file."""
    try:
        data, version = folder.read_version(LEASE_NAME)
    except FileNotFoundError:
        return None
    try:
        fields = dict(json.loads(data))
    except (ValueError, TypeError):
        # A torn file can only come from outside. It names no process, so its version shows whether one lives.
        fields = {}
    # A lease of an earlier version does not name its folder.
    here = _place(folder)
    return _Seen(fields, version, data, is_here=fields.get("folder", here) == here)


def _place(folder: Folder) -> str:
    """The folder's URI, or its path without symbolic links."""
    path = local_path(folder.uri)
    return folder.uri if path is None else str(path.resolve())


def _content(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields).encode()
