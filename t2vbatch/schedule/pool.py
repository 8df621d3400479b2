"""The workers there are: whom to start next, whom to keep, who leaves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from t2vbatch.schedule.backlog import Backlog
from t2vbatch.schedule.limits import Limits
from t2vbatch.schedule.messages import Cluster
from t2vbatch.schedule.worker_state import WorkerState
from t2vbatch.worker.protocol import OFFLOAD_LEVELS


@dataclass
class Model:
    """What is known of one model.

    Attributes:
        succeeded: one of its samples was committed in this run.
        misfits: units in a row that did not fit into memory at the backlog's level.
        failed_starts: workers in a row that could not be started.
        start_after: when the next one may be started.
    """

    backlog: Backlog
    succeeded: bool = False
    misfits: int = 0
    failed_starts: int = 0
    start_after: float = 0.0


class WorkerPool:
    """All workers by number. Numbers are never used twice.

    Attributes:
        workers: those that were started and neither stopped nor ended.
    """

    def __init__(self, limits: Limits) -> None:
        self.workers: dict[int, WorkerState] = {}
        self._limits = limits
        self._capacity = limits.workers
        self._draining: frozenset[str] = frozenset()
        self._last = 0

    def __iter__(self) -> Iterator[WorkerState]:
        """The workers there are now; some may go while they are gone through."""
        return iter(list(self.workers.values()))

    def count(self, model: str) -> int:
        """Workers of this model, those that leave included: they still hold their place."""
        return sum(worker.model == model for worker in self.workers.values())

    def resize(self, cluster: Cluster) -> None:
        """Nodes came, went, or are about to go."""
        self._capacity, self._draining = cluster.capacity, cluster.draining
        for worker in self.workers.values():
            worker.leaving = worker.leaving or worker.node in self._draining

    def mark_ready(self, worker: WorkerState, node: str) -> None:
        """A worker is ready, on this node."""
        worker.ready, worker.node = True, node
        worker.leaving = node in self._draining

    def start_workers(self, models: Mapping[str, Model], now: float) -> Iterator[WorkerState]:
        """Workers to start, as long as there is room and somebody wants one."""
        while len(self.workers) < self._capacity and (wanted := self._wanted(models, now)):
            self._last += 1
            self.workers[self._last] = WorkerState(self._last, *wanted)
            yield self.workers[self._last]

    def keeps(self, worker: WorkerState, model: Model, has_running: bool) -> bool:
        """Whether a worker with nothing to do stays: one of the minimum, whose model's work may come back."""
        may_come_back = has_running and not len(model.backlog)
        return may_come_back and not worker.leaving and self.count(worker.model) <= self._limits.minimum

    def _wanted(self, models: Mapping[str, Model], now: float) -> tuple[str, int] | None:
        """The model and the level of memory saving that the next worker should be for.

        First who has less than the minimum, then who has the most waiting for each worker, then the order of
        the job. A model that is left without a worker gets its turn when another's work is drained.
        """
        wanted = []
        for order, (name, model) in enumerate(models.items()):
            own = [worker for worker in self.workers.values() if worker.model == name]
            full = self._limits.maximum is not None and len(own) >= self._limits.maximum
            for offload_level in range(len(OFFLOAD_LEVELS)):
                share = _share(
                    model.backlog.waiting(offload_level), [w for w in own if w.offload_level == offload_level]
                )
                if share and not full and now >= model.start_after:
                    wanted.append((len(own) >= self._limits.minimum, -share, order, offload_level, name))
        if not wanted:
            return None
        *_, offload_level, name = min(wanted)
        return name, offload_level


def _share(waiting: int, pool: list[WorkerState]) -> float:
    """Waiting attempts for each worker, with one more; 0 where those that are starting are enough."""
    starting = sum(not worker.ready for worker in pool)
    return waiting / (len(pool) + 1) if waiting > starting else 0.0
