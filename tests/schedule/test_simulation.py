"""Random histories against the scheduler, and broken schedulers against the histories."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from t2vbatch.plan import Unit
from t2vbatch.schedule import Action, Event, RunLimits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.schedule.backlog import Attempt
from t2vbatch.schedule.charges import Charges
from t2vbatch.schedule.worker_state import WorkerState
from t2vbatch.worker.protocol import Failure
from tests.simulator import Simulation, play

HISTORIES = 2_000
HUNT = 500


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def test_no_history_breaks_an_invariant() -> None:
    """Every invariant holds after every step of 2,000 random histories."""
    for seed in range(HISTORIES):
        play(seed)


def test_histories_are_rich() -> None:
    """The histories contain every kind of event and action, except the rarest."""
    story = "\n".join("\n".join(play(seed).history) for seed in range(500))
    words = [kind.__name__ for union in (m.Event, m.Action) for kind in union.__args__]
    missing = {word for word in words if f"{word}(" not in story}
    assert missing <= {"Tick", "Heartbeat", "Found"}
    assert "exceeded its deadline" in story
    for death in ("crash", "infrastructure"):
        assert f"death='{death}'" in story
    for charge in ("row", "memory", "input"):
        assert f"charge='{charge}'" in story


def test_history_is_a_function_of_its_seed() -> None:
    """The same seed plays the same history, so that a failing one can be replayed."""
    assert play(7).history == play(7).history


class _LosesUnits(Scheduler):
    def _requeue(self, attempt: Attempt, soon: bool = False) -> None:
        if not soon:
            super()._requeue(attempt, soon)


class _ChargesLosses(Scheduler):
    def _lose(self, attempt: Attempt, failure: Failure) -> None:
        self._charge(attempt, failure)


class _CountsAnswersTwice(Scheduler):
    def _handle_worker_event(self, event: m.WorkerEvent, worker: WorkerState) -> None:
        super()._handle_worker_event(event, worker)
        if isinstance(event, m.Finished):
            for outcome in event.outcomes:
                if outcome.status != "failed":
                    self._counts[outcome.status] += 1


class _NeverLooksForCommitted(Scheduler):
    def handle(self, event: Event, now: float) -> list[Action]:
        actions = super().handle(event, now)
        return [replace(a, retried=False) if isinstance(a, m.Generate) else a for a in actions]


class _SuspectsEverythingInTheProcess(Scheduler):
    def _crash(self, worker: WorkerState, suspects: Sequence[int], failure: Failure) -> None:
        for key in worker.keys:
            self._charge(self._running.pop(key), failure)


class _SuspectsTogether(Scheduler):
    def _requeue(self, attempt: Attempt, soon: bool = False) -> None:
        super()._requeue(replace(attempt, alone=False), soon)


class _ChargesWholeBatches(Scheduler):
    def _split(self, attempt: Attempt) -> None:
        for position in attempt.positions:
            self._charge(replace(attempt, positions=(position,)), Failure("RowError", "charged"))


class _TrustsFaultyWorkers(Scheduler):
    def _is_faulty(self, worker: WorkerState) -> bool:
        return False


class _KeepsTheChargesOfFaultyWorkers(Scheduler):
    class _Unforgiving(Charges):
        def _refund(self, positions: Collection[int]) -> None:
            pass

    def __init__(self, units: Mapping[str, Sequence[Unit]], limits: RunLimits) -> None:
        super().__init__(units, limits)
        self._charges = self._Unforgiving()


class _GivesUpTooLate(Scheduler):
    def __init__(self, units: Mapping[str, Sequence[Unit]], limits: RunLimits) -> None:
        super().__init__(units, replace(limits, attempts=4))


class _DispatchesAfterAnInterrupt(Scheduler):
    def _interrupt(self) -> None:
        pass


class _IgnoresDraining(Scheduler):
    def handle(self, event: Event, now: float) -> list[Action]:
        event = replace(event, draining=frozenset()) if isinstance(event, m.Cluster) else event
        return super().handle(event, now)


class _IgnoresCapacity(Scheduler):
    def handle(self, event: Event, now: float) -> list[Action]:
        event = replace(event, capacity=4) if isinstance(event, m.Cluster) else event
        return super().handle(event, now)


class _ChargesTheClock(Scheduler):
    def _pass_time(self, now: float) -> None:
        self._now = now


class _ForgetsDeadlines(Scheduler):
    def _end_overdue(self) -> None:
        pass


class _WaitsForTheSilent(Scheduler):
    def __init__(self, units: Mapping[str, Sequence[Unit]], limits: RunLimits) -> None:
        super().__init__(units, replace(limits, silence_s=None))


class _ForgetsWorkers(Scheduler):
    def _kill_all(self) -> None:
        pass


class _NeverStepsDown(Scheduler):
    def _step_down(self, attempt: Attempt) -> None:
        self._requeue(attempt)


class _EndsEarly(Scheduler):
    def _conclude(self) -> None:
        if not self._running and self._counts["ok"]:
            self._kill_all()
            self.ending = "finished"


class _KeepsWorkersOfFailedNodes(Scheduler):
    def _node_failed(self, worker: WorkerState, event: m.NodeFailed) -> None:
        super()._node_failed(worker, event)
        for other in self._pool:
            other.leaving = False


class _ChargesFailedNodes(Scheduler):
    def _node_failed(self, worker: WorkerState, event: m.NodeFailed) -> None:
        if event.key is not None and event.key in worker.keys:
            for position in self._running[event.key].positions:
                self._charges.charge(position)
        super()._node_failed(worker, event)


class _RetriesPermanentErrors(Scheduler):
    def _failed(self, worker: WorkerState, attempt: Attempt, event: m.Failed) -> None:
        charge: m.Charge = "row" if event.charge == "permanent" else event.charge
        super()._failed(worker, attempt, replace(event, charge=charge))


class _WaitsForHungLoads(Scheduler):
    def __init__(self, units: Mapping[str, Sequence[Unit]], limits: RunLimits) -> None:
        super().__init__(units, replace(limits, load_s=None))


class _HoldsAllFrames(Scheduler):
    def __init__(self, units: Mapping[str, Sequence[Unit]], limits: RunLimits) -> None:
        super().__init__(units, replace(limits, held_bytes=10**12))


class _KeepsEveryThreadWaiting(Scheduler):
    def __init__(self, units: Mapping[str, Sequence[Unit]], limits: RunLimits) -> None:
        super().__init__(units, replace(limits, finish_threads=limits.finish_threads + 1))


class _GivesLongUnitsTogether(Scheduler):
    def _give_units(self, worker: WorkerState) -> None:
        worker.unit_s = 0.0
        super()._give_units(worker)


class _GivesTogetherAfterADeath(Scheduler):
    def _give_units(self, worker: WorkerState) -> None:
        self._models[worker.model].one_by_one = False
        super()._give_units(worker)


class _ChargesUnitsGivenTogether(Scheduler):
    def _crash(self, worker: WorkerState, suspects: Sequence[int], failure: Failure) -> None:
        for key in worker.together.intersection(suspects):
            self._models[worker.model].one_by_one = True
            self._charge(self._running.pop(key), failure)
            worker.drop(key)
        super()._crash(worker, [key for key in suspects if key in worker.keys], failure)


class _LosesReturnedUnits(Scheduler):
    def _handle_worker_event(self, event: m.WorkerEvent, worker: WorkerState) -> None:
        if isinstance(event, m.Returned) and event.key in worker.generating:
            self._withdraw(worker, event.key)
        super()._handle_worker_event(event, worker)


class _StopsAtTheFirstFailure(Scheduler):
    def __init__(self, units: Mapping[str, Sequence[Unit]], limits: RunLimits) -> None:
        super().__init__(units, replace(limits, same_errors=1))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (_LosesUnits, "a sample vanished or doubled"),
        (_ChargesLosses, "a good sample was charged"),
        (_CountsAnswersTwice, "a sample vanished or doubled"),
        (_NeverLooksForCommitted, "made again though finished"),
        (_SuspectsEverythingInTheProcess, "a suspect in a process that others used"),
        (_SuspectsTogether, "a suspect in a process that others used"),
        (_ChargesWholeBatches, "a good sample was charged"),
        (_TrustsFaultyWorkers, "quarantined though good"),
        (_KeepsTheChargesOfFaultyWorkers, "quarantined after another number of attempts"),
        (_GivesUpTooLate, "quarantined after another number of attempts"),
        (_DispatchesAfterAnInterrupt, "after an interrupt"),
        (_IgnoresDraining, "work for a draining node"),
        (_IgnoresCapacity, "more workers than there is room for"),
        (_ChargesTheClock, "a good sample was charged|given up though every model loads"),
        (_ForgetsDeadlines, "the run does not end"),
        (_WaitsForTheSilent, "the run does not end"),
        (_ForgetsWorkers, "a worker was not ended"),
        (_NeverStepsDown, "tried again where it did not fit"),
        (_EndsEarly, "and not (committed|quarantined)"),
        (_KeepsWorkersOfFailedNodes, "work for a failed node"),
        (_ChargesFailedNodes, "a good sample was charged"),
        (_RetriesPermanentErrors, "tried again though no repetition changes"),
        (_WaitsForHungLoads, "the run does not end"),
        (_HoldsAllFrames, "more frames held"),
        (_KeepsEveryThreadWaiting, "more units held"),
        (_GivesLongUnitsTogether, "long units given together"),
        (_GivesTogetherAfterADeath, "given together after a death"),
        (_ChargesUnitsGivenTogether, "a good sample was charged"),
        (_LosesReturnedUnits, "a sample vanished or doubled"),
        (_StopsAtTheFirstFailure, "given up though no model fails at everything"),
    ],
)
def test_broken_scheduler_is_caught(broken: type[Scheduler], words: str) -> None:
    """A scheduler with one rule broken fails a history, which says what broke and how to replay it."""
    with pytest.raises(AssertionError, match=words) as caught:
        _hunt(broken)
    assert "replay: python -m tests.simulator --seed" in str(caught.value)


def _hunt(kind: type[Scheduler]) -> list[Simulation]:
    return [play(seed, kind) for seed in range(HUNT)]
