"""Starts a worker of one model: loads the model and the metrics."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from t2vbatch.errors import ModelError, NodeError
from t2vbatch.job import Job, Model
from t2vbatch.media.reading import reading_of
from t2vbatch.metrics.scorer import load_metrics
from t2vbatch.models import load_model, set_up_torch
from t2vbatch.models.protocol import ModelFacts, VideoModel
from t2vbatch.output.store import Store
from t2vbatch.plan import read_inputs
from t2vbatch.worker.finish import WorkerInfo
from t2vbatch.worker.worker import RetryModel, Worker


@dataclass(frozen=True)
class WorkerFactory:
    """Everything that is needed to start a worker of one model on any node; small and picklable."""

    job: Job
    model: str
    facts: ModelFacts
    store: Store

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> Worker:
        """Load the model and the metrics; see Factory."""
        set_up_torch(self.job.workers.cpus)
        start = time.perf_counter()
        model = self._load(memory, device)
        scorer = load_metrics(self.job, device)
        info = WorkerInfo(name, device, time.perf_counter() - start)
        retry_model = self._retry_model(memory, device)
        return Worker(self.job, self.model, self.store, model, scorer, info, read_inputs, retry_model)

    def _load(self, memory: Sequence[str], device: str) -> VideoModel:
        where = f"models.{self.model}"
        try:
            with self.job.with_location(where):
                return load_model(self._spec(memory), self.facts, device, reading_of(self.job, self.model))
        except NodeError as error:
            raise NodeError(f"{where}.{error}") from error
        except (OSError, ValueError, LookupError) as error:
            if not _is_lasting(error, self._spec(memory)):
                raise
            raise ModelError(
                f"{where}.path",
                f"{self.job.models[self.model].path}, which cannot be loaded: {error}",
                "a complete model in diffusers' layout",
                "repair or download the model again",
            ) from error

    def _retry_model(self, memory: Sequence[str], device: str) -> RetryModel | None:
        dtype = self.job.models[self.model].retry_degenerate
        if dtype is None:
            return None
        spec = self._spec(memory).model_copy(update={"dtype": dtype})
        how = reading_of(self.job, self.model)
        return cache(lambda: load_model(spec, self.facts, device, how))

    def _spec(self, memory: Sequence[str]) -> Model:
        spec = self.job.models[self.model]
        if not memory:
            return spec
        # Offload methods exclude each other, so the new one replaces the job's own.
        kept = [saving for saving in spec.memory if "offload" not in str(saving)]
        return spec.model_copy(update={"memory": [*kept, *memory]})


def _is_lasting(error: Exception, spec: Model) -> bool:
    """Whether loading again cannot help: every part is a local file, and the system reported no error itself.

    A hub may answer the next time, and so may a disk that gave an error number.
    """
    parts = [*spec.loras, *(part for part in spec.components.values() if part)]
    paths = [spec.path, spec.config, *(part.get("path") for part in parts)]
    local = all(path is None or Path(str(path)).exists() for path in paths)
    return (
        local
        and getattr(error, "errno", None) is None
        and not isinstance(error, ConnectionError | TimeoutError)
    )
