"""Everything in this process, one step after the other: for a debugger, and for machines without Ray.

Follows every rule of the scheduler except those that need a process to end: a crash ends the run, and a
deadline is enforced only at the model's next denoising step.
"""

import gc
import time
from collections.abc import Mapping, Sequence
from typing import Any

from t2vbatch.engines.devices import budget_s, gpus_each, local_gpus
from t2vbatch.engines.interrupts import interrupts
from t2vbatch.engines.loop import run_loop
from t2vbatch.engines.protocol import Ending, P, RunCallbacks
from t2vbatch.engines.worker_process import WorkerProcess
from t2vbatch.job import Job
from t2vbatch.plan import Unit
from t2vbatch.schedule import Event, RunLimits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Factory, Work


class InlineEngine:
    """One worker at a time, in this process."""

    def run(
        self,
        units: Mapping[str, Sequence[Unit]],
        job: Job,
        factories: Mapping[str, Factory[P]],
        callbacks: RunCallbacks[P],
    ) -> Ending:
        """See Engine.run."""
        gpus = gpus_each(job, local_gpus())
        device = "cuda" if gpus else "cpu"
        backend = _InlineBackend(factories, device, job.workers.timeout_s)
        with interrupts(urgent=True) as counted:
            scheduler = Scheduler(units, RunLimits(workers=1))
            return run_loop(scheduler, backend, callbacks, counted, budget_s=budget_s(job, gpus))


class _InlineBackend:
    """Carries out each action at once, and returns its event at the next call of ``events``."""

    def __init__(self, factories: Mapping[str, Factory[Any]], device: str, timeout_s: float | None) -> None:
        self._factories, self._device, self._timeout_s = factories, device, timeout_s
        self._processes: dict[int, WorkerProcess] = {}
        self._events: list[Event] = []

    def start(self, action: m.Start) -> None:
        process = WorkerProcess(action.worker, self._timeout_s)
        self._processes[action.worker] = process
        name = f"{action.model}-{action.worker}"
        self._events.append(process.load(self._factories[action.model], name, self._device, action.memory))

    def stop(self, worker: int) -> None:
        self._processes.pop(worker, None)
        gc.collect()  # A pipeline has reference cycles, and the next model needs its memory now.

    kill = stop

    def avoid(self, node: str) -> None:
        self._events.append(m.Cluster(0, nodes=frozenset()))

    def generate(self, worker: int, work: Work[Any]) -> None:
        self._events.append(self._processes[worker].generate(work))

    def finish(self, worker: int, key: int) -> None:
        self._events.append(self._processes[worker].finish(key))

    def events(self) -> Sequence[Event]:
        if not self._events:
            time.sleep(0.05)  # The scheduler pauses before it loads a failed model again.
        events, self._events = self._events, []
        return events
