"""Hosts that do not answer: after three minutes, what needs such a host fails at once.

An object store is asked for a minute before a read fails. A manifest with thousands of files in a bucket
that cannot be reached would take days to report that. Shorter outages fail only the few reads that meet them,
and their samples are tried again.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from t2vbatch.errors import StoreError
from t2vbatch.storage.errors import got_no_answer

_OUTAGE_S = 180.0
"""Reads fail at once after this time without an answer: three reads of an object store."""

_PAUSE_S = 60.0
"""Time between two reads that are tried during an outage. One may take a minute, in which no video is
generated; a host that answers again is used after two minutes at the latest."""


@dataclass
class _Outage:
    """A host that did not answer since ``since_s``; ``next_s``: when a read may be tried again."""

    since_s: float
    next_s: float


class Outages:
    """The hosts that do not answer, of one process; for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._outages: dict[str, _Outage] = {}

    @contextmanager
    def watched(self, uri: str) -> Iterator[None]:
        """Watch a block that asks the URI's host.

        Raises:
            StoreError: the host has not answered for three minutes; the block is not run.
        """
        parts = urlsplit(uri)
        host, started_s = f"{parts.scheme}://{parts.netloc}", self._clock()
        self._refuse(host, started_s)
        try:
            yield
        except StoreError as error:
            if got_no_answer(error):
                self._failed(host, started_s)
            else:
                self._answered(host)
            raise
        except FileNotFoundError:
            self._answered(host)
            raise
        self._answered(host)

    def _refuse(self, host: str, now_s: float) -> None:
        with self._lock:
            outage = self._outages.get(host)
            if outage is None or now_s - outage.since_s < _OUTAGE_S:
                return
            if now_s >= outage.next_s:
                outage.next_s = now_s + _PAUSE_S  # This read is tried; meanwhile, others fail at once.
                return
            minutes = int((now_s - outage.since_s) / 60)
        raise StoreError(
            f"not tried, because {host} has not answered for {minutes} min; "
            "check the network and the address, then run again with --retry-failed"
        )

    def _failed(self, host: str, started_s: float) -> None:
        with self._lock:
            outage = self._outages.setdefault(host, _Outage(started_s, 0.0))
            outage.next_s = self._clock() + _PAUSE_S

    def _answered(self, host: str) -> None:
        with self._lock:
            self._outages.pop(host, None)
