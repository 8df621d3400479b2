"""What becomes of a failure: who is charged, what is repeated, who is replaced."""

import pytest

from t2vbatch.errors import ModelError, WorkerError
from t2vbatch.plan import Unit
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Failure, Outcome
from tests.schedule.harness import GONE, NO, Desk, generates, starts, units


def test_three_charges_quarantine() -> None:
    """A sample that failed three times is given up, with the reason, and the others go on."""
    desk = Desk({"x": units(2, 1)})
    desk.started()
    desk.failed(1, 1)
    desk.made(1, 2)
    desk.failed(1, 3)
    assert m.Quarantine(0, 3, NO) in desk.failed(1, 4)
    assert desk.scheduler.ending == "finished"
    assert desk.scheduler.progress() == m.Progress(1, 0, 1, 0, 0, 0, 0)


def test_failed_row_is_tried_after_the_others() -> None:
    """A row that failed waits until the others were tried, and says that it is a repetition."""
    desk = Desk({"x": units(3, 2, 1)})
    desk.started()
    desk.failed(1, 1)
    desk.made(1, 2)
    desk.generated(1, 3)
    assert desk.given == [m.Generate(1, 4, (0,), (2,), True)]


def test_failed_batch_is_split_and_not_charged() -> None:
    """When a call for several samples raises, each shows by itself whether it is the bad one."""
    desk = Desk({"x": [Unit("x", (0, 1, 2), 1.0)]})
    desk.started()
    desk.failed(1, 1)
    desk.made(1, 2)
    desk.made(1, 3)
    assert [(work.positions, work.attempts) for work in generates(desk.all)[1:]] == [
        ((0,), (1,)),
        ((1,), (1,)),
        ((2,), (1,)),
    ]


def test_failed_outcome_is_charged_to_its_sample() -> None:
    """When one video of a batch cannot be finished, the others are done and only it is made again."""
    desk = Desk({"x": [Unit("x", (0, 1), 1.0)]})
    desk.started()
    desk.generated(1, 1)
    desk.tell(m.Finished(1, 1, (Outcome(0, "ok"), Outcome(1, "failed", NO))))
    assert desk.given == [m.Generate(1, 2, (1,), (2,), True)]


def test_crash_is_charged_to_the_unit_that_ran() -> None:
    """A process that dies with one unit in it charges that unit, and a fresh process tries it again."""
    desk = Desk({"x": units(2, 1)})
    desk.started()
    assert desk.died(1) == [m.Kill(1), m.Start(2, "x")]
    desk.started(2)
    assert desk.given == [m.Generate(2, 2, (0,), (2,), True)]


def test_found_after_all() -> None:
    """A sample that was given up counts as what its record says, when it turns out to have one."""
    desk = Desk({"x": units(1)})
    for worker in (1, 2, 3):
        desk.started(worker)
        desk.died(worker)
    desk.tell(m.Found(0, "ok"))
    assert desk.scheduler.progress() == m.Progress(1, 0, 0, 0, 0, 0, 0)


def test_suspects_are_not_charged_and_run_alone() -> None:
    """Of two units in a process that died, each gets a fresh process to itself, and neither is charged."""
    desk = Desk({"x": units(3, 2, 1)})
    desk.started()
    desk.generated(1, 1)
    desk.died(1)
    desk.started(2)
    assert desk.given == [m.Generate(2, 3, (1,), (1,), True)]
    assert generates(desk.generated(2, 3)) == [], "nothing beside a suspect"
    desk.finished(2, 3)
    assert [work.positions for work in desk.given] == [(2,)], "the other suspect wants a fresh process"
    desk.generated(2, 4)
    assert desk.finished(2, 4) == [m.Stop(2), m.Start(3, "x")]
    desk.started(3)
    assert desk.given == [m.Generate(3, 5, (0,), (1,), True)]


