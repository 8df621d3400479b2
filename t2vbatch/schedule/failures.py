"""What follows a failure: which samples are charged, retried or quarantined, and what stops the run.

The first half of the scheduler: ``scheduler`` adds events, time and workers. Both work on one state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from t2vbatch.errors import RunError, T2VBatchError, WorkerError
from t2vbatch.plan import Unit
from t2vbatch.schedule import messages as m
from t2vbatch.schedule.backlog import Attempt, Backlog
from t2vbatch.schedule.charges import Charges, SameError
from t2vbatch.schedule.limits import RunLimits
from t2vbatch.schedule.pool import ModelState, WorkerPool
from t2vbatch.schedule.worker_state import LOADS_PER_HANG, WorkerState
from t2vbatch.worker.protocol import OFFLOAD_LEVELS, Failure

MEMORY_STREAK = 3
"""Units in a row that do not fit, after which all units of the model are tried with less memory: each failed
attempt costs its time."""

START_PAUSE_S = 5.0
"""Longest pause after a failed start. Ten failed starts against an unreachable Hub should take more than a
second and less than an hour."""


class Failures:
    """The scheduler's state, and its rules for failures.

    Args:
        units: the pending units, by model, the longest first.
    """

    def __init__(self, units: Mapping[str, Sequence[Unit]], limits: RunLimits) -> None:
        self._limits = limits
        self._models = {name: ModelState(Backlog(name, of)) for name, of in units.items()}
        self._charges = Charges()
        self._pool = WorkerPool(limits)
        self._running: dict[int, Attempt] = {}
        self._counts = {"ok": 0, "degenerate": 0, "failed": 0}
        self._node_errors: dict[str, T2VBatchError] = {}
        self._now = float("-inf")
        self._actions: list[m.Action] = []
        self._requeued = False
        self.ending: m.Ending | None = None

    # Units.

    def _failed(self, worker: WorkerState, attempt: Attempt, event: m.Failed) -> None:
        if worker.node in self._pool.excluded:
            self._requeue(attempt, soon=True)
        elif event.charge == "memory" and attempt.offload_level + 1 < len(OFFLOAD_LEVELS):
            self._step_down(attempt)
        elif event.charge == "input":
            self._charge(attempt, event.failure)
        elif event.charge == "broken_input":
            self._charge(attempt, event.failure, permanent=True)
        elif event.charge == "permanent":
            self._note_failure(attempt, event.failure, worker)
            self._charge(attempt, event.failure, permanent=True)
        elif event.charge == "call":
            self._note_failure(attempt, event.failure, worker)
            # The errors of a faulty worker are not charged, and show nothing about a sample.
            counts = len(attempt.positions) == 1 and not worker.faulty
            repeated = counts and self._charges.repeats(attempt.positions[0], event.failure)
            # A worker that never succeeded may be at fault itself if others succeed.
            trusted = worker.proven or not self._has_others(worker)
            self._charge(attempt, event.failure, worker, event.key, permanent=repeated and trusted)
        else:
            self._note_failure(attempt, event.failure, worker)
            self._charge(attempt, event.failure, worker, event.key)

    def _crash(self, worker: WorkerState, suspects: Sequence[int], failure: Failure) -> None:
        """The process died of one of the suspects; its other units are requeued uncharged.

        If several units were given at once, all are requeued uncharged and then given one by one, so that the
        next death shows which unit causes it.
        """
        for key in set(worker.keys) - set(suspects):
            self._requeue(self._running.pop(key), soon=True)
        if worker.together.intersection(suspects):
            self._models[worker.model].one_by_one = True
            for key in suspects:
                self._requeue(self._running.pop(key), soon=True)
            return
        attempts = [replace(self._running.pop(key), alone=True) for key in suspects]
        if len(attempts) == 1:
            self._note_failure(attempts[0], failure, worker)
            self._charge(attempts[0], failure)
        else:
            for attempt in attempts:
                self._split(attempt)

    def _charge(
        self,
        attempt: Attempt,
        failure: Failure,
        worker: WorkerState | None = None,
        key: int = 0,
        permanent: bool = False,
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
        if charges < self._limits.attempts and not permanent:
            self._requeue(attempt)
            return
        self._charges.forget(position)
        self._counts["failed"] += 1
        self._actions.append(m.Quarantine(position, charges, failure))

    def _is_faulty(self, worker: WorkerState) -> bool:
        """Whether to replace a worker on which every unit fails, if others succeed or may succeed."""
        worker.faulty = (
            self._has_others(worker)
            and not self._is_last_sample(worker)
            and self._charges.is_worker_fault(worker.model, list(worker.streak.values()))
        )
        worker.leaving = worker.leaving or worker.faulty
        return worker.faulty

    def _has_others(self, worker: WorkerState) -> bool:
        """Whether units of this model succeed, or may succeed, elsewhere or at another time."""
        model = self._models[worker.model]
        return model.succeeded or bool(worker.finishing) or self._pool.count(worker.model) > 1

    def _is_last_sample(self, worker: WorkerState) -> bool:
        """Whether one sample fails that is the last of its model, on the only worker, which succeeded before.

        Each of its attempts follows the one before, so they show nothing about the worker. A reload and three
        more attempts would cost more than the sample.
        """
        failed = {position for unit in worker.streak.values() for position in unit}
        others = (
            len(self._models[worker.model].backlog) + len(worker.keys) + self._pool.count(worker.model) - 1
        )
        return worker.proven and len(failed) == 1 and not others

    def _lose(self, attempt: Attempt, failure: Failure) -> None:
        """The unit was lost with its node: uncharged up to a number of losses."""
        if max(self._charges.lose(position) for position in attempt.positions) > self._limits.losses:
            self._charge(attempt, failure)
        else:
            self._requeue(attempt, soon=True)

    def _split(self, attempt: Attempt) -> None:
        for position in attempt.positions:
            self._requeue(replace(attempt, positions=(position,)))

    def _step_down(self, attempt: Attempt) -> None:
        self._requeue(replace(attempt, offload_level=attempt.offload_level + 1))
        model = self._models[attempt.model]
        if attempt.offload_level == model.backlog.offload_level:
            model.misfits += 1
            if model.misfits >= MEMORY_STREAK:
                model.misfits = 0
                model.backlog.step_down(attempt.offload_level + 1)

    def _requeue(self, attempt: Attempt, soon: bool = False) -> None:
        self._requeued = True
        self._models[attempt.model].backlog.requeue(attempt, soon)

    # Models of which every sample fails.

    def _note_failure(self, attempt: Attempt, failure: Failure, worker: WorkerState) -> None:
        model = self._models[attempt.model]
        if len(attempt.positions) == 1 and not model.succeeded:
            model.same_error.add(failure, attempt.positions[0], worker.number)

    def _end_if_all_fail(self) -> None:
        """Stop the run if every sample of a model fails with one error, on every worker that it has."""
        for name, model in self._models.items():
            if model.succeeded or len(model.same_error.positions) < self._limits.same_errors:
                continue
            busy = {worker.number for worker in self._pool if worker.model == name and worker.keys}
            if busy <= model.same_error.workers:
                self._abort(WorkerError(_all_failed(name, model.same_error)))
                return

    # Workers.

    def _start_failed(self, worker: WorkerState, failure: Failure, weight: int = 1) -> None:
        model = self._models[worker.model]
        model.failed_starts += weight
        self._pause(model)
        if model.failed_starts >= self._limits.starts:
            reason = f"{failure.error_type}: {failure.error}"
            times = "" if weight > 1 else f" {model.failed_starts} times in a row, the last time"
            self._abort(WorkerError(f"the model {worker.model!r} could not be started{times}: {reason}"))

    def _pause(self, model: ModelState) -> None:
        model.start_after = self._now + min(START_PAUSE_S, 0.1 * 2**model.failed_starts)

    def _died(self, worker: WorkerState, event: m.Died) -> None:
        self._kill(worker)
        node_is_at_fault = event.death == "infrastructure" or worker.node in self._pool.excluded
        if node_is_at_fault and not worker.ready:
            self._pause(
                self._models[worker.model]
            )  # Not a failed start: a node may take ten workers with it.
        elif node_is_at_fault:
            for key in worker.keys:
                self._lose(self._running.pop(key), event.failure)
        elif worker.ready:
            self._crash(worker, worker.in_progress(self._limits), event.failure)
        else:
            self._start_failed(worker, event.failure)

    def _end_overdue(self) -> None:
        for worker in self._pool:
            fault = worker.fault(self._now, self._limits)
            if fault and self.ending is None:
                self._kill(worker)
                if worker.ready:
                    self._crash(worker, fault.suspects, fault.failure)
                else:
                    self._start_failed(worker, fault.failure, LOADS_PER_HANG)

    def _node_failed(self, worker: WorkerState, event: m.NodeFailed) -> None:
        """Start no more workers on this node; its units go to others, uncharged."""
        if event.node not in self._node_errors:
            self._node_errors[event.node] = event.error
            self._pool.exclude(event.node, event.host)
            self._actions.append(m.Avoid(event.node))
        worker.leaving = True
        if event.key is not None and event.key in worker.keys:
            self._requeue(self._withdraw(worker, event.key), soon=True)
        if not worker.ready:
            self._kill(worker)

    def _no_node_left(self) -> T2VBatchError:
        errors = list(self._node_errors.values())
        if len(errors) == 1:
            return errors[0]
        lines = [f"  {self._pool.excluded[node]}: {error}" for node, error in self._node_errors.items()]
        return RunError("\n".join(["no node is left that can run a worker:", *lines]))

    def _withdraw(self, worker: WorkerState, key: int) -> Attempt:
        worker.drop(key)
        worker.begin_finish(self._now, self._limits)
        return self._running.pop(key)

    def _kill(self, worker: WorkerState) -> None:
        del self._pool.workers[worker.number]
        self._actions.append(m.Kill(worker.number))

    def _kill_all(self) -> None:
        """Kill every worker; their units stay pending for the next run."""
        for worker in self._pool:
            self._kill(worker)
            for key in worker.keys:
                self._requeue(self._running.pop(key), soon=True)

    def _abort(self, error: T2VBatchError) -> None:
        self._kill_all()
        self._actions.append(m.Abort(error))
        self.ending = "interrupted"  # The engine raises the error.


def _all_failed(model: str, same: SameError) -> str:
    assert same.last is not None
    count, error = len(same.positions), f"{same.last.error_type}: {same.last.error}"
    return (
        f"every sample of the model {model!r} failed with the same error: {count} samples so far, and none "
        f"succeeded\n  found:    {error}\n  to do:    correct the job or the "
        "manifest and run again; samples without a record are tried again"
    )
