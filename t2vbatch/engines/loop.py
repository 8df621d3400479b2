"""Lets the scheduler decide and an engine's hands do: the loop that every engine shares."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from t2vbatch.engines.interrupts import Interrupts
from t2vbatch.engines.protocol import RunCallbacks
from t2vbatch.errors import SampleError
from t2vbatch.schedule import Action, Ending, Event, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Failure, Outcome, Work

_log = logging.getLogger(__name__)


class Backend(Protocol):
    """What an engine does for the scheduler. No call blocks longer than the thing itself takes."""

    def start(self, action: m.Start) -> None:
        """Start a worker; a Started or StartFailed event will tell."""

    def stop(self, worker: int) -> None:
        """Let an idle worker go."""

    def kill(self, worker: int) -> None:
        """End a worker at once. No event follows."""

    def generate(self, worker: int, work: Work) -> None:
        """Have it generated; a Generated, Failed or Died event will tell."""

    def finish(self, worker: int, key: int) -> None:
        """Have it finished; a Finished, Failed or Died event will tell."""

    def events(self) -> Sequence[Event]:
        """What happened since the last call; waits a moment for something."""


def run_loop(
    scheduler: Scheduler,
    backend: Backend,
    ledger: RunCallbacks,
    interrupts: Interrupts,
    clock: Callable[[], float] = time.monotonic,
) -> Ending:
    """Run until the scheduler says that it is over. Raises what the run failed of."""
    driver = _Driver(scheduler, backend, ledger, clock)
    try:
        return driver.run(interrupts)
    except KeyboardInterrupt:
        # The second interrupt found us inside a model; whatever it cut short is pending again.
        return "interrupted"


class _Driver:
    def __init__(
        self, scheduler: Scheduler, backend: Backend, ledger: RunCallbacks, clock: Callable[[], float]
    ) -> None:
        self._scheduler, self._backend, self._ledger, self._clock = scheduler, backend, ledger, clock
        self._told: m.Progress | None = None

    def run(self, interrupts: Interrupts) -> Ending:
        told = 0
        self.dispatch(m.Tick())
        while self._scheduler.ending is None:
            for event in self._backend.events():
                self.dispatch(event)
            while told < interrupts.count:
                told += 1
                self.dispatch(m.Interrupted())
            self.dispatch(m.Tick())
        return self._scheduler.ending

    def dispatch(self, event: Event) -> None:
        """Tell the scheduler, do what it asks, and tell it what comes of that at once."""
        events = [event]
        while events:
            event = events.pop(0)
            _note(event)
            for action in self._scheduler.handle(event, self._clock()):
                events += self._act(action)
        self._report()

    def _act(self, action: Action) -> list[Event]:
        match action:
            case m.Start():
                self._report()  # In one process, starting takes as long as loading does.
                self._backend.start(action)
            case m.Stop():
                self._backend.stop(action.worker)
            case m.Kill():
                self._backend.kill(action.worker)
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
            samples = tuple(self._ledger.sample(position) for position in action.positions)
        except SampleError as error:
            return [m.Failed(action.worker, action.key, "input", Failure.of(error))]
        self._backend.generate(action.worker, Work(action.key, action.positions, samples, action.attempts))
        return []

    def _quarantine(self, action: m.Quarantine) -> list[Event]:
        if status := self._ledger.committed(action.position):
            return [m.Found(action.position, status)]
        failure = action.failure
        _log.warning("given up after %d attempts: %s: %s", action.attempts, failure.error_type, failure.error)
        self._ledger.quarantine(action.position, action.attempts, failure)
        return []

    def _saved(self, action: m.Generate) -> tuple[Outcome, ...]:
        """What an earlier attempt committed before its worker could say so."""
        found = [(position, self._ledger.committed(position)) for position in action.positions]
        return tuple(Outcome(position, status) for position, status in found if status is not None)

    def _report(self) -> None:
        progress = self._scheduler.progress()
        # Starting takes up to minutes, in which nothing changes but the time that it takes.
        if progress != self._told or progress.waits_for is not None:
            self._ledger.progress(progress)
            self._told = progress


def _note(event: Event) -> None:
    match event:
        case m.Started():
            _log.info("worker %d is ready on node %s", event.worker, event.node)
        case m.StartFailed():
            _log.warning("worker %d could not load its model: %s", event.worker, event.failure.error)
        case m.Died():
            _log.warning("worker %d died: %s", event.worker, event.failure.error)
        case m.Failed():
            _log.info("worker %d: a unit failed and may be repeated: %s", event.worker, event.failure.error)
        case m.Interrupted():
            _log.warning("interrupted: what runs is finished, nothing new is started; again to stop at once")
        case _:
            pass
