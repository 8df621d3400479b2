"""What follows a failure: which sample is charged, what is retried, which worker is replaced."""

import pytest

from t2vbatch.errors import ModelError, WorkerError
from t2vbatch.plan import Unit
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Failure, Outcome
from tests.schedule.harness import GONE, NO, Harness, generates, starts, units


def test_three_charges_quarantine() -> None:
    """A sample that failed three times is quarantined with the reason; the others continue."""
    harness = Harness({"x": units(2, 1)})
    harness.started()
    harness.failed(1, 1)
    harness.made(1, 2)
    harness.failed(1, 3)
    assert m.Quarantine(0, 3, NO) in harness.failed(1, 4)
    assert harness.scheduler.ending == "finished"
    assert harness.scheduler.progress() == m.Progress(1, 0, 1, 0, 0, 0, 0)


def _calls_fail(harness: Harness, *errors: str) -> None:
    """One sample fails in its call with these errors, one after another."""
    for key, error in enumerate(errors, 1):
        harness.send(m.Failed(1, key, "call", Failure("RowError", error)))


def test_an_error_of_the_call_that_comes_twice_is_enough() -> None:
    """A shape error with the same text is not tried a third time."""
    harness = Harness({"x": units(1)})
    harness.started()
    _calls_fail(harness, "tensor a (4), tensor b (5)", "tensor a (4), tensor b (5)")
    assert m.Quarantine(0, 2, Failure("RowError", "tensor a (4), tensor b (5)")) in harness.actions


def test_an_error_of_the_call_that_changes_is_tried_three_times() -> None:
    """Only an equal text shows that the error depends on the call alone."""
    harness = Harness({"x": units(1)})
    harness.started()
    _calls_fail(harness, "tensor a (4)", "tensor a (5)")
    assert harness.given == [m.Generate(1, 3, (0,), (3,), True)]


def test_a_worker_that_never_succeeded_proves_nothing() -> None:
    """Two equal errors on a new worker may be the worker's fault if another one succeeds."""
    harness = Harness({"x": units(2, 1)}, workers=2)
    harness.started(1)
    harness.started(2)
    harness.made(2, 2)
    bad = Failure("RowError", "tensor a")
    assert generates(harness.send(m.Failed(1, 1, "call", bad))) == [m.Generate(1, 3, (0,), (2,), True)]
    harness.send(m.Failed(1, 3, "call", bad))
    assert not [action for action in harness.all if isinstance(action, m.Quarantine)]


def test_an_error_on_a_faulty_worker_shows_nothing_about_a_sample() -> None:
    """A sample that failed uncharged on a worker just found faulty has two attempts of its own elsewhere."""
    harness = Harness({"x": units(5, 4, 3, 2, 1)}, workers=2)
    harness.started(1)
    harness.started(2)
    bad = Failure("RowError", "tensor a")
    for key in (1, 3):
        harness.send(m.Failed(1, key, "call", bad))
    harness.generated(1, 4)
    for key in (4, 5):
        harness.send(m.Failed(1, key, "call", bad))
    while (work := [one for one in generates(harness.all) if one.worker == 2][-1]).positions != (4,):
        harness.made(2, work.key)
    assert work.attempts == (1,)
    harness.send(m.Failed(2, work.key, "call", bad))
    assert not [action for action in harness.all if isinstance(action, m.Quarantine)]


def test_errors_of_calls_in_a_batch_are_counted_alone() -> None:
    """A batch that failed shows nothing about each of its samples: each is tried twice by itself."""
    harness = Harness({"x": [Unit("x", (0, 1), 1.0)]})
    harness.started()
    _calls_fail(harness, "tensor a", "tensor a")
    assert not [action for action in harness.all if isinstance(action, m.Quarantine)]


