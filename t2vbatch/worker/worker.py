"""One loaded model: generates the videos of a unit, and passes them to ``finish`` in the same process.

This module does not know the engine that calls it. ``generate`` and ``finish`` may run at the same time in
two threads, for two units; frames pass from one to the other inside this process and never leave it.
"""

import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime

import torch

from t2vbatch.errors import DegenerateError, InputError, SampleError
from t2vbatch.job import Job
from t2vbatch.metrics.scorer import Scorer
from t2vbatch.models.host_copies import HostCopies
from t2vbatch.models.protocol import Request, VideoModel
from t2vbatch.models.stages import StageTimes
from t2vbatch.output.store import Store
from t2vbatch.plan import Sample
from t2vbatch.worker.finish import Finisher, GeneratedUnit, ModelOutput, WorkerInfo
from t2vbatch.worker.protocol import Failure, Outcome, Work

RetryModel = Callable[[], VideoModel]
"""The model that generates a degenerate sample once more; loaded at the first call, then kept."""


class Worker:
    """Turns units into committed records.

    Args:
        read_inputs: adds the bytes of its media to a sample. Raises InputError.
        retry_with: None: a degenerate video is not generated once more.
    """

    def __init__(
        self,
        job: Job,
        model_name: str,
        store: Store,
        model: VideoModel,
        scorer: Scorer,
        info: WorkerInfo,
        read_inputs: Callable[[Sample], Sample],
        retry_with: RetryModel | None = None,
    ) -> None:
        self._job, self._batch = job, job.models[model_name].batch_size
        self._store, self._model, self._retry_with = store, model, retry_with
        self._device, self._read_inputs = info.device, read_inputs
        self._random_state = threading.Lock()
        self._finisher = Finisher(job, store, scorer, info, self._random_state)
        self._generated: dict[int, GeneratedUnit] = {}
        self._idle_since = time.perf_counter()

    def generate(self, work: Work[Sample]) -> int:
        """Generate the unit's videos and keep them until ``finish``.

        A video that an earlier attempt published is not generated again.

        Returns:
            Bytes of the frames.

        Raises:
            InputError: an input is missing or broken; nothing was generated.
            SampleError: as VideoModel.generate. DegenerateError is kept for ``finish`` instead: the same seed
                would give the same result, so the result goes into a record.
        """
        _reset_peak(self._device)
        drafts = [self._store.find_orphan(sample.sample_id, sample.video) for sample in work.payloads]
        samples = [
            planned if draft else self._read_inputs(planned)
            for planned, draft in zip(work.payloads, drafts, strict=True)
        ]
        missing = [sample for sample, draft in zip(samples, drafts, strict=True) if not draft]
        started_at = datetime.now(UTC)
        copies = HostCopies()
        with self._random_state, self._timed(len(missing)) as seconds, self._deferring(copies):
            outputs = iter(self._generate_videos(missing))
        results = [draft or next(outputs) for draft in drafts]
        read = replace(work, payloads=tuple(samples))
        peak = _peak(self._device)
        self._generated[work.key] = GeneratedUnit(read, results, started_at, seconds, peak, copies)
        return sum(output.held_bytes for output in results if isinstance(output, ModelOutput))

    def encode_ahead(self, units: Iterable[Sequence[Sample]]) -> None:
        """Encode the prompts of these units, if the model can do so before it generates."""
        encode = getattr(self._model, "encode_ahead", None)
        if encode is not None:
            encode(requests for unit in units if (requests := self._readable(unit)))

    def _readable(self, unit: Sequence[Sample]) -> list[Request] | None:
        """The requests of the unit's call; None if an input cannot be read, which ``generate`` reports."""
        try:
            return self._padded([self._request(self._read_inputs(sample)) for sample in unit])
        except InputError:
            return None

    def try_call(self, samples: Sequence[Sample]) -> None:
        """Generate videos by one call and drop them. Raises SampleError as VideoModel.generate."""
        with self._random_state:
            self._model.generate([self._request(sample) for sample in samples])

    def finish(self, key: int) -> tuple[Outcome, ...]:
        """Encode, verify, score and commit the videos that ``generate`` made, and free the frames."""
        generated = self._generated.pop(key)
        generated.copies.wait()
        outcomes = []
        for index, position in enumerate(generated.work.positions):
            try:
                outcomes.append(Outcome(position, self._finisher.finish(generated, index)))
            except SampleError as error:
                outcomes.append(Outcome(position, "failed", Failure.of(error)))
        return tuple(outcomes)

    def _deferring(self, copies: HostCopies) -> AbstractContextManager[None]:
        """Frames are copied while the next call begins, unless the worker looks at them at once."""
        return copies.begin() if self._retry_with is None else nullcontext()

    @contextmanager
    def _timed(self, samples: int) -> Iterator[dict[str, float]]:
        """Seconds by stage for each sample, once the block is over."""
        seconds: dict[str, float] = {}
        start = time.perf_counter()
        wait = start - self._idle_since
        try:
            with StageTimes().measure() as stages:
                yield seconds
        finally:
            self._idle_since = end = time.perf_counter()
        convert = stages.get("convert", 0.0)
        totals = {"wait": wait, "generate": end - start - convert, "convert": convert}
        seconds |= {name: total / max(1, samples) for name, total in totals.items()}

    def _generate_videos(self, samples: Sequence[Sample]) -> Sequence[ModelOutput]:
        if not samples:
            return ()
        return self._outputs([self._request(sample) for sample in samples])

    def _request(self, sample: Sample) -> Request:
        call = self._job.call_values(sample.model, sample.call)
        return Request(sample.prompt, sample.negative_prompt, sample.seed, sample.media, call)

    def _outputs(self, requests: list[Request]) -> Sequence[ModelOutput]:
        outputs = self._call(self._model, requests)
        if self._retry_with is None:
            return outputs
        reasons = [output.degenerate_reason for output in outputs]
        return [
            output
            if reason is None
            else replace(self._call(self._retry_with(), [request])[0], retry_reason=reason)
            for output, reason, request in zip(outputs, reasons, requests, strict=True)
        ]

    def _call(self, model: VideoModel, requests: list[Request]) -> list[ModelOutput]:
        try:
            return [ModelOutput(video) for video in model.generate(self._padded(requests))[: len(requests)]]
        except DegenerateError as error:
            if len(requests) > 1:
                raise  # The scheduler splits the unit and so finds the degenerate sample.
            return [ModelOutput(error)]

    def _padded(self, requests: list[Request]) -> list[Request]:
        """Always a full batch: another batch size gives other bits."""
        return requests + [requests[-1]] * (self._batch - len(requests))


def _reset_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: str) -> int:
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
