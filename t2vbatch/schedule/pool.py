"""All workers: which to start next, which to keep, which to end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from t2vbatch.schedule.backlog import Backlog
from t2vbatch.schedule.charges import SameError
from t2vbatch.schedule.limits import RunLimits
from t2vbatch.schedule.messages import Cluster
from t2vbatch.schedule.worker_state import WorkerState
from t2vbatch.worker.protocol import OFFLOAD_LEVELS


@dataclass
class ModelState:
    """The state of one model.

    Attributes:
        one_by_one: no worker gets several units at once, because a process died with such units.
        succeeded: one of its samples was committed in this run.
        misfits: units in a row that did not fit into memory at the backlog's offload level.
        failed_starts: workers in a row that could not be started.
        start_after: when the next one may be started.
        same_error: the failures with one error before the first success.
    """

    backlog: Backlog
    one_by_one: bool = False
    succeeded: bool = False
    misfits: int = 0
    failed_starts: int = 0
    start_after: float = 0.0
    same_error: SameError = field(default_factory=SameError)


class WorkerPool:
    """All workers by number. Numbers are never used twice.

    Attributes:
        workers: started, and neither stopped nor killed.
        excluded: hosts of the nodes that failed, by the nodes' ids.
    """

    def __init__(self, limits: RunLimits) -> None:
        self.workers: dict[int, WorkerState] = {}
        self._limits = limits
        self._capacity = limits.workers
        self._draining: frozenset[str] = frozenset()
        self._nodes: frozenset[str] | None = None
        self.excluded: dict[str, str] = {}
        self._last = 0

    def __iter__(self) -> Iterator[WorkerState]:
        """A copy of the list of workers: they may be removed during the iteration."""
        return iter(list(self.workers.values()))

    def count(self, model: str) -> int:
        """Workers of this model, including those that are leaving, whose resources are still in use."""
        return sum(worker.model == model for worker in self.workers.values())

    def resize(self, cluster: Cluster) -> None:
        """Nodes joined, left or are draining."""
        self._capacity, self._draining, self._nodes = cluster.capacity, cluster.draining, cluster.nodes
        for worker in self.workers.values():
            worker.leaving = worker.leaving or self.is_unusable(worker.node)

    def exclude(self, node: str, host: str) -> None:
        """A node failed: its workers get no more units, and nothing starts before the next Cluster event."""
        self.excluded[node] = host
        self._capacity = 0
        for worker in self.workers.values():
            worker.leaving = worker.leaving or worker.node == node

    def is_unusable(self, node: str) -> bool:
        """Whether a node is draining or failed."""
        return node in self._draining or node in self.excluded

    @property
    def has_no_node(self) -> bool:
        """Whether nodes failed and no other is left or may be added."""
        return bool(self.excluded) and self._nodes is not None and not self._nodes - self.excluded.keys()

    def mark_ready(self, worker: WorkerState, node: str) -> None:
        """A worker has loaded its model, on this node."""
        worker.ready, worker.placed, worker.node = True, True, node
        worker.leaving = self.is_unusable(node)

    def start_workers(self, models: Mapping[str, ModelState], now: float) -> Iterator[WorkerState]:
        """Workers to start, while there is capacity and a model needs one."""
        capacity = 0 if self.has_no_node else self._capacity
        while len(self.workers) < capacity and (wanted := self._wanted(models, now)):
            self._last += 1
            self.workers[self._last] = WorkerState(self._last, *wanted)
            yield self.workers[self._last]

    def keeps(self, worker: WorkerState, model: ModelState, has_running: bool) -> bool:
        """Whether an idle worker stays: it is one of the minimum, and units of its model may be requeued."""
        may_come_back = has_running and not len(model.backlog)
        return may_come_back and not worker.leaving and self.count(worker.model) <= self._limits.minimum

    def _wanted(self, models: Mapping[str, ModelState], now: float) -> tuple[str, int] | None:
        """The model and the offload level of the next worker.

        First a model with less than its minimum, then the one with the most waiting units for each worker,
        then the order of the job. A model without a worker gets one when another model's units are finished.
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
    """Waiting attempts per worker if one more started; 0 if the starting workers are enough."""
    starting = sum(not worker.ready for worker in pool)
    return waiting / (len(pool) + 1) if waiting > starting else 0.0
