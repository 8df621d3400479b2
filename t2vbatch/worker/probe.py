"""A worker that measures how long calls with 1, 2, 4, ... samples take.

It writes what it has measured after each number, before it tries the next one. A process that dies, because
the machine is out of memory, is started again; it then keeps the numbers below the one that it died of.
"""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from t2vbatch.errors import DegenerateError, SampleError
from t2vbatch.job import Job
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.output.store import Store
from t2vbatch.plan import Sample
from t2vbatch.worker.factory import WorkerFactory
from t2vbatch.worker.protocol import Outcome, Work

if TYPE_CHECKING:
    from t2vbatch.worker.worker import Worker

MAX_BATCH = 16
"""Largest number that is tried: beyond it, a unit that fails costs more than a larger batch gains."""

GAIN = 0.95
"""A larger batch must take at most this share of the seconds per sample; less is within the noise."""

STEPS = 4
"""Denoising steps of a measured call, at most: enough to compare batches, and a tenth of the usual number."""

CALLS = 2
"""Least number of calls of each size. The fastest counts: the first one may compile or choose kernels."""

ENOUGH_S = 1.0
"""Shorter calls are repeated until they have taken this time together: other programs disturb them more."""


@dataclass(frozen=True)
class BatchTimes:
    """What has been measured.

    Attributes:
        seconds: number of samples in a call: seconds per sample.
        trying: the number that is measured now; 0: none.
        finished: whether no more numbers are to be tried.
    """

    seconds: Mapping[int, float] = field(default_factory=dict)
    trying: int = 0
    finished: bool = False

    @staticmethod
    def read(store: Store, key: str) -> "BatchTimes":
        """What a worker wrote under this key; no times if no worker wrote any."""
        with contextlib.suppress(FileNotFoundError):
            found = store.read_json(result_name(key))
            seconds = {int(size): value for size, value in found["seconds"].items()}
            return BatchTimes(seconds, found["trying"], found["finished"])
        return BatchTimes()

    def write(self, store: Store, key: str) -> "BatchTimes":
        """Write and return it."""
        store.write_json(result_name(key), vars(self))
        return self


RESULTS = "batches"
"""The folder of the store with the results of workers; deleted after the measurement."""


def result_name(key: str) -> str:
    """The file of the store in which a worker writes."""
    return f"{RESULTS}/{key}.json"


def fastest(times: BatchTimes) -> int:
    """The first number after which doubling gains nothing; 1 if no number was measured."""
    chosen = 1
    while 2 * chosen in times.seconds and times.seconds[2 * chosen] <= GAIN * times.seconds[chosen]:
        chosen *= 2
    return chosen


@dataclass(frozen=True)
class ProbeFactory:
    """Starts such a worker; small and picklable."""

    job: Job
    model: str
    facts: ModelFacts
    store: Store
    key: str

    def __call__(self, name: str, device: str, memory: Sequence[str] = ()) -> "Prober":
        """Load the model; see Factory."""
        job = self.job.model_copy(update={"metrics": {}})
        worker = WorkerFactory(job, self.model, self.facts, self.store)(name, device, memory)
        return Prober(worker, _shorter(job, self.model, self.facts), self.store, self.key)


class Prober:
    """Measures one unit, whose payload is a sample of the model."""

    def __init__(self, worker: "Worker", changes: Mapping[str, int], store: Store, key: str) -> None:
        self._worker, self._changes, self._store, self._key = worker, changes, store, key
        self._positions: tuple[int, ...] = ()

    def generate(self, work: Work[Sample]) -> None:
        """Measure 1, 2, 4, ... samples until a larger number gains nothing or does not fit.

        Raises:
            SampleError: the call fails with one sample.
        """
        self._positions = work.positions
        (sample,) = work.payloads
        short = replace(sample, call={**sample.call, **self._changes})
        times = BatchTimes.read(self._store, self._key)
        if times.trying > 1:  # The process died of it.
            times = replace(times, trying=0, finished=True).write(self._store, self._key)
        while not times.finished:
            times = self._next(times, short)

    def _next(self, times: BatchTimes, sample: Sample) -> BatchTimes:
        size = 2 * max(times.seconds, default=0) or 1
        times = replace(times, trying=size).write(self._store, self._key)
        try:
            seconds = self._fastest_s(sample, size) / size
        except SampleError:
            # Out of memory, or a pipeline that cannot make several videos.
            if size == 1:
                raise
            return replace(times, trying=0, finished=True).write(self._store, self._key)
        found = replace(times, seconds={**times.seconds, size: seconds}, trying=0)
        finished = fastest(found) < size or size == MAX_BATCH
        return replace(found, finished=finished).write(self._store, self._key)

    def _fastest_s(self, sample: Sample, size: int) -> float:
        calls = [self._seconds(sample, size) for _ in range(CALLS)]
        while sum(calls) < ENOUGH_S:
            calls.append(self._seconds(sample, size))
        return min(calls)

    def _seconds(self, sample: Sample, size: int) -> float:
        samples = [replace(sample, seed=sample.seed + index) for index in range(size)]
        start = time.perf_counter()
        with contextlib.suppress(DegenerateError):  # Fewer steps may make no picture; the time is right.
            self._worker.try_call(samples)
        return time.perf_counter() - start

    def finish(self, key: int) -> tuple[Outcome, ...]:
        """Nothing is left to do."""
        return tuple(Outcome(position, "ok") for position in self._positions)


def _shorter(job: Job, model: str, facts: ModelFacts) -> dict[str, int]:
    """Changes of the call that leave out most steps, if it has a number of steps and no list of them."""
    call = {**facts.signature, **facts.call, **job.models[model].call}
    steps = call.get("num_inference_steps")
    listed = call.get("timesteps") is not None or call.get("sigmas") is not None
    return {"num_inference_steps": STEPS} if isinstance(steps, int) and steps > STEPS and not listed else {}
