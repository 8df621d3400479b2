"""Which unit is generated when, and by how many workers."""

import tracemalloc
from collections.abc import Sequence
from typing import overload

from t2vbatch.plan import Unit
from t2vbatch.schedule import RunLimits, Scheduler
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Outcome
from tests.schedule.harness import Harness, generates, starts, units


def test_units_are_made_in_the_order_given() -> None:
    """The plan sorts units by cost, and the scheduler keeps that order."""
    harness = Harness({"x": units(3, 3, 2, 1)})
    harness.started()
    for key in (1, 2, 3, 4):
        harness.made(1, key)
    assert [work.positions for work in generates(harness.all)] == [(0,), (1,), (2,), (3,)]


def test_finish_overlaps_generate() -> None:
    """While one unit is finished the next one is generated."""
    harness = Harness({"x": units(1, 1)})
    harness.started()
    assert harness.generated(1, 1) == [m.Finish(1, 1), m.Generate(1, 2, (1,), (1,), False)]


def test_frames_held_are_bounded() -> None:
    """With two units in finish, a worker generates nothing more until one of them is finished."""
    harness = Harness({"x": units(1, 1, 1, 1)})
    harness.started()
    harness.generated(1, 1)
    assert generates(harness.generated(1, 2)) == []
    assert [work.positions for work in generates(harness.finished(1, 1))] == [(2,)]


def test_run_ends_when_all_is_made() -> None:
    """When the last unit is finished, the worker is stopped and the run ends."""
    harness = Harness({"x": units(1)})
    harness.started()
    harness.generated(1, 1)
    assert harness.finished(1, 1) == [m.Stop(1)]
    assert harness.scheduler.ending == "finished"
    assert harness.scheduler.progress() == m.Progress(1, 0, 0, 0, 0, 0, 0)


def test_nothing_to_do_ends_at_once() -> None:
    """A run without units starts no worker."""
    harness = Harness({"x": []})
    assert harness.all == []
    assert harness.scheduler.ending == "finished"


def test_no_more_workers_than_units() -> None:
    """Two units start two workers, also where eight would fit."""
    assert starts(Harness({"x": units(1, 1)}, workers=8).all) == [(1, "x"), (2, "x")]


def test_models_share_the_room() -> None:
    """Four workers for two models with equal work are two each."""
    harness = Harness({"x": units(1, 1, 1), "y": units(1, 1, 1, model="y", first=3)}, workers=4)
    assert sorted(model for _, model in starts(harness.all)) == ["x", "x", "y", "y"]


def test_model_waits_for_room() -> None:
    """With room for one worker, the second model starts when the first one's units are finished."""
    harness = Harness({"x": units(1), "y": units(1, model="y", first=1)})
    harness.started()
    harness.generated(1, 1)
    assert harness.finished(1, 1) == [m.Stop(1), m.Start(2, "y")]


def test_maximum_holds() -> None:
    """A model gets no more workers than its maximum."""
    assert len(starts(Harness({"x": units(1, 1, 1)}, workers=3, maximum=2).all)) == 2


def test_minimum_comes_first() -> None:
    """A model with few units gets its minimum before one with many units gets more."""
    harness = Harness({"x": units(*[1] * 9), "y": units(1, 1, model="y", first=9)}, workers=3, minimum=1)
    assert sorted(model for _, model in starts(harness.all)) == ["x", "x", "y"]


def test_minimum_is_kept_while_there_is_work() -> None:
    """An idle worker stays while it is one of the minimum and a unit of another worker may be requeued."""
    for minimum, kept in ((0, False), (2, True)):
        harness = Harness({"x": units(1, 1)}, workers=2, minimum=minimum)
        harness.started(1)
        harness.started(2)
        harness.generated(1, 1)
        assert (m.Stop(1) not in harness.finished(1, 1)) is kept


def test_capacity_follows_the_cluster() -> None:
    """When nodes are added, more workers start."""
    harness = Harness({"x": units(1, 1, 1)})
    assert starts(harness.send(m.Cluster(capacity=3))) == [(2, "x"), (3, "x")]


def test_draining_node_gets_nothing_new() -> None:
    """Units on a draining node are finished there; later units are generated elsewhere."""
    harness = Harness({"x": units(1, 1)})
    harness.started(1, node="a")
    harness.send(m.Cluster(1, frozenset({"a"})))
    assert generates(harness.generated(1, 1)) == []
    assert harness.finished(1, 1) == [m.Stop(1), m.Start(2, "x")]
    harness.started(2, node="b")
    assert harness.given[0].positions == (1,)


def test_an_idle_worker_of_the_minimum_leaves_a_draining_node() -> None:
    """It does not wait for units that the other worker may give back: it would get none."""
    harness = Harness({"x": units(1, 1)}, workers=2, minimum=2)
    harness.started(1, node="a")
    harness.started(2, node="b")
    harness.send(m.Cluster(2, frozenset({"b"})))
    assert m.Stop(2) in harness.made(2, 2)