def test_a_faulty_worker_is_replaced_before_its_errors_count_as_those_of_calls() -> None:
    """If every sample fails on one worker of two, the charges are refunded, and another worker retries."""
    harness = Harness({"x": units(3, 2, 1, 1)}, workers=2)
    harness.started(1)
    harness.started(2)
    bad = Failure("RowError", "tensor a")
    for key in (1, 3, 4):
        harness.send(m.Failed(1, key, "call", bad))
    harness.finished(2, 2)
    for work in harness.given:
        harness.send(m.Failed(2, work.key, "call", bad))
    assert not [action for action in harness.all if isinstance(action, m.Quarantine)]


def test_failed_row_is_tried_after_the_others() -> None:
    """A failed row waits until the others were tried, and is marked as a retry."""
    harness = Harness({"x": units(3, 2, 1)})
    harness.started()
    harness.failed(1, 1)
    harness.made(1, 2)
    harness.generated(1, 3)
    assert harness.given == [m.Generate(1, 4, (0,), (2,), True)]


def test_failed_batch_is_split_and_not_charged() -> None:
    """When a call for several samples raises, each is tried alone."""
    harness = Harness({"x": [Unit("x", (0, 1, 2), 1.0)]})
    harness.started()
    harness.failed(1, 1)
    harness.made(1, 2)
    harness.made(1, 3)
    assert [(work.positions, work.attempts) for work in generates(harness.all)[1:]] == [
        ((0,), (1,)),
        ((1,), (1,)),
        ((2,), (1,)),
    ]


def test_failed_outcome_is_charged_to_its_sample() -> None:
    """When finishing fails for one video of a batch, only that one is generated again."""
    harness = Harness({"x": [Unit("x", (0, 1), 1.0)]})
    harness.started()
    harness.generated(1, 1)
    harness.send(m.Finished(1, 1, (Outcome(0, "ok"), Outcome(1, "failed", NO))))
    assert harness.given == [m.Generate(1, 2, (1,), (2,), True)]


def test_crash_is_charged_to_the_unit_that_ran() -> None:
    """A process that dies with one unit charges that unit, and a fresh process retries it."""
    harness = Harness({"x": units(2, 1)})
    harness.started()
    assert harness.died(1) == [m.Kill(1), m.Start(2, "x")]
    harness.started(2)
    assert harness.given == [m.Generate(2, 2, (0,), (2,), True)]


def test_a_quarantined_sample_may_have_a_record() -> None:
    """A quarantined sample that turns out to have a record counts with the status of its record."""
    harness = Harness({"x": units(1)})
    for worker in (1, 2, 3):
        harness.started(worker)
        harness.died(worker)
    harness.send(m.Found(0, "ok"))
    assert harness.scheduler.progress() == m.Progress(1, 0, 0, 0, 0, 0, 0)


def test_suspects_are_not_charged_and_run_alone() -> None:
    """Each of two units in a process that died gets a fresh process alone, and neither is charged."""
    harness = Harness({"x": units(3, 2, 1)})
    harness.started()
    harness.generated(1, 1)
    harness.died(1)
    harness.started(2)
    assert harness.given == [m.Generate(2, 3, (1,), (1,), True)]
    assert generates(harness.generated(2, 3)) == [], "nothing beside a suspect"
    harness.finished(2, 3)
    assert [work.positions for work in harness.given] == [(2,)], "the other suspect wants a fresh process"
    harness.generated(2, 4)
    assert harness.finished(2, 4) == [m.Stop(2), m.Start(3, "x")]
    harness.started(3)
    assert harness.given == [m.Generate(3, 5, (0,), (1,), True)]


def test_a_unit_that_waited_in_finish_is_not_a_suspect() -> None:
    """A unit that only waited in a process that died is generated again soon, beside others."""
    harness = Harness({"x": units(4, 3, 2, 1)})
    harness.started()
    harness.generated(1, 1)
    harness.generated(1, 2)
    harness.finished(1, 1)
    harness.generated(1, 3)
    harness.died(1)
    assert harness.scheduler.progress().pending == 3
    harness.started(2)
    harness.made(2, 4)
    assert [work.positions for work in generates(harness.all)[3:5]] == [(1,), (2,)]


