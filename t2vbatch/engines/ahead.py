"""Starts the Ray of this machine while a job is planned: both take seconds, and each uses one core.

Which jobs are worth it is decided in ``commands/ahead.py``.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from t2vbatch.engines import Engine, engine_for
from t2vbatch.job import Job

_ABANDON_S = 0.5
"""Ray makes its folders in milliseconds, and then waits for processes whose folder was deleted."""


class Ahead:
    """A Ray that begins to start when this is made, and the engine that takes it over.

    Only for a process that calls ``abandon`` and then ends at once: an abandoned start leaves the process
    with half a connection to Ray. A thread starts Ray and stays until it has stopped Ray, because Linux
    kills Ray's processes when the thread that started them ends.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._ready, self._released = threading.Event(), threading.Event()
        self._lock, self._has_begun, self._is_abandoned = threading.Lock(), False, False
        self._is_taken = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._hold, name="ray", daemon=True)
        self._thread.start()

    def engine_for(self, job: Job) -> Engine:
        """As ``engines.engine_for``; the first engine uses the Ray that was started."""
        if self._is_taken:
            return engine_for(job)
        from t2vbatch.engines.ray import RayEngine

        return RayEngine(self._connected)

    def abandon(self) -> None:
        """Leave nothing of a Ray that no engine took over, neither processes nor files."""
        with self._lock:
            self._is_abandoned = True
        if not self._has_begun or self._is_taken:
            return
        from t2vbatch.engines.ray_cluster import discard_local

        discard_local()
        if not self._ready.is_set():
            # A start that was about to create a folder or a process creates it meanwhile, and then fails.
            self._ready.wait(_ABANDON_S)
            discard_local()

    @contextmanager
    def _connected(self, job: Job) -> Iterator[None]:
        """As ``ray_cluster.connected``: waits for the start, raises its error, stops Ray after the block."""
        self._ready.wait()
        self._is_taken = True
        try:
            if self._error is not None:
                raise self._error
            yield
        finally:
            self._released.set()
            self._thread.join()
        if self._error is not None:
            raise self._error

    def _begins(self) -> bool:
        with self._lock:
            self._has_begun = not self._is_abandoned
        return self._has_begun

    def _hold(self) -> None:
        try:
            # Imported here, while the job is planned.
            from t2vbatch.engines.ray_cluster import connected

            if self._begins():
                with connected(self._job):
                    self._ready.set()
                    self._released.wait()
        except Exception as error:
            self._error = error
        finally:
            self._ready.set()
