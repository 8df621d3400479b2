"""A scheduler with a clock in the hands of the test, and short words for what workers say."""

from collections.abc import Sequence

from t2vbatch.plan import Unit
from t2vbatch.schedule import Action, Event, Limits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Failure, Outcome

NO = Failure("RowError", "told to fail")
GONE = Failure("CrashError", "gone")


def units(*costs: float, model: str = "x", first: int = 0) -> list[Unit]:
    """One unit of one sample a cost."""
    return [Unit(model, (first + index,), cost) for index, cost in enumerate(costs)]


class Desk:
    """Tells the scheduler what happens and keeps what it asks for.

    ``asked`` holds the actions of the last event.
    """

    def __init__(self, plan: dict[str, list[Unit]], workers: int = 1, **limits: float | None) -> None:
        self.scheduler = Scheduler(plan, Limits(workers, **limits))  # type: ignore[arg-type]
        self.now = 1000.0
        self.asked: list[Action] = []
        self.all: list[Action] = []
        self.tell(m.Tick())

    def tell(self, event: Event, after: float = 0.0) -> list[Action]:
        self.now += after
        self.asked = self.scheduler.handle(event, self.now)
        self.all += self.asked
        return self.asked

    def started(self, worker: int = 1, node: str = "a") -> list[Action]:
        return self.tell(m.Started(worker, node))

    def generated(self, worker: int, key: int) -> list[Action]:
        return self.tell(m.Generated(worker, key))

    def finished(self, worker: int, key: int) -> list[Action]:
        """The unit under this key is committed, all of it."""
        [work] = [action for action in self.all if isinstance(action, m.Generate) and action.key == key]
        return self.tell(m.Finished(worker, key, tuple(Outcome(p, "ok") for p in work.positions)))

    def made(self, worker: int, key: int) -> list[Action]:
        """Generated and finished."""
        first = self.generated(worker, key)
        return [*first, *self.finished(worker, key)]

    def failed(self, worker: int, key: int, charge: m.Charge = "row") -> list[Action]:
        return self.tell(m.Failed(worker, key, charge, NO))

    def died(self, worker: int, death: m.Death = "crash") -> list[Action]:
        return self.tell(m.Died(worker, death, GONE))

    def wait(self, seconds: float) -> list[Action]:
        """Time passes, with a tick every second, as the engine's."""
        asked: list[Action] = []
        for _ in range(int(seconds)):
            asked += self.tell(m.Tick(), after=1.0)
        return asked

    @property
    def given(self) -> list[m.Generate]:
        """The units that the last event gave to workers."""
        return generates(self.asked)


def generates(actions: Sequence[Action]) -> list[m.Generate]:
    """Of these actions, the units given to workers."""
    return [action for action in actions if isinstance(action, m.Generate)]


def starts(actions: Sequence[Action]) -> list[tuple[int, str]]:
    """Of these actions, the workers to start, with their models."""
    return [(action.worker, action.model) for action in actions if isinstance(action, m.Start)]