def test_what_waited_in_finish_is_no_suspect() -> None:
    """A unit that only waited in the process that died is made again at once, with others."""
    desk = Desk({"x": units(4, 3, 2, 1)})
    desk.started()
    desk.generated(1, 1)
    desk.generated(1, 2)
    desk.finished(1, 1)
    desk.generated(1, 3)
    desk.died(1)
    assert desk.scheduler.progress().pending == 3
    desk.started(2)
    desk.made(2, 4)
    assert [work.positions for work in generates(desk.all)[3:5]] == [(1,), (2,)]


def test_crash_three_times_quarantines() -> None:
    """A sample that kills three processes is given up."""
    desk = Desk({"x": units(1)})
    for worker in (1, 2, 3):
        desk.started(worker)
        desk.died(worker)
    assert m.Quarantine(0, 3, GONE) in desk.asked
    assert desk.scheduler.ending == "finished"


def test_crashed_batch_is_split() -> None:
    """Of a batch that a process died with, each sample is tried alone on a process of its own, uncharged."""
    desk = Desk({"x": [Unit("x", (0, 1), 1.0)]})
    desk.started(1)
    desk.died(1)
    desk.started(2)
    desk.made(2, 2)
    desk.started(3)
    assert [(work.worker, work.positions, work.attempts) for work in generates(desk.all)[1:]] == [
        (2, (0,), (1,)),
        (3, (1,), (1,)),
    ]


def test_loss_is_free_but_not_for_ever() -> None:
    """A sample that goes down with its node is not charged the first ten times."""
    desk = Desk({"x": units(1)})
    for worker in range(1, 14):
        desk.started(worker)
        if worker <= 11:
            assert desk.given[0].attempts == (1,)
        desk.died(worker, "infrastructure")
    assert m.Quarantine(0, 3, GONE) in desk.asked


def test_lost_unit_comes_first() -> None:
    """What was lost with a node is made before what was never tried."""
    desk = Desk({"x": units(2, 1)})
    desk.started()
    desk.died(1, "infrastructure")
    desk.started(2)
    assert desk.given[0].positions == (0,)


def test_memory_steps_down() -> None:
    """A unit that does not fit is tried with model offload, then with sequential offload, and not charged."""
    desk = Desk({"x": units(1)})
    desk.started(1)
    assert desk.failed(1, 1, "memory") == [m.Stop(1), m.Start(2, "x", ("model_cpu_offload",))]
    desk.started(2)
    assert desk.failed(2, 2, "memory") == [m.Stop(2), m.Start(3, "x", ("sequential_cpu_offload",))]
    desk.started(3)
    assert desk.given == [m.Generate(3, 3, (0,), (1,), True)]
    desk.failed(3, 3, "memory")
    desk.failed(3, 4, "memory")
    assert m.Quarantine(0, 3, NO) in desk.failed(3, 5, "memory")


def test_small_units_keep_the_fast_worker() -> None:
    """One unit that does not fit does not slow the others down."""
    desk = Desk({"x": units(2, 1)})
    desk.started(1)
    desk.failed(1, 1, "memory")
    assert desk.given == [m.Generate(1, 2, (1,), (1,), False)]


def test_model_that_does_not_fit_steps_down_as_a_whole() -> None:
    """After three misfits in a row the untried units go to the smaller footprint at once."""
    desk = Desk({"x": units(1, 1, 1, 1, 1)})
    desk.started(1)
    for key in (1, 2):
        desk.failed(1, key, "memory")
    assert desk.failed(1, 3, "memory") == [m.Stop(1), m.Start(2, "x", ("model_cpu_offload",))]
    desk.started(2)
    for key in range(4, 9):
        desk.made(2, key)
    assert desk.scheduler.ending == "finished"
    assert desk.scheduler.progress().ok == 5


