"""How many workers each model gets: whom to start next, and whom to keep."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from t2vbatch.schedule.backlog import Backlog
from t2vbatch.schedule.limits import Limits
from t2vbatch.schedule.pool import Worker
from t2vbatch.work import FOOTPRINTS


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


def next_hire(
    workers: Iterable[Worker], models: Mapping[str, Model], limits: Limits, now: float
) -> tuple[str, int] | None:
    """The model and the level of memory saving that the next worker should be for; None where none is wanted.

    First who has less than the minimum, then who has the most waiting for each worker, then the order of the
    job. A model that is left without a worker gets its turn when another's work is drained.
    """
    staff = list(workers)
    wanted = []
    for order, (name, model) in enumerate(models.items()):
        own = [worker for worker in staff if worker.model == name]
        if now < model.start_after or (limits.maximum is not None and len(own) >= limits.maximum):
            continue
        for level in range(len(FOOTPRINTS)):
            share = _share(model.backlog.waiting(level), [w for w in own if w.level == level])
            if share:
                wanted.append((len(own) >= limits.minimum, -share, order, level, name))
    if not wanted:
        return None
    *_, level, name = min(wanted)
    return name, level


def is_kept(worker: Worker, model: Model, own: int, has_running: bool, limits: Limits) -> bool:
    """Whether a worker with nothing to do stays: its model may want it again, and nobody needs its place."""
    return not worker.leaving and not len(model.backlog) and has_running and own <= limits.minimum


def _share(waiting: int, pool: list[Worker]) -> float:
    """Waiting attempts for each worker, with one more; 0 where those that are starting are enough."""
    starting = sum(not worker.ready for worker in pool)
    return waiting / (len(pool) + 1) if waiting > starting else 0.0
