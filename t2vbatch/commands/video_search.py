"""Looks for the finished samples whose videos are missing, before a run generates or beside it.

An object store lists a thousand names per request, so this takes minutes for a million videos. A run need not
wait for that: it generates its other samples meanwhile, and the missing videos after them.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import pyarrow as pa

from t2vbatch.engines import Engine
from t2vbatch.job import Job
from t2vbatch.output.store import Store
from t2vbatch.output.superseded import missing_videos
from t2vbatch.plan import Plan
from t2vbatch.storage.files import local_path

_FEW = 20_000
"""An object store lists so many videos in about a second."""


class VideoSearch:
    """A context in which a thread looks for the finished samples of the plan whose videos are missing.

    Args:
        records: with ``sample_id`` and ``video``, as they are before the run generates anything.

    Attributes:
        is_quick: whether the search takes a second at most; then a run waits for it before it starts workers.
    """

    def __init__(self, store: Store, plan: Plan, records: pa.Table) -> None:
        self.is_quick = local_path(store.uri) is not None or records.num_rows <= _FEW
        self._over = threading.Event()
        self._thread = ThreadPoolExecutor(1, "look for videos")
        self._arguments = store, plan, records, self._over
        self._found: Future[list[str]] | None = None

    def __enter__(self) -> "VideoSearch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.shutdown()

    def beside(self, engine: Callable[[Job], Engine]) -> Callable[[Job], Engine]:
        """Makes the same engine, and starts the search, whose requests do not delay the start of the run."""

        def make(job: Job) -> Engine:
            self._start()
            return engine(job)

        return make

    def missing(self) -> set[str]:
        """Wait for the end of the search; return the samples. Raises StoreError if the storage failed."""
        return set(self._start().result())

    def _start(self) -> "Future[list[str]]":
        self._found = self._found or self._thread.submit(missing_videos, *self._arguments)
        return self._found
