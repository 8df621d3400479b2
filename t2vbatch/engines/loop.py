"""The loop that every engine uses: events to the scheduler, its actions to the engine's backend."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from t2vbatch.engines.interrupts import Interrupts
from t2vbatch.engines.protocol import RunCallbacks
from t2vbatch.errors import SampleError, counted
from t2vbatch.schedule import Action, Ending, Event, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Failure, Outcome, Work

_log = logging.getLogger(__name__)
_FIRST_INTERRUPT = "interrupted: finishing the videos in progress; press Ctrl-C again to stop now"
_SECOND_INTERRUPT = "interrupted again: stopping now, without the videos in progress"

TICK_S = 0.2
"""Time between two looks at deadlines: they are seconds and more."""

REPORT_S = 0.1
"""Least time between two reports of routine progress: a person reads no faster, and a report costs more than
several events. All other changes are reported at once."""

_ROUTINE = (m.Generated, m.Returned, m.Finished, m.Heartbeat, m.Tick)


class Backend(Protocol):
    """Carries out the scheduler's actions. ``events`` alone may wait."""

    def start(self, action: m.Start) -> None:
        """Start a worker; a Started or StartFailed event follows."""

    def stop(self, worker: int) -> None:
        """End an idle worker."""

    def kill(self, worker: int) -> None:
        """End a worker at once. No event follows."""

    def avoid(self, node: str) -> None:
        """Start no more workers on a node; a Cluster event follows."""

    def generate(self, worker: int, work: Work[Any]) -> None:
        """Have a worker generate a unit; a Generated, Failed or Died event follows."""

    def finish(self, worker: int, key: int) -> None:
        """Have a worker finish a unit; a Finished, Failed or Died event follows."""

    def events(self) -> Sequence[Event]:
        """The events since the last call; waits a moment for one."""


def run_loop(
    scheduler: Scheduler,
    backend: Backend,
    callbacks: RunCallbacks[Any],
    interrupts: Interrupts,
    clock: Callable[[], float] = time.monotonic,
    budget_s: float | None = None,
) -> Ending:
    """Run until the scheduler ends the run. Raises the error of an Abort action.

    Args:
        budget_s: seconds of all workers together, loading included, after which units in progress are
            finished and no others are started; None: no limit.
    """
    driver = _Driver(scheduler, backend, callbacks, clock, budget_s)
    try:
        return driver.run(interrupts)
    except KeyboardInterrupt:
        # The second interrupt came inside a model; the unit that it ended is pending again.
        return "interrupted"


class _Driver:
    def __init__(
        self,
        scheduler: Scheduler,
        backend: Backend,
        callbacks: RunCallbacks[Any],
        clock: Callable[[], float],
        budget_s: float | None,
    ) -> None:
        self._scheduler, self._backend, self._callbacks, self._clock = scheduler, backend, callbacks, clock
        self._watched = self._billed = clock()
        self._left_s, self._is_spent = budget_s, False
        self._reported: m.Progress | None = None
        self._next_report = float("-inf")

    def run(self, interrupts: Interrupts) -> Ending:
        handled = 0
        ticked = self._watched
        self.dispatch(m.Tick())
        while self._scheduler.ending is None:
            self._report()
            for event in self._watch():
                self.dispatch(event)
            self._bill()
            while handled < interrupts.count:
                handled += 1
                _log.warning("%s", _FIRST_INTERRUPT if handled == 1 else _SECOND_INTERRUPT)
                self.dispatch(m.Interrupted())
            if self._watched - ticked >= TICK_S:
                ticked = self._watched
                self.dispatch(m.Tick())
        self._report(at_once=True)
        spent = self._is_spent and self._scheduler.ending == "interrupted" and not interrupts.count
        return "spent" if spent else self._scheduler.ending

    def _bill(self) -> None:
        """Charge the time of all workers to the budget, and end the run once it is spent."""
        now = self._clock()
        elapsed, self._billed = now - self._billed, now
        if self._left_s is None or self._is_spent:
            return
        progress = self._scheduler.progress()
        self._left_s -= elapsed * (progress.workers + progress.starting - progress.unplaced)
        if self._left_s <= 0:
            self._is_spent = True
            _log.warning("the budget is spent: finishing the videos in progress")
            self.dispatch(m.Interrupted())

    def _watch(self) -> Sequence[Event]:
        """The next events. Only time that passes in here counts for deadlines: while the driver does
        anything else, answers of workers may wait unread."""
        before = self._clock()
        events = self._backend.events()
        self._watched += self._clock() - before
        return events

    def dispatch(self, event: Event) -> None:
        """Pass an event to the scheduler, carry out its actions, and pass on the events that follow."""
        events = [event]
        while events:
            event = events.pop(0)
            _log_event(event)
            if not isinstance(event, _ROUTINE):
                self._next_report = float("-inf")
            for action in self._scheduler.handle(event, self._watched):
                events += self._act(action)

    def _act(self, action: Action) -> list[Event]:
        match action:
            case m.Start():
                self._report(at_once=True)  # The inline engine loads the model within this call.
                self._backend.start(action)
            case m.Stop():
                self._backend.stop(action.worker)
            case m.Kill():
                self._backend.kill(action.worker)
            case m.Avoid():
                self._backend.avoid(action.node)
            case m.Generate():
                return self._generate(action)
            case m.Finish():
                self._backend.finish(action.worker, action.key)
            case m.Quarantine():
                return self._quarantine(action)
            case m.Abort():
                raise action.error
        return []

    def _generate(self, action: m.Generate) -> list[Event]:
        saved = self._saved(action) if action.retried else ()
        if saved:
            return [m.Finished(action.worker, action.key, saved)]
        try:
            payloads = tuple(self._callbacks.payload(position) for position in action.positions)
        except SampleError as error:
            return [m.Failed(action.worker, action.key, "input", Failure.of(error))]
        self._backend.generate(action.worker, Work(action.key, action.positions, payloads, action.attempts))
        return []

    def _quarantine(self, action: m.Quarantine) -> list[Event]:
        if status := self._callbacks.committed(action.position):
            return [m.Found(action.position, status)]
        failure = action.failure
        _log.warning(
            "gave up on a sample after %s: %s: %s",
            counted(action.attempts, "attempt"),
            failure.error_type,
            failure.error,
        )
        self._callbacks.quarantine(action.position, action.attempts, failure)
        return []

    def _saved(self, action: m.Generate) -> tuple[Outcome, ...]:
        """Samples that an earlier attempt committed, whose worker died before it reported them."""
        found = [(position, self._callbacks.committed(position)) for position in action.positions]
        return tuple(Outcome(position, status) for position, status in found if status is not None)

    def _report(self, at_once: bool = False) -> None:
        now = self._clock()
        if not at_once and now < self._next_report:
            return
        self._next_report = now + REPORT_S
        progress = self._scheduler.progress()
        # While workers start, only the time that they take changes.
        if progress != self._reported or progress.waits_for is not None:
            self._callbacks.progress(progress)
            self._reported = progress


def _log_event(event: Event) -> None:
    match event:
        case m.Started():
            _log.info("worker %d is ready on node %s", event.worker, event.node)
        case m.StartFailed():
            _log.warning("worker %d could not load its model: %s", event.worker, event.failure.error)
        case m.NodeFailed():
            _log.warning("node %s is left out of the run: %s", event.host, event.error)
        case m.Died():
            _log.warning("worker %d died: %s", event.worker, event.failure.error)
        case m.Failed():
            _log.info("worker %d: a unit failed and may be retried: %s", event.worker, event.failure.error)
        case _:
            pass
