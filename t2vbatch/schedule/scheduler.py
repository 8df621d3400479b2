"""The decisions: which worker starts, stops and gets which unit; ``failures`` has what follows a failure.

A state machine without effects: ``handle`` takes one event and the time, and returns actions. After any
events in any order, each sample is in one place: waiting, running, or counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from t2vbatch.plan import Unit
from t2vbatch.schedule import messages as m
from t2vbatch.schedule.backlog import Attempt
from t2vbatch.schedule.failures import Failures
from t2vbatch.schedule.limits import RunLimits
from t2vbatch.schedule.worker_state import WorkerState
from t2vbatch.worker.protocol import OFFLOAD_LEVELS, Failure, Outcome

STALL_S = 30.0
"""The engine ticks many times a second. A gap this long means that the driver itself slept (a suspended
machine, a stopped process); answers may wait unread, so the gap counts for no deadline."""

PLACE_S = 15.0
"""A worker whose process does not run after this time waits for room on a node. A process starts in a few
seconds."""


class Scheduler(Failures):
    """Decides for one run."""

    def __init__(self, units: Mapping[str, Sequence[Unit]], limits: RunLimits) -> None:
        super().__init__(units, limits)
        self._interrupts = 0
        self._last_key = 0

    def handle(self, event: m.Event, now: float) -> list[m.Action]:
        """Process one event; returns the actions to carry out, in this order.

        Args:
            now: seconds on any clock that does not run backwards.
        """
        self._actions, self._requeued = [], False
        if isinstance(event, m.Found):
            self._counts["failed"] -= 1
            self._counts[event.status] += 1
        elif self.ending is None:
            self._pass_time(now)
            self._handle_run_event(event)
            if self.ending is None:
                self._end_if_all_fail()
            if self.ending is None:
                self._assign(self._affected(event))
                self._start_workers()
                self._conclude()
        return self._actions

    def progress(self) -> m.Progress:
        """The present counts of the run."""
        ready = sum(worker.ready for worker in self._pool)
        starting = [worker for worker in self._pool if not worker.ready]
        unplaced = [worker for worker in starting if self._waits_for_room(worker)]
        return m.Progress(
            ok=self._counts["ok"],
            degenerate=self._counts["degenerate"],
            failed=self._counts["failed"],
            running=sum(len(attempt.positions) for attempt in self._running.values()),
            pending=sum(model.backlog.position_count for model in self._models.values()),
            workers=ready,
            starting=len(starting),
            loading=dict(Counter(worker.model for worker in starting if worker not in unplaced)),
            unplaced=len(unplaced),
            needs=self._limits.needs if unplaced else "",
            steps=sum(worker.steps for worker in self._pool),
        )

    def _waits_for_room(self, worker: WorkerState) -> bool:
        waited = self._now - worker.started_at > PLACE_S
        return bool(self._limits.needs) and not worker.placed and waited

    # Events.

    def _handle_run_event(self, event: m.RunEvent) -> None:
        match event:
            case m.Interrupted():
                self._interrupt()
            case m.Cluster():
                self._pool.resize(event)
            case m.Fatal():
                self._abort(event.error)
            case m.Tick():
                self._end_overdue()
            case _:
                if worker := self._pool.workers.get(event.worker):
                    worker.last_seen = self._now
                    self._handle_worker_event(event, worker)
                # Else a late event of a worker that was removed; its units were requeued.

    def _handle_worker_event(self, event: m.WorkerEvent, worker: WorkerState) -> None:
        match event:
            case m.Placed() if not worker.placed:
                self._placed(worker, event.node)
            case m.Started() if not worker.ready:
                self._pool.mark_ready(worker, event.node)
                self._models[worker.model].failed_starts = 0
            case m.StartFailed():
                self._kill(worker)
                self._load_failed(worker, event)
            case m.NodeFailed():
                self._node_failed(worker, event)
            case m.Died():
                self._died(worker, event)
            case m.Generated() if event.key in worker.generating:
                worker.generated(event.key, event.held_bytes, self._now)
                worker.begin_finish(self._now, self._limits)
                self._actions.append(m.Finish(worker.number, event.key))
            case m.Returned() if event.key in worker.generating:
                worker.returned()
                self._requeue(self._withdraw(worker, event.key), soon=True)
            case m.Finished() if event.key in worker.keys:
                worker.finished(event.key, self._now)
                self._finished(worker, self._withdraw(worker, event.key), event)
            case m.Failed() if event.key in worker.keys:
                self._failed(worker, self._withdraw(worker, event.key), event)
            case m.Heartbeat():
                worker.steps = event.steps
            case _:
                pass  # a repeated answer

    def _placed(self, worker: WorkerState, node: str) -> None:
        worker.placed, worker.node = True, node
        worker.load_until = self._now + (self._limits.load_s or float("inf"))
        if self._pool.is_unusable(node):
            self._kill(worker)  # Its node began to drain, or failed, after the worker was started.

    def _load_failed(self, worker: WorkerState, event: m.StartFailed) -> None:
        if event.out_of_memory and worker.offload_level + 1 < len(OFFLOAD_LEVELS):
            self._models[worker.model].backlog.step_down(worker.offload_level + 1)
        elif event.permanent:
            self._start_failed(worker, event.failure, self._limits.starts)
        else:
            self._start_failed(worker, event.failure)

    def _finished(self, worker: WorkerState, attempt: Attempt, event: m.Finished) -> None:
        left = set(attempt.positions)
        for outcome in event.outcomes:
            if outcome.position not in left:
                continue
            left.remove(outcome.position)
            if outcome.status == "failed":
                failure = outcome.failure or Failure("RowError", "failed without a reason")
                single = replace(attempt, positions=(outcome.position,))
                self._failed(worker, single, m.Failed(worker.number, event.key, "row", failure))
            else:
                worker.succeeded(event.key)
                self._succeeded(attempt, outcome)
        if left:
            rest = tuple(position for position in attempt.positions if position in left)
            self._requeue(replace(attempt, positions=rest), soon=True)

    def _succeeded(self, attempt: Attempt, outcome: Outcome) -> None:
        self._counts[outcome.status] += 1
        model = self._models[attempt.model]
        model.succeeded = True
        if attempt.offload_level == model.backlog.offload_level:
            model.misfits = 0
        self._charges.clear(attempt.model, outcome.position)

    # Time.

    def _pass_time(self, now: float) -> None:
        gap = now - self._now
        if gap > STALL_S:
            for worker in self._pool:
                worker.delay(gap)
        self._now = max(now, self._now)

    # Workers.

    def _affected(self, event: m.RunEvent) -> Iterable[WorkerState]:
        """The workers that may take a unit, or end, because of this event.

        Only the event's own worker, while untried units wait and none was requeued: the others took what they
        could. With a thousand workers, looking at each after each event would keep the driver busy.
        """
        if isinstance(event, m.WorkerEvent) and not self._requeued:
            worker = self._pool.workers.get(event.worker)
            if worker and len(self._models[worker.model].backlog):
                return [worker]
        return self._pool

    def _assign(self, workers: Iterable[WorkerState]) -> None:
        for worker in workers:
            if not self._interrupts:
                self._give_units(worker)
            if worker.idle and not self._is_kept(worker):
                del self._pool.workers[worker.number]
                self._actions.append(m.Stop(worker.number))

    def _give_units(self, worker: WorkerState) -> None:
        """Give a worker its next unit, or its next units if they are short."""
        model = self._models[worker.model]
        room = worker.room(self._limits, 1 if model.one_by_one else self._limits.together)
        if room > 1:
            # At the end the workers share what is left.
            room = min(room, -(-len(model.backlog) // self._pool.count(worker.model)))
        for _ in range(room):
            attempt = model.backlog.next_attempt(worker.offload_level, worker.fresh)
            if attempt is None:
                break
            self._generate(worker, attempt)
            if attempt.alone:
                break
        if room and worker.generating:
            worker.begin_generate(self._now, self._limits)

    def _generate(self, worker: WorkerState, attempt: Attempt) -> None:
        self._last_key += 1
        key = self._last_key
        self._running[key] = attempt
        worker.give(key, attempt.alone)
        tries = tuple(1 + self._charges.charges(position) for position in attempt.positions)
        self._actions.append(m.Generate(worker.number, key, attempt.positions, tries, attempt.retried))

    def _start_workers(self) -> None:
        if not self._interrupts:
            for worker in self._pool.start_workers(self._models, self._now):
                worker.started_at = self._now
                self._actions.append(
                    m.Start(worker.number, worker.model, OFFLOAD_LEVELS[worker.offload_level])
                )

    def _is_kept(self, worker: WorkerState) -> bool:
        has_running = any(attempt.model == worker.model for attempt in self._running.values())
        kept = self._pool.keeps(worker, self._models[worker.model], has_running)
        return kept and not self._interrupts

    # The end.

    def _interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            self._kill_all()

    def _conclude(self) -> None:
        if self._running:
            return
        left = any(len(model.backlog) for model in self._models.values())
        if not left or self._interrupts:
            self._kill_all()
            self.ending = "interrupted" if left else "finished"
        elif self._pool.has_no_node:
            self._abort(self._no_node_left())
