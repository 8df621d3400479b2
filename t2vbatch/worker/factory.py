"""The message that starts a worker of one model on any node.

The driver makes it, and must not import torch for that: torch and diffusers take seconds to import.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
        # Imported here, in the worker's process.
        from t2vbatch.worker.start import start_worker

        worker = start_worker(self.job, self.model, self.facts, self.store, name, device, memory)
        worker.encode_ahead(self.ahead)
        return worker