def test_crash_three_times_quarantines() -> None:
    """A sample that kills three processes is quarantined."""
    harness = Harness({"x": units(1)})
    for worker in (1, 2, 3):
        harness.started(worker)
        harness.died(worker)
    assert m.Quarantine(0, 3, GONE) in harness.actions
    assert harness.scheduler.ending == "finished"


def test_crashed_batch_is_split() -> None:
    """Each sample of a batch whose process died is tried alone in its own process, uncharged."""
    harness = Harness({"x": [Unit("x", (0, 1), 1.0)]})
    harness.started(1)
    harness.died(1)
    harness.started(2)
    harness.made(2, 2)
    harness.started(3)
    assert [(work.worker, work.positions, work.attempts) for work in generates(harness.all)[1:]] == [
        (2, (0,), (1,)),
        (3, (1,), (1,)),
    ]


def test_loss_is_free_but_not_for_ever() -> None:
    """A sample that is lost with its node is not charged the first ten times."""
    harness = Harness({"x": units(1)})
    for worker in range(1, 14):
        harness.started(worker)
        if worker <= 11:
            assert harness.given[0].attempts == (1,)
        harness.died(worker, "infrastructure")
    assert m.Quarantine(0, 3, GONE) in harness.actions


def test_lost_unit_comes_first() -> None:
    """A unit that was lost with a node comes before untried units."""
    harness = Harness({"x": units(2, 1)})
    harness.started()
    harness.died(1, "infrastructure")
    harness.started(2)
    assert harness.given[0].positions == (0,)


def test_memory_steps_down() -> None:
    """A unit that does not fit is retried with model offload, then with sequential offload, uncharged."""
    harness = Harness({"x": units(1)})
    harness.started(1)
    assert harness.failed(1, 1, "memory") == [m.Stop(1), m.Start(2, "x", ("model_cpu_offload",))]
    harness.started(2)
    assert harness.failed(2, 2, "memory") == [m.Stop(2), m.Start(3, "x", ("sequential_cpu_offload",))]
    harness.started(3)
    assert harness.given == [m.Generate(3, 3, (0,), (1,), True)]
    harness.failed(3, 3, "memory")
    harness.failed(3, 4, "memory")
    assert m.Quarantine(0, 3, NO) in harness.failed(3, 5, "memory")


def test_small_units_keep_the_fast_worker() -> None:
    """One unit that does not fit does not slow the others down."""
    harness = Harness({"x": units(2, 1)})
    harness.started(1)
    harness.failed(1, 1, "memory")
    assert harness.given == [m.Generate(1, 2, (1,), (1,), False)]


def test_model_that_does_not_fit_steps_down_as_a_whole() -> None:
    """After three units in a row that do not fit, untried units start at the next offload level."""
    harness = Harness({"x": units(1, 1, 1, 1, 1)})
    harness.started(1)
    for key in (1, 2):
        harness.failed(1, key, "memory")
    assert harness.failed(1, 3, "memory") == [m.Stop(1), m.Start(2, "x", ("model_cpu_offload",))]
    harness.started(2)
    for key in range(4, 9):
        harness.made(2, key)
    assert harness.scheduler.ending == "finished"
    assert harness.scheduler.progress().ok == 5


def test_load_that_does_not_fit_steps_down() -> None:
    """A model that runs out of memory while loading is loaded with offload."""
    harness = Harness({"x": units(1)})
    assert harness.send(m.StartFailed(1, NO, out_of_memory=True)) == [
        m.Kill(1),
        m.Start(2, "x", ("model_cpu_offload",)),
    ]


def test_hung_unit_is_ended() -> None:
    """A unit far past its deadline is ended with its process and charged."""
    harness = Harness({"x": units(1)}, timeout_s=10.0)
    harness.started(1)
    assert harness.wait(11) == []
    assert harness.wait(3) == [m.Kill(1), m.Start(2, "x")]
    harness.started(2)
    assert harness.given[0].attempts == (2,)


