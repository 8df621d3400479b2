"""Everything in this process, one thing after the other: for a debugger, and for machines without Ray.

Keeps every rule of the scheduler but those that need a process to lose: a crash is a crash of the run, and a
deadline is kept where the model does its next step, or not at all.
"""

import gc
import time
from collections.abc import Mapping, Sequence

from t2vbatch.engines.devices import gpus_each, local_gpus
from t2vbatch.engines.interrupts import interrupts
from t2vbatch.engines.loop import run_loop
from t2vbatch.engines.protocol import Ending, RunCallbacks
from t2vbatch.engines.worker_process import WorkerProcess
from t2vbatch.job import Job
from t2vbatch.plan import Unit
from t2vbatch.schedule import Event, Limits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Factory, Work


class InlineEngine:
    """One worker at a time, in this process."""

    def run(
        self,
        units: Mapping[str, Sequence[Unit]],
        job: Job,
        factories: Mapping[str, Factory],
        ledger: RunCallbacks,
    ) -> Ending:
        """See Engine.run."""
        device = "cuda" if gpus_each(job, local_gpus()) else "cpu"
        backend = _InlineBackend(factories, device, job.workers.timeout_s)
        with interrupts(urgent=True) as counted:
            return run_loop(Scheduler(units, Limits(workers=1)), backend, ledger, counted)


class _InlineBackend:
    """Does at once what it is asked, and tells of it at the next call of ``events``."""

    def __init__(self, factories: Mapping[str, Factory], device: str, timeout_s: float | None) -> None:
        self._factories, self._device, self._timeout_s = factories, device, timeout_s
        self._hosts: dict[int, WorkerProcess] = {}
        self._happened: list[Event] = []

    def start(self, action: m.Start) -> None:
        process = WorkerProcess(action.worker, self._timeout_s)
        self._hosts[action.worker] = process
        name = f"{action.model}-{action.worker}"
        self._happened.append(process.load(self._factories[action.model], name, self._device, action.memory))

    def stop(self, worker: int) -> None:
        self._hosts.pop(worker, None)
        gc.collect()  # A pipeline is full of cycles, and the next model needs its memory now.

    kill = stop

    def generate(self, worker: int, work: Work) -> None:
        self._happened.append(self._hosts[worker].generate(work))

    def finish(self, worker: int, key: int) -> None:
        self._happened.append(self._hosts[worker].finish(key))

    def events(self) -> Sequence[Event]:
        if not self._happened:
            time.sleep(0.05)  # A model that failed to load is waited for before it is loaded again.
        happened, self._happened = self._happened, []
        return happened
