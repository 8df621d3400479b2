"""Starts a worker of one model in this process: loads the model and the metrics."""

import time
from collections.abc import Sequence
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


def start_worker(
    job: Job, name: str, facts: ModelFacts, store: Store, worker: str, device: str, memory: Sequence[str]
) -> Worker:
    """Load the model ``name`` and the metrics of the job.

    Args:
        worker: name of the worker, for records.
        device, memory: as in Factory.
    """
    set_up_torch(job.workers.cpus)
    start = time.perf_counter()
    loader = _Loader(job, name, facts, device)
    model = loader.load(memory)
    scorer = load_metrics(job, device)
    info = WorkerInfo(worker, device, time.perf_counter() - start)
    return Worker(job, name, store, model, scorer, info, read_inputs, loader.retry_model(memory))


class _Loader:
    """Loads one model of the job."""

    def __init__(self, job: Job, model: str, facts: ModelFacts, device: str) -> None:
        self._job, self._model, self._facts, self._device = job, model, facts, device
        self._how = reading_of(job, model)

    def load(self, memory: Sequence[str]) -> VideoModel:
        """The model with these memory settings. Raises ModelError, NodeError, or an error that may pass."""
        where = f"models.{self._model}"
        try:
            with self._job.with_location(where):
                return load_model(self._spec(memory), self._facts, self._device, self._how)
        except NodeError as error:
            raise NodeError(f"{where}.{error}") from error
        except (OSError, ValueError, LookupError) as error:
            if not _is_lasting(error, self._spec(memory)):
                raise
            raise ModelError(
                f"{where}.path",
                f"{self._job.models[self._model].path}, which cannot be loaded: {error}",
                "a complete model in diffusers' layout",
                "repair or download the model again",
            ) from error

    def retry_model(self, memory: Sequence[str]) -> RetryModel | None:
        """Loads the model in the precision of ``retry_degenerate``, at its first call."""
        dtype = self._job.models[self._model].retry_degenerate
        if dtype is None:
            return None
        spec = self._spec(memory).model_copy(update={"dtype": dtype})
        return cache(lambda: load_model(spec, self._facts, self._device, self._how))

    def _spec(self, memory: Sequence[str]) -> Model:
        spec = self._job.models[self._model]
        if not memory:
            return spec
        # Offload methods exclude each other, so the new one replaces the job's own.
        kept = [saving for saving in spec.memory if "offload" not in str(saving)]
        return spec.model_copy(update={"memory": [*kept, *memory]})


def _is_lasting(error: Exception, spec: Model) -> bool:
    """Whether loading again cannot help: every part is a local file, and the system reported no error.

    The Hub may answer the next time, and so may a disk that gave an error number.
    """
    parts = [*spec.loras, spec.ip_adapter or {}, *(part for part in spec.components.values() if part)]
    paths = [spec.path, spec.config, *(part.get("path") for part in parts)]
    local = all(path is None or Path(str(path)).exists() for path in paths)
    return (
        local
        and getattr(error, "errno", None) is None
        and not isinstance(error, ConnectionError | TimeoutError)
    )
