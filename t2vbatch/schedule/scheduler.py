"""The decisions: which worker starts, stops and gets which unit, and what follows a failure.

A state machine without effects: ``handle`` takes one event and the time, and returns actions. After any
events in any order, each sample is in one place: waiting, running, or counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from t2vbatch.errors import WorkerError
from t2vbatch.plan import Unit
from t2vbatch.schedule import messages as m
from t2vbatch.schedule.backlog import Attempt, Backlog
from t2vbatch.schedule.charges import Charges
from t2vbatch.schedule.limits import Limits
from t2vbatch.schedule.pool import Model, WorkerPool
from t2vbatch.schedule.worker_state import WorkerState
from t2vbatch.worker.protocol import OFFLOAD_LEVELS, Failure, Outcome

STALL_S = 30.0
"""The engine ticks many times a second. A gap this long means that the driver itself slept (a suspended
machine, a stopped process); answers may wait unread, so the gap counts for no deadline."""

MEMORY_STREAK = 3
"""Units in a row that do not fit, after which all units of the model are tried with less memory: each failed
attempt costs its time."""

START_PAUSE_S = 5.0
"""Longest pause after a failed start. Ten failed starts against an unreachable hub should take more than a
second and less than an hour."""


class Scheduler:
    """Decides for one run.

    Args:
        units: the pending units, by model, the longest first.
    """

    def __init__(self, units: Mapping[str, Sequence[Unit]], limits: Limits) -> None:
        self._limits = limits
        self._models = {name: Model(Backlog(name, of)) for name, of in units.items()}
        self._charges = Charges()
        self._pool = WorkerPool(limits)
        self._running: dict[int, Attempt] = {}
        self._counts = {"ok": 0, "degenerate": 0, "failed": 0}
        self._interrupts = 0
        self._last_key = 0
        self._now = float("-inf")
        self._actions: list[m.Action] = []
        self.ending: m.Ending | None = None

    def handle(self, event: m.Event, now: float) -> list[m.Action]:
        """Process one event; returns the actions to carry out, in this order.

        Args:
            now: seconds on any clock that does not run backwards.
        """
        self._actions = []
        if isinstance(event, m.Found):
            self._counts["failed"] -= 1
            self._counts[event.status] += 1
        elif self.ending is None:
            self._pass_time(now)
            self._handle_run_event(event)
            if self.ending is None:
                self._assign()
                self._start_workers()
                self._conclude()
        return self._actions

    def progress(self) -> m.Progress:
        """The present counts of the run."""
        ready = sum(worker.ready for worker in self._pool)
        return m.Progress(
            ok=self._counts["ok"],
            degenerate=self._counts["degenerate"],
            failed=self._counts["failed"],
            running=sum(len(attempt.positions) for attempt in self._running.values()),
            pending=sum(model.backlog.positions for model in self._models.values()),
            workers=ready,
            starting=len(self._pool.workers) - ready,
            loading=dict(Counter(worker.model for worker in self._pool if not worker.ready)),
            steps=sum(worker.steps for worker in self._pool),
        )

    # Events.

    def _handle_run_event(self, event: m.RunEvent) -> None:
        match event:
            case m.Interrupted():
                self._interrupt()
            case m.Cluster():
                self._pool.resize(event)
            case m.Fatal():
                self._abort(m.Abort(event.error))
            case m.Tick():
                self._end_overdue()
            case _:
                if worker := self._pool.workers.get(event.worker):
                    worker.last_seen = self._now
                    self._handle_worker_event(event, worker)
                # Else a late event of a worker that was removed; its units were requeued.

    def _handle_worker_event(self, event: m.WorkerEvent, worker: WorkerState) -> None:
        match event:
            case m.Started() if not worker.ready:
                self._pool.mark_ready(worker, event.node)
                self._models[worker.model].failed_starts = 0
            case m.StartFailed():
                self._kill(worker)
                self._start_failed(worker, event.failure, event.out_of_memory)
            case m.Died():
                self._died(worker, event)
            case m.Generated() if event.key == worker.generating:
                self._generated(worker, event.key)
            case m.Finished() if event.key in worker.keys:
                self._finished(worker, self._withdraw(worker, event.key), event)
            case m.Failed() if event.key in worker.keys:
                self._failed(worker, self._withdraw(worker, event.key), event)
            case m.Heartbeat():
                worker.steps = event.steps
            case _:
                pass  # a repeated answer

    def _start_failed(self, worker: WorkerState, failure: Failure, out_of_memory: bool = False) -> None:
        model = self._models[worker.model]
        if out_of_memory and worker.offload_level + 1 < len(OFFLOAD_LEVELS):
            model.backlog.step_down(worker.offload_level + 1)
            return
        model.failed_starts += 1
        self._pause(model)
        if model.failed_starts >= self._limits.starts:
            times = f"{model.failed_starts} times in a row"
            reason = f"the model {worker.model!r} could not be started {times}, the last time because of "
            self._abort(m.Abort(WorkerError(f"{reason}{failure.error_type}: {failure.error}")))

    def _pause(self, model: Model) -> None:
        model.start_after = self._now + min(START_PAUSE_S, 0.1 * 2**model.failed_starts)

    def _generated(self, worker: WorkerState, key: int) -> None:
        worker.generating = None
        worker.finishing.append(key)
        if worker.finishing[0] == key:
            worker.finish_until = self._now + self._limits.overdue_s
        self._actions.append(m.Finish(worker.number, key))

    def _finished(self, worker: WorkerState, attempt: Attempt, event: m.Finished) -> None:
        left = set(attempt.positions)
        for outcome in event.outcomes:
            if outcome.position not in left:
                continue
            left.remove(outcome.position)
            if outcome.status == "failed":
                failure = outcome.failure or Failure("RowError", "failed without a reason")
                self._charge(replace(attempt, positions=(outcome.position,)), failure, worker, event.key)
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

    def _failed(self, worker: WorkerState, attempt: Attempt, event: m.Failed) -> None:
        if event.charge == "memory" and attempt.offload_level + 1 < len(OFFLOAD_LEVELS):
            self._step_down(attempt)
        elif event.charge == "input":
            self._charge(attempt, event.failure)
        else:
            self._charge(attempt, event.failure, worker, event.key)

    def _step_down(self, attempt: Attempt) -> None:
        self._requeue(replace(attempt, offload_level=attempt.offload_level + 1))
        model = self._models[attempt.model]
        if attempt.offload_level == model.backlog.offload_level:
            model.misfits += 1
            if model.misfits >= MEMORY_STREAK:
                model.misfits = 0
                model.backlog.step_down(attempt.offload_level + 1)

    def _died(self, worker: WorkerState, event: m.Died) -> None:
        self._kill(worker)
        if event.death == "infrastructure" and not worker.ready:
            self._pause(
                self._models[worker.model]
            )  # Not a failed start: one node may take ten workers with it.
        elif event.death == "infrastructure":
            for key in worker.keys:
                self._lose(self._running.pop(key), event.failure)
        elif worker.ready:
            self._crash(worker, worker.in_progress, event.failure)
        else:
            self._start_failed(worker, event.failure)

    # Failures.

    def _crash(self, worker: WorkerState, suspects: Sequence[int], failure: Failure) -> None:
        """The process died of one of the suspects; the other units in it are requeued uncharged."""
        for key in set(worker.keys) - set(suspects):
            self._requeue(self._running.pop(key), soon=True)
        attempts = [replace(self._running.pop(key), alone=True) for key in suspects]
        if len(attempts) == 1:
            self._charge(attempts[0], failure)
        else:
            for attempt in attempts:
                self._split(attempt)

    def _charge(
        self, attempt: Attempt, failure: Failure, worker: WorkerState | None = None, key: int = 0
    ) -> None:
        """Charge a single sample; split several, so that each is tried alone."""
        if len(attempt.positions) > 1:
            self._split(attempt)
            return
        [position] = attempt.positions
        if worker and worker.faulty:
            self._requeue(attempt)
            return
        charges = self._charges.charge(position)
        if worker:
            worker.streak.setdefault(key, []).append(position)
            if self._is_faulty(worker):
                self._requeue(attempt)
                return
        if charges < self._limits.attempts:
            self._requeue(attempt)
            return
        self._charges.forget(position)
        self._counts["failed"] += 1
        self._actions.append(m.Quarantine(position, charges, failure))

    def _is_faulty(self, worker: WorkerState) -> bool:
        """Whether to replace a worker on which every unit fails, where others succeed or may succeed."""
        model = self._models[worker.model]
        others = model.succeeded or worker.finishing or self._pool.count(worker.model) > 1
        worker.faulty = bool(others) and self._charges.is_worker_fault(
            worker.model, list(worker.streak.values())
        )
        worker.leaving = worker.leaving or worker.faulty
        return worker.faulty

    def _lose(self, attempt: Attempt, failure: Failure) -> None:
        """The unit was lost with its node: uncharged up to a number of losses."""
        if max(self._charges.lose(position) for position in attempt.positions) > self._limits.losses:
            self._charge(attempt, failure)
        else:
            self._requeue(attempt, soon=True)

    def _split(self, attempt: Attempt) -> None:
        for position in attempt.positions:
            self._requeue(replace(attempt, positions=(position,)))

    def _requeue(self, attempt: Attempt, soon: bool = False) -> None:
        self._models[attempt.model].backlog.requeue(attempt, soon)

    # Time.

    def _pass_time(self, now: float) -> None:
        gap = now - self._now
        if gap > STALL_S:
            for worker in self._pool:
                worker.delay(gap)
        self._now = max(now, self._now)

    def _end_overdue(self) -> None:
        for worker in self._pool:
            if fault := worker.fault(self._now, self._limits):
                self._kill(worker)
                self._crash(worker, fault.suspects, fault.failure)

    # Workers.

    def _assign(self) -> None:
        for worker in self._pool:
            if worker.free and not self._interrupts:
                attempt = self._models[worker.model].backlog.next_attempt(worker.offload_level, worker.fresh)
                if attempt:
                    self._generate(worker, attempt)
            if worker.idle and not self._is_kept(worker):
                del self._pool.workers[worker.number]
                self._actions.append(m.Stop(worker.number))

    def _generate(self, worker: WorkerState, attempt: Attempt) -> None:
        self._last_key += 1
        key = self._last_key
        self._running[key] = attempt
        worker.generating, worker.fresh, worker.alone = key, False, attempt.alone
        worker.generate_until = self._now + self._limits.overdue_s
        tries = tuple(1 + self._charges.charges(position) for position in attempt.positions)
        self._actions.append(m.Generate(worker.number, key, attempt.positions, tries, attempt.retried))

    def _start_workers(self) -> None:
        if not self._interrupts:
            for worker in self._pool.start_workers(self._models, self._now):
                self._actions.append(
                    m.Start(worker.number, worker.model, OFFLOAD_LEVELS[worker.offload_level])
                )

    def _is_kept(self, worker: WorkerState) -> bool:
        has_running = any(attempt.model == worker.model for attempt in self._running.values())
        kept = self._pool.keeps(worker, self._models[worker.model], has_running)
        return kept and not self._interrupts

    def _withdraw(self, worker: WorkerState, key: int) -> Attempt:
        if worker.finishing[:1] == [key]:
            worker.finish_until = self._now + self._limits.overdue_s  # The next unit is finished from now on.
        worker.drop(key)
        return self._running.pop(key)

    def _kill(self, worker: WorkerState) -> None:
        del self._pool.workers[worker.number]
        self._actions.append(m.Kill(worker.number))

    # The end.

    def _interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            self._kill_all()

    def _kill_all(self) -> None:
        """Kill every worker; their units stay pending for the next run."""
        for worker in self._pool:
            self._kill(worker)
            for key in worker.keys:
                self._requeue(self._running.pop(key), soon=True)

    def _abort(self, abort: m.Abort) -> None:
        self._kill_all()
        self._actions.append(abort)
        self.ending = "interrupted"  # The engine raises the error.

    def _conclude(self) -> None:
        if self._running:
            return
        left = any(len(model.backlog) for model in self._models.values())
        if not left or self._interrupts:
            self._kill_all()
            self.ending = "interrupted" if left else "finished"