def test_load_that_does_not_fit_steps_down() -> None:
    """A model that runs out of memory while it loads is loaded with less."""
    desk = Desk({"x": units(1)})
    assert desk.tell(m.StartFailed(1, NO, out_of_memory=True)) == [
        m.Kill(1),
        m.Start(2, "x", ("model_cpu_offload",)),
    ]


def test_hung_unit_is_ended() -> None:
    """A unit far past its deadline is ended with its process and charged."""
    desk = Desk({"x": units(1)}, timeout_s=10.0)
    desk.started(1)
    assert desk.wait(11) == []
    assert desk.wait(3) == [m.Kill(1), m.Start(2, "x")]
    desk.started(2)
    assert desk.given[0].attempts == (2,)


def test_neighbour_of_a_hung_unit_is_free() -> None:
    """What is finished in a process that hangs in generate is made again uncharged."""
    desk = Desk({"x": units(2, 1)}, timeout_s=10.0)
    desk.started(1)
    desk.wait(5)
    desk.generated(1, 1)
    desk.wait(8)
    desk.tell(m.Heartbeat(1))
    assert starts(desk.wait(6)) == [(2, "x")], "both halves have a deadline of their own"
    desk.started(2)
    assert [work.attempts for work in desk.given] == [(1,)] or [work.attempts for work in desk.given] == [
        (2,)
    ]
    guilty = {work.positions: work.attempts for work in generates(desk.all)[2:]}
    desk.made(2, 3)
    desk.started(3)
    guilty |= {work.positions: work.attempts for work in generates(desk.all)[2:]}
    assert sorted(guilty.values()) == [(1,), (2,)]


def test_sleeping_driver_blames_nobody() -> None:
    """When the clock jumps by an hour, because the machine slept, no unit is overdue and no worker silent."""
    desk = Desk({"x": units(1)}, timeout_s=10.0, silence_s=60.0)
    desk.started(1)
    desk.wait(3)
    assert desk.tell(m.Tick(), after=3600.0) == []
    assert desk.wait(8) == []
    assert desk.wait(3) != []


def test_silent_worker_is_ended() -> None:
    """A process that gives no sign of life is ended; what it had in hand is suspect."""
    desk = Desk({"x": units(1)}, silence_s=60.0)
    desk.started(1)
    for _ in range(5):
        desk.wait(50)
        assert desk.tell(m.Heartbeat(1)) == []
    assert desk.wait(61) == [m.Kill(1), m.Start(2, "x")]


def test_sick_worker_is_replaced_and_its_units_are_free() -> None:
    """A worker on which all fails, after it succeeded, is replaced, and no sample has a charge left of it."""
    desk = Desk({"x": units(4, 3, 2, 1)})
    desk.started(1)
    desk.made(1, 1)
    desk.failed(1, 2)
    desk.failed(1, 3)
    assert desk.failed(1, 4) == [m.Stop(1), m.Start(2, "x")]
    desk.started(2)
    for key in (5, 6, 7):
        desk.made(2, key)
    assert {work.attempts for work in generates(desk.all)[4:]} == {(1,)}
    assert desk.scheduler.progress().ok == 4


def test_sick_worker_beside_a_healthy_one_is_replaced() -> None:
    """A worker on which all fails is replaced before any has succeeded, where another one may."""
    desk = Desk({"x": units(*[1] * 6)}, workers=2)
    desk.started(1)
    desk.started(2)
    for key in (2, 3, 4):
        desk.failed(2, key)
    assert desk.asked == [m.Stop(2), m.Start(3, "x")]


@pytest.mark.parametrize(("rows", "most"), [(1, 2), (4, 4), (40, 7), (400, 10)])
def test_bad_rows_cost_few_reloads(rows: int, most: int) -> None:
    """When replacing the worker does not help, patience doubles: bad rows cost a logarithm of reloads."""
    desk = Desk({"x": units(9, *[1] * rows)})
    desk.started(1)
    desk.made(1, 1)
    loads = 1
    while desk.scheduler.ending is None:
        [newest] = {worker for worker, _ in starts(desk.all)} - set(range(1, len(starts(desk.all))))
        if newest > loads:
            loads = newest
            desk.started(newest)
        desk.failed(newest, max(work.key for work in generates(desk.all)))
    assert desk.scheduler.progress().failed == rows
    assert loads <= most