def test_a_worker_that_starts_on_a_draining_node_is_stopped() -> None:
    """A worker whose node drains before its model is loaded gets no unit."""
    harness = Harness({"x": units(1)})
    harness.send(m.Cluster(1, frozenset({"a"})))
    assert harness.started(1, node="a")[0] == m.Stop(1)
    assert harness.given == []


def test_a_repeated_started_event() -> None:
    """A repeated Started event does not keep a worker that is leaving."""
    harness = Harness({"x": units(1, 1)})
    harness.started(1, node="a")
    harness.send(m.Cluster(1, frozenset({"a"})))
    harness.send(m.Cluster(1))
    harness.started(1, node="a")
    assert generates(harness.generated(1, 1)) == []


def test_interrupt_finishes_what_runs() -> None:
    """After the first interrupt no unit is given to a worker, units in progress are finished, the rest stays
    pending."""
    harness = Harness({"x": units(1, 1, 1)})
    harness.started()
    harness.send(m.Interrupted())
    assert generates(harness.generated(1, 1)) == []
    assert harness.scheduler.ending is None
    assert harness.finished(1, 1) == [m.Stop(1)]
    assert harness.scheduler.ending == "interrupted"
    assert harness.scheduler.progress() == m.Progress(1, 0, 0, 0, 2, 0, 0)


def test_interrupt_with_nothing_running_ends_at_once() -> None:
    """The run does not wait for workers that still load."""
    harness = Harness({"x": units(1)})
    assert harness.send(m.Interrupted()) == [m.Kill(1)]
    assert harness.scheduler.ending == "interrupted"


def test_second_interrupt_stops_at_once() -> None:
    """A second interrupt ends every worker; their units are pending again."""
    harness = Harness({"x": units(1, 1)}, workers=2)
    harness.started(1)
    harness.started(2)
    harness.send(m.Interrupted())
    assert harness.send(m.Interrupted()) == [m.Kill(1), m.Kill(2)]
    assert harness.scheduler.ending == "interrupted"
    assert harness.scheduler.progress().pending == 2


def test_interrupt_of_the_last_unit_is_no_interrupt() -> None:
    """A run that finishes every unit after an interrupt ends as finished."""
    harness = Harness({"x": units(1)})
    harness.started()
    harness.send(m.Interrupted())
    harness.made(1, 1)
    assert harness.scheduler.ending == "finished"


def test_answers_given_twice_count_once() -> None:
    """A late or repeated answer changes nothing."""
    harness = Harness({"x": units(1, 1)})
    harness.started()
    harness.made(1, 1)
    before = harness.scheduler.progress()
    assert harness.send(m.Generated(1, 1)) == []
    assert harness.finished(1, 1) == []
    assert harness.failed(1, 1) == []
    assert harness.died(7) == []
    assert harness.scheduler.progress() == before


def test_committed_samples_are_not_generated_again() -> None:
    """Of a unit with some samples committed, only the others are generated."""
    harness = Harness({"x": [Unit("x", (0, 1, 2), 1.0)]})
    harness.started()
    harness.send(m.Finished(1, 1, (Outcome(1, "degenerate"),)))
    assert harness.given == [m.Generate(1, 2, (0, 2), (1, 1), True)]
    assert harness.scheduler.progress().degenerate == 1


def test_degenerate_is_counted_apart() -> None:
    """A degenerate video counts as degenerate, not as ok."""
    harness = Harness({"x": units(1)})
    harness.started()
    harness.generated(1, 1)
    harness.send(m.Finished(1, 1, (Outcome(0, "degenerate"),)))
    assert harness.scheduler.progress() == m.Progress(0, 1, 0, 0, 0, 0, 0)


class _Many(Sequence[Unit]):
    """Units that are created at each access."""

    def __len__(self) -> int:
        return 300_000

    @overload
    def __getitem__(self, index: int) -> Unit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Unit]: ...
    def __getitem__(self, index: int | slice) -> Unit | Sequence[Unit]:
        assert isinstance(index, int)
        if index >= len(self):
            raise IndexError(index)
        return Unit("x", (index,), float(index % 7))


def test_waiting_units_stay_small() -> None:
    """A waiting unit costs the scheduler less than 30 bytes, a million, less than 30 MB."""
    tracemalloc.start()
    scheduler = Scheduler({"x": _Many()}, RunLimits(1))
    scheduler.handle(m.Tick(), 0.0)
    [first] = generates(scheduler.handle(m.Started(1, "a"), 1.0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first.positions == (0,)
    assert scheduler.progress().pending == len(_Many()) - 1
    assert peak < 30 * len(_Many())


def test_an_idle_worker_takes_what_another_gave_back() -> None:
    """The samples of a batch that failed go to every worker that waits, not only to the one that reports."""
    harness = Harness({"x": [Unit("x", (0, 1, 2), 3.0), Unit("x", (3,), 1.0)]}, workers=2, minimum=2)
    harness.started(1)
    harness.started(2)
    harness.made(2, 2)
    assert [work.worker for work in generates(harness.failed(1, 1))] == [1, 2]
