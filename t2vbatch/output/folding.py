"""Folds the records of a run into segments while the run goes on, in a thread of the driver."""

import logging
import threading
import time
from types import TracebackType

import pyarrow as pa

from t2vbatch.errors import StoreError
from t2vbatch.output.record_log import SEGMENT_ROWS, RecordLog

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 15.0
"""One listing of the small records, at most five requests on an object store."""
_OLDEST_S = 300.0
"""After this time even a few small records are folded, so that readers have few files to read."""


class Folding:
    """A context in which the log is folded by count and by age.

    Args:
        fold_at: number of small records at which they are folded, whatever their age.

    A worker that cannot be reached may commit a second record for a sample. It finds the first one only while
    that is a small record, so ``keep`` excludes a sample that is tried again.
    """

    def __init__(
        self, log: RecordLog, look_every_s: float = _LOOK_EVERY_S, fold_at: int = SEGMENT_ROWS
    ) -> None:
        self._records, self._look_every_s, self._fold_at = log, look_every_s, fold_at
        self._kept: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="fold records", daemon=True)

    def keep(self, sample_id: str) -> None:
        """Leave this sample's record as it is until the run is over."""
        self._kept.add(sample_id)

    def __enter__(self) -> "Folding":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        folded_at = time.monotonic()
        while not self._over.wait(self._look_every_s):
            try:
                count = self._records.count_small() - len(self._kept)
                if count >= self._fold_at or (count > 0 and time.monotonic() - folded_at >= _OLDEST_S):
                    self._records.fold(frozenset(self._kept))
                    pa.default_memory_pool().release_unused()  # Else the run keeps it until the next fold.
                    folded_at = time.monotonic()
            except StoreError as error:
                # A storage may be away for a moment; the workers' commits fail loudly when it stays so.
                _log.warning("records were not folded, and will be later: %s", error)