def test_model_of_which_nothing_works_is_given_up_without_reloads() -> None:
    """With one worker and no success at all there is no reason to suspect the worker."""
    desk = Desk({"x": units(1, 1)})
    desk.started(1)
    for key in range(1, 7):
        desk.failed(1, key)
    assert desk.scheduler.progress().failed == 2
    assert starts(desk.all) == [(1, "x")]


def test_missing_input_is_not_the_workers_fault() -> None:
    """Rows whose inputs cannot be read are given up without a worker being replaced."""
    desk = Desk({"x": units(2, *[1] * 5)})
    desk.started(1)
    desk.made(1, 1)
    for key in range(2, 17):
        desk.failed(1, key, "input")
    assert desk.scheduler.progress().failed == 5
    assert starts(desk.all) == [(1, "x")]


def test_ten_failed_starts_stop_the_job() -> None:
    """A model that cannot be loaded ten times in a row ends the run with the reason."""
    desk = Desk({"x": units(1)})
    for worker in range(1, 11):
        desk.tell(m.StartFailed(worker, Failure("OSError", "no such hub")))
        if worker < 10:
            desk.wait(6)
    [abort] = [action for action in desk.asked if isinstance(action, m.Abort)]
    assert isinstance(abort.error, WorkerError)
    assert "'x'" in str(abort.error)
    assert "OSError: no such hub" in str(abort.error)


def test_a_start_that_works_resets_the_count() -> None:
    """Nine failed starts, one that works and nine more do not stop the job."""
    desk = Desk({"x": units(1)})
    for worker in range(1, 20):
        if worker == 10:
            desk.started(worker)
            desk.died(worker, "infrastructure")
        else:
            desk.tell(m.StartFailed(worker, NO))
            desk.wait(6)
    assert desk.scheduler.ending is None


def test_pause_between_failed_starts() -> None:
    """After a failed start the next one waits, longer each time and never more than five seconds."""
    desk = Desk({"x": units(1)})
    assert starts(desk.tell(m.StartFailed(1, NO))) == []
    assert starts(desk.wait(1)) == [(2, "x")]
    for worker in range(2, 8):
        desk.tell(m.StartFailed(worker, NO))
        desk.wait(6)
    desk.tell(m.StartFailed(8, NO))
    assert starts(desk.wait(4)) == []
    assert starts(desk.wait(2)) == [(9, "x")]


def test_death_while_loading_counts_as_a_failed_start() -> None:
    """A process that dies while it loads its model is a failed start."""
    desk = Desk({"x": units(1)})
    for worker in range(1, 11):
        desk.died(worker)
        desk.wait(6)
    assert any(isinstance(action, m.Abort) for action in desk.all)


def test_node_that_takes_its_loading_workers_along() -> None:
    """Workers that are lost with their node while they load are no failed starts."""
    desk = Desk({"x": units(1)})
    for worker in range(1, 21):
        assert starts(desk.all)[-1] == (worker, "x")
        desk.died(worker, "infrastructure")
        desk.wait(1)
    assert desk.scheduler.ending is None


@pytest.mark.parametrize("running", [False, True])
def test_fatal_stops_at_once(running: bool) -> None:
    """What no retry can mend ends all workers and raises its own error."""
    error = ModelError("models.x.path", "no pipeline")
    desk = Desk({"x": units(1, 1)}, workers=2)
    if running:
        desk.started(1)
    assert desk.tell(m.Fatal(error)) == [m.Kill(1), m.Kill(2), m.Abort(error)]
    assert desk.scheduler.progress().pending == 2