def test_neighbour_of_a_hung_unit_is_free() -> None:
    """A unit that is finished in a process that hangs in generate is generated again, uncharged."""
    harness = Harness({"x": units(2, 1)}, timeout_s=10.0)
    harness.started(1)
    harness.wait(5)
    harness.generated(1, 1)
    harness.wait(8)
    harness.send(m.Heartbeat(1))
    assert starts(harness.wait(6)) == [(2, "x")], "both halves have a deadline of their own"
    harness.started(2)
    assert [work.attempts for work in harness.given] == [(1,)] or [
        work.attempts for work in harness.given
    ] == [(2,)]
    attempts = {work.positions: work.attempts for work in generates(harness.all)[2:]}
    harness.made(2, 3)
    harness.started(3)
    attempts |= {work.positions: work.attempts for work in generates(harness.all)[2:]}
    assert sorted(attempts.values()) == [(1,), (2,)]


def test_sleeping_driver_blames_nobody() -> None:
    """When the clock jumps by an hour, because the machine slept, no unit is overdue and no worker silent."""
    harness = Harness({"x": units(1)}, timeout_s=10.0, silence_s=60.0)
    harness.started(1)
    harness.wait(3)
    assert harness.send(m.Tick(), after=3600.0) == []
    assert harness.wait(8) == []
    assert harness.wait(3) != []


def test_silent_worker_is_ended() -> None:
    """A process that does not answer is ended; the units in progress are suspects."""
    harness = Harness({"x": units(1)}, silence_s=60.0)
    harness.started(1)
    for _ in range(5):
        harness.wait(50)
        assert harness.send(m.Heartbeat(1)) == []
    assert harness.wait(61) == [m.Kill(1), m.Start(2, "x")]


def test_sick_worker_is_replaced_and_its_units_are_free() -> None:
    """A worker on which every unit fails after a success is replaced, and the charges are refunded."""
    harness = Harness({"x": units(4, 3, 2, 1)})
    harness.started(1)
    harness.made(1, 1)
    harness.failed(1, 2)
    harness.failed(1, 3)
    assert harness.failed(1, 4) == [m.Stop(1), m.Start(2, "x")]
    harness.started(2)
    for key in (5, 6, 7):
        harness.made(2, key)
    assert {work.attempts for work in generates(harness.all)[4:]} == {(1,)}
    assert harness.scheduler.progress().ok == 4


def test_sick_worker_beside_a_healthy_one_is_replaced() -> None:
    """A worker on which every unit fails is replaced before any success if another worker may succeed."""
    harness = Harness({"x": units(*[1] * 6)}, workers=2)
    harness.started(1)
    harness.started(2)
    for key in (2, 3, 4):
        harness.failed(2, key)
    assert harness.actions == [m.Stop(2), m.Start(3, "x")]


@pytest.mark.parametrize("charge", ["row", "timeout"])
def test_a_bad_last_row_costs_no_reload(charge: m.Charge) -> None:
    """On a single worker that succeeded before, the last row is given up after its three attempts."""
    harness = Harness({"x": units(2, 1)})
    harness.started(1)
    harness.made(1, 1)
    for key in (2, 3, 4):
        harness.failed(1, key, charge)
    assert harness.scheduler.progress().failed == 1
    assert harness.scheduler.ending == "finished"
    assert starts(harness.all) == [(1, "x")]


@pytest.mark.parametrize(("rows", "most"), [(1, 1), (4, 4), (40, 7), (400, 10)])
def test_bad_rows_cost_few_reloads(rows: int, most: int) -> None:
    """If replacing the worker does not help, the needed streak doubles: reloads grow with the logarithm of
    bad rows."""
    harness = Harness({"x": units(9, *[1] * rows)})
    harness.started(1)
    harness.made(1, 1)
    loads = 1
    while harness.scheduler.ending is None:
        [newest] = {worker for worker, _ in starts(harness.all)} - set(range(1, len(starts(harness.all))))
        if newest > loads:
            loads = newest
            assert (
                loads <= most
            )  # Here, because a scheduler that never stops reloading would not end the loop.
            harness.started(newest)
        harness.failed(newest, max(work.key for work in generates(harness.all)))
    assert harness.scheduler.progress().failed == rows


