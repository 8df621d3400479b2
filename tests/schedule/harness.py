"""A scheduler with a clock that the test controls, and short names for the events of workers."""

from collections.abc import Sequence
from typing import Any

from t2vbatch.plan import Unit
from t2vbatch.schedule import Action, Event, RunLimits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Failure, Outcome

NO = Failure("RowError", "this failure was requested")
GONE = Failure("CrashError", "gone")


def units(*costs: float, model: str = "x", first: int = 0) -> list[Unit]:
    """One unit of one sample a cost."""
    return [Unit(model, (first + index,), cost) for index, cost in enumerate(costs)]


class Harness:
    """Sends events to the scheduler and keeps its actions: in ``actions`` those of the last event, in ``all``
    every one."""

    def __init__(self, plan: dict[str, list[Unit]], workers: int = 1, **limits: Any) -> None:
        self.scheduler = Scheduler(plan, RunLimits(workers, **limits))
        self.now = 1000.0
        self.actions: list[Action] = []
        self.all: list[Action] = []
        self.send(m.Tick())

    def send(self, event: Event, after: float = 0.0) -> list[Action]:
        self.now += after
        self.actions = self.scheduler.handle(event, self.now)
        self.all += self.actions
        return self.actions

    def started(self, worker: int = 1, node: str = "a") -> list[Action]:
        return self.send(m.Started(worker, node))

    def generated(self, worker: int, key: int) -> list[Action]:
        return self.send(m.Generated(worker, key))

    def finished(self, worker: int, key: int) -> list[Action]:
        """Every sample of the unit is committed."""
        [work] = [action for action in self.all if isinstance(action, m.Generate) and action.key == key]
        return self.send(m.Finished(worker, key, tuple(Outcome(p, "ok") for p in work.positions)))

    def made(self, worker: int, key: int) -> list[Action]:
        """Generated and finished."""
        first = self.generated(worker, key)
        return [*first, *self.finished(worker, key)]

    def failed(self, worker: int, key: int, charge: m.Charge = "row") -> list[Action]:
        return self.send(m.Failed(worker, key, charge, NO))

    def died(self, worker: int, death: m.Death = "crash") -> list[Action]:
        return self.send(m.Died(worker, death, GONE))

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass, with a tick every second."""
        actions: list[Action] = []
        for _ in range(int(seconds)):
            actions += self.send(m.Tick(), after=1.0)
        return actions

    @property
    def given(self) -> list[m.Generate]:
        """The units that the last event gave to workers."""
        return generates(self.actions)


def generates(actions: Sequence[Action]) -> list[m.Generate]:
    """Of these actions, the units given to workers."""
    return [action for action in actions if isinstance(action, m.Generate)]


def starts(actions: Sequence[Action]) -> list[tuple[int, str]]:
    """Of these actions, the workers to start, with their models."""
    return [(action.worker, action.model) for action in actions if isinstance(action, m.Start)]
