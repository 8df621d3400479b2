"""How many short units a worker gets at once, and what follows when such units fail."""

from typing import Any

import pytest

from t2vbatch.schedule import messages as m
from tests.schedule.harness import Harness, generates, units


def _short(count: int, unit_s: float = 0.01, workers: int = 1, **limits: Any) -> Harness:
    """Worker 1 has finished the first unit, which took this long, and generated the second one: the last
    event's actions give it the next units."""
    harness = Harness({"x": units(*[1] * count)}, workers, **{"together": 8} | limits)
    harness.started()
    harness.generated(1, 1)
    harness.now += unit_s
    harness.finished(1, 1)
    harness.generated(1, 2)
    return harness


def _keys(harness: Harness) -> list[int]:
    return [work.key for work in harness.given]


@pytest.mark.parametrize(("unit_s", "at_once"), [(0.001, 8), (0.02, 8), (0.03, 6), (0.049, 4), (0.051, 1)])
def test_short_units_are_given_together(unit_s: float, at_once: int) -> None:
    """At most eight, and as many as take 0.2 s; units of more than 50 ms are given one by one."""
    assert len(_short(20, unit_s).given) == at_once


def test_units_that_are_slow_to_generate_are_given_one_by_one() -> None:
    """A call of 60 ms is not a short unit, even if another unit is finished meanwhile."""
    harness = Harness({"x": units(*[1] * 20)}, together=8)
    harness.started()
    for key in (1, 2, 3):
        harness.now += 0.06
        assert len(generates(harness.generated(1, key))) == 1
        harness.finished(1, key)


def test_units_are_given_one_by_one_unless_the_engine_sends_them_together() -> None:
    """For an engine that does not send units together, such as inline, they are given one by one."""
    assert len(_short(20, together=1).given) == 1


def test_units_that_wait_in_the_worker_share_its_time() -> None:
    """Nine units in the worker that end after 0.35 s take 39 ms each, so five are given next."""
    harness = _short(30)
    for key in range(3, 11):
        harness.generated(1, key)
    assert _keys(harness) == []
    harness.now += 0.35
    for key in range(2, 11):
        harness.finished(1, key)
        if harness.given:
            break
    assert len(harness.given) == 5


def test_frames_of_units_given_together_fit_into_memory() -> None:
    """With room for the frames of five units, of which one waits, four are given."""
    harness = Harness({"x": units(*[1] * 20)}, together=8, held_bytes=50)
    harness.started()
    harness.send(m.Generated(1, 1, 10))
    harness.now += 0.01
    harness.finished(1, 1)
    assert len(generates(harness.send(m.Generated(1, 2, 10)))) == 4


def test_the_last_units_are_shared() -> None:
    """Of the last five units, each of two workers gets at most three."""
    assert len(_short(7, workers=2).given) == 3


def test_after_a_failure_units_are_given_one_by_one() -> None:
    """After a failure units are given one by one until a later unit is finished."""
    harness = _short(30)
    first, *others = _keys(harness)
    harness.finished(1, 2)
    for key in others:
        harness.failed(1, key, "input")
    assert len(harness.failed(1, first)) == 1


def test_a_death_charges_no_unit_given_together() -> None:
    """Any of them may have ended the process, so they are tried again one by one until one ends it alone."""
    harness = _short(20)
    given = _keys(harness)
    assert len(given) == 8
    assert harness.died(1) == [m.Kill(1), m.Start(2, "x")]
    harness.started(2)
    [again] = harness.given
    assert (again.attempts, again.retried) == ((1,), True)
    harness.died(2)
    harness.started(3)
    [charged] = [work for work in generates(harness.all) if work.attempts == (2,)]
    assert charged.positions == again.positions
    assert charged.worker == 3


def test_returned_units_are_given_again_one_by_one() -> None:
    """Units that a worker returned are given uncharged and one by one, before untried units."""
    harness = _short(30)
    first, *others = harness.given
    harness.generated(1, first.key)
    for work in others:
        harness.send(m.Returned(1, work.key))
    assert harness.given == []
    harness.finished(1, 2)
    [again] = harness.given
    assert (again.positions, again.attempts, again.retried) == (others[0].positions, (1,), True)
    harness.finished(1, first.key)
    [after] = generates(harness.generated(1, again.key))
    assert after.positions == others[1].positions


def test_units_given_together_have_time_for_those_before_them() -> None:
    """A deadline of 20 s is exceeded after 26.2 s, because the last of them may begin after 0.2 s."""
    harness = _short(20, timeout_s=20.0)
    harness.send(m.Finished(1, 2, ()))
    assert harness.send(m.Tick(), after=26.1) == []
    assert m.Kill(1) in harness.send(m.Tick(), after=0.2)