def test_model_of_which_nothing_works_is_given_up_without_reloads() -> None:
    """With one worker and no success at all there is no reason to suspect the worker."""
    harness = Harness({"x": units(1, 1)})
    harness.started(1)
    for key in range(1, 7):
        harness.failed(1, key)
    assert harness.scheduler.progress().failed == 2
    assert starts(harness.all) == [(1, "x")]


def test_missing_input_is_not_the_workers_fault() -> None:
    """Rows whose inputs cannot be read fail, and no worker is replaced."""
    harness = Harness({"x": units(2, *[1] * 5)})
    harness.started(1)
    harness.made(1, 1)
    for key in range(2, 17):
        harness.failed(1, key, "input")
    assert harness.scheduler.progress().failed == 5
    assert starts(harness.all) == [(1, "x")]


def test_a_broken_input_is_tried_once() -> None:
    """Rows whose inputs cannot be decoded fail after one attempt, and no worker is replaced."""
    harness = Harness({"x": units(2, *[1] * 5)})
    harness.started(1)
    harness.made(1, 1)
    for key in range(2, 7):
        harness.failed(1, key, "broken_input")
    assert harness.scheduler.progress().failed == 5
    assert starts(harness.all) == [(1, "x")]


def test_ten_failed_starts_stop_the_job() -> None:
    """A model that cannot be loaded ten times in a row ends the run with the reason."""
    harness = Harness({"x": units(1)})
    for worker in range(1, 11):
        harness.send(m.StartFailed(worker, Failure("OSError", "no such hub")))
        if worker < 10:
            harness.wait(6)
    [abort] = [action for action in harness.actions if isinstance(action, m.Abort)]
    assert isinstance(abort.error, WorkerError)
    assert "'x'" in str(abort.error)
    assert "OSError: no such hub" in str(abort.error)


def test_a_start_that_works_resets_the_count() -> None:
    """Nine failed starts, one that works and nine more do not stop the job."""
    harness = Harness({"x": units(1)})
    for worker in range(1, 20):
        if worker == 10:
            harness.started(worker)
            harness.died(worker, "infrastructure")
        else:
            harness.send(m.StartFailed(worker, NO))
            harness.wait(6)
    assert harness.scheduler.ending is None


def test_pause_between_failed_starts() -> None:
    """After a failed start the next one waits, longer each time and never more than five seconds."""
    harness = Harness({"x": units(1)})
    assert starts(harness.send(m.StartFailed(1, NO))) == []
    assert starts(harness.wait(1)) == [(2, "x")]
    for worker in range(2, 8):
        harness.send(m.StartFailed(worker, NO))
        harness.wait(6)
    harness.send(m.StartFailed(8, NO))
    assert starts(harness.wait(4)) == []
    assert starts(harness.wait(2)) == [(9, "x")]


def test_death_while_loading_counts_as_a_failed_start() -> None:
    """A process that dies while it loads its model is a failed start."""
    harness = Harness({"x": units(1)})
    for worker in range(1, 11):
        harness.died(worker)
        harness.wait(6)
    assert any(isinstance(action, m.Abort) for action in harness.all)


def test_workers_lost_while_loading_are_not_failed_starts() -> None:
    """Workers that are lost with their node while they load do not count as failed starts."""
    harness = Harness({"x": units(1)})
    for worker in range(1, 21):
        assert starts(harness.all)[-1] == (worker, "x")
        harness.died(worker, "infrastructure")
        harness.wait(1)
    assert harness.scheduler.ending is None


@pytest.mark.parametrize("running", [False, True])
def test_fatal_stops_at_once(running: bool) -> None:
    """An error where no retry can help ends all workers and is raised."""
    error = ModelError("models.x.path", "no pipeline")
    harness = Harness({"x": units(1, 1)}, workers=2)
    if running:
        harness.started(1)
    assert harness.send(m.Fatal(error)) == [m.Kill(1), m.Kill(2), m.Abort(error)]
    assert harness.scheduler.progress().pending == 2
