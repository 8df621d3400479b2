"""The message that starts a worker of one model on any node.

The driver makes it, and must not import torch for that: torch and diffusers take seconds to import.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from t2vbatch.job import Job
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.output.store import Store
from t2vbatch.plan import Sample

if TYPE_CHECKING:
    from t2vbatch.worker.worker import Worker


@dataclass(frozen=True)
class WorkerFactory:
    """Everything that is needed to start a worker of one model; small and picklable.

    Attributes:
        ahead: units whose prompts the worker encodes before it generates; see ``speed: text_encoder``.
    """

    job: Job
    model: str
    facts: ModelFacts
    store: Store
    ahead: Sequence[Sequence[Sample]] = ()

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> "Worker":
        """Load the model and the metrics; see Factory."""
        worker = _start_worker()(self.job, self.model, self.facts, self.store, name, device, memory)
        worker.encode_ahead(self.ahead)
        return worker


@cache
def _start_worker() -> "Callable[..., Worker]":
    """``start_worker``, imported in the worker's process at the first call.

    The import makes a million objects that live as long as the process. Searching them for garbage again and
    again takes a sixth of the import's time, so that the collector waits, and leaves them out from then on.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        from t2vbatch.worker.start import start_worker
    finally:
        gc.freeze()
        if collects:
            gc.enable()
    return start_worker
