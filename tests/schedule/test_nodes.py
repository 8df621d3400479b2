"""Failed nodes, hung loads, permanent errors, and models of which every sample fails."""

import pytest

from t2vbatch.errors import ModelError, NodeError, RunError, StoreError, T2VBatchError, WorkerError
from t2vbatch.plan import Unit
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Failure, Outcome
from tests.schedule.harness import NO, Harness, generates, starts, units


def _node_failed(worker: int, node: str, key: int | None, error: T2VBatchError | None = None) -> m.NodeFailed:
    return m.NodeFailed(worker, node, f"host-{node}", error or NodeError("the disk is full"), key)


def _two_nodes(*costs: float) -> Harness:
    harness = Harness({"x": units(*costs)}, workers=2)
    harness.started(1, node="a")
    harness.started(2, node="b")
    return harness


def test_units_of_a_failed_node_go_elsewhere_uncharged() -> None:
    """The unit is requeued for the other node with its first attempt, and the node's worker is ended."""
    harness = _two_nodes(3, 2, 1)
    assert harness.send(_node_failed(1, "a", key=1)) == [m.Avoid("a"), m.Stop(1)]
    harness.send(m.Cluster(1, nodes=frozenset({"b"})))
    assert m.Generate(2, 3, (0,), (1,), True) in harness.made(2, 2)


def test_other_workers_of_a_failed_node_get_nothing_new() -> None:
    """Other workers of a failed node finish their units; units that fail there are requeued uncharged."""
    harness = Harness({"x": units(4, 3, 2, 1)}, workers=2)
    harness.started(1, node="a")
    harness.started(2, node="a")
    harness.send(_node_failed(1, "a", key=1))
    assert generates(harness.generated(2, 2)) == []
    harness.send(m.Finished(2, 2, (Outcome(1, "failed", NO),)))
    harness.send(m.Cluster(1, nodes=frozenset({"b"})))
    [(worker, _)] = starts(harness.actions)
    harness.started(worker, node="b")
    for key in range(3, 7):
        harness.made(worker, key)
    assert harness.scheduler.progress().ok == 4
    assert {work.attempts for work in generates(harness.all)} == {(1,)}


def test_a_worker_that_lands_on_a_failed_node_is_ended() -> None:
    """A process that was started before the node failed does not load its model there."""
    harness = Harness({"x": units(1, 1)}, workers=2)
    harness.started(1, node="a")
    harness.send(_node_failed(1, "a", key=1))
    assert m.Kill(2) in harness.send(m.Placed(2, "a"))


def test_the_error_of_a_single_node_ends_the_run_as_it_is() -> None:
    """On one machine the message of the run is the failure of the node."""
    harness = Harness({"x": units(1, 1)})
    harness.started(1, node="a")
    error = StoreError("cannot write out: no space is left")
    harness.send(_node_failed(1, "a", 1, error))
    assert m.Abort(error) in harness.send(m.Cluster(1, nodes=frozenset()))
    assert harness.scheduler.progress().pending == 2


def test_the_end_of_the_last_node_names_every_node() -> None:
    """The run ends when no node is left, with the reason of each."""
    harness = _two_nodes(2, 1)
    harness.send(_node_failed(1, "a", 1))
    harness.send(m.Cluster(1, nodes=frozenset({"b"})))
    harness.send(_node_failed(2, "b", 2, NodeError("too little memory")))
    [abort] = [action for action in harness.actions if isinstance(action, m.Abort)]
    assert isinstance(abort.error, RunError)
    assert "host-a: the disk is full" in str(abort.error)
    assert "host-b: too little memory" in str(abort.error)


def test_an_autoscaler_may_replace_the_last_node() -> None:
    """If more nodes may come, the run waits."""
    harness = Harness({"x": units(1)})
    harness.started(1, node="a")
    harness.send(_node_failed(1, "a", key=1))
    assert starts(harness.send(m.Cluster(1, nodes=None))) == [(2, "x")]
    assert harness.scheduler.ending is None


def test_a_node_that_cannot_load_is_no_failed_start() -> None:
    """Any number of nodes may be too small, if one is large enough."""
    harness = Harness({"x": units(1)})
    for worker in range(1, 15):
        harness.send(_node_failed(worker, f"small-{worker}", None))
        harness.send(m.Cluster(1, nodes=frozenset({"large"})))
    harness.started(15, node="large")
    harness.made(15, 1)
    assert harness.scheduler.ending == "finished"


def test_a_hung_load_is_ended_at_its_deadline() -> None:
    """The second load in a row that exceeds its deadline stops the run, and the message names the key."""
    harness = Harness({"x": units(1)}, load_s=100.0)
    harness.send(m.Placed(1, "a"))
    assert m.Kill(1) in harness.wait(102)
    harness.wait(6)
    harness.send(m.Placed(2, "a"))
    [abort] = [action for action in harness.wait(102) if isinstance(action, m.Abort)]
    assert "workers.load_timeout_s" in str(abort.error)


def test_waiting_for_a_node_is_no_load() -> None:
    """A worker without a place has no deadline, and the progress names what it needs."""
    harness = Harness({"x": units(1)}, load_s=100.0, needs="2 GPUs and 1 CPU")
    harness.wait(500)
    assert harness.scheduler.ending is None
    assert (
        harness.scheduler.progress().waits_for == "waiting for room for 1 worker, each with 2 GPUs and 1 CPU"
    )
    harness.send(m.Placed(1, "a"))
    assert harness.scheduler.progress().waits_for == "loading x on 1 worker"


def test_a_permanent_error_is_tried_once() -> None:
    """A call that raises a TypeError is quarantined after one attempt."""
    harness = Harness({"x": units(2, 1)})
    harness.started(1)
    assert m.Quarantine(0, 1, NO) in harness.failed(1, 1, "permanent")


def test_a_permanent_error_in_a_batch_is_found_alone() -> None:
    """The batch is split; only the sample that fails alone is quarantined."""
    harness = Harness({"x": [Unit("x", (0, 1), 1.0)]})
    harness.started(1)
    harness.failed(1, 1, "permanent")
    assert m.Quarantine(0, 1, NO) in harness.failed(1, 2, "permanent")
    harness.made(1, 3)
    assert harness.scheduler.progress() == m.Progress(1, 0, 1, 0, 0, 0, 0)


def test_a_permanent_error_while_loading_stops_at_once() -> None:
    """An ImportError of the pipeline's module is not retried ten times."""
    harness = Harness({"x": units(1)})
    harness.send(m.StartFailed(1, Failure("ImportError", "no module"), permanent=True))
    [abort] = [action for action in harness.actions if isinstance(action, m.Abort)]
    assert str(abort.error) == "the model 'x' could not be started: ImportError: no module"


def test_a_model_that_fails_alike_at_everything_stops_the_run() -> None:
    """After ten samples with one error and no success the run stops, and records none of them."""
    harness = Harness({"x": units(*[1] * 30)})
    harness.started(1)
    for key in range(1, 11):
        failure = Failure("RowError", f"CUDA error at 0x{key:x}: unspecified launch failure {key}")
        harness.send(m.Failed(1, key, "row", failure))
    [abort] = [action for action in harness.actions if isinstance(action, m.Abort)]
    assert isinstance(abort.error, WorkerError)
    assert "10 samples" in str(abort.error)
    assert harness.scheduler.progress().pending == 30
    assert not [action for action in harness.all if isinstance(action, m.Quarantine)]


@pytest.mark.parametrize("exception", ["success", "another error", "another worker"])
def test_a_model_that_may_work_goes_on(exception: str) -> None:
    """One success, other errors, or a worker that is still at its first unit keep the run going."""
    harness = Harness({"x": units(*[1] * 30)}, workers=2 if exception == "another worker" else 1)
    harness.started(1)
    if exception == "success":
        harness.made(1, 1)
    if exception == "another worker":
        harness.started(2)
    for _ in range(9):
        work = [work for work in generates(harness.all) if work.worker == 1][-1]
        message = f"error {work.key}" if exception != "another error" else chr(96 + work.key) * 5
        harness.send(m.Failed(1, work.key, "row", Failure("RowError", message)))
    assert harness.scheduler.ending is None


def test_frames_are_bounded_in_bytes() -> None:
    """A worker whose frames would exceed the bound generates nothing more until some are written."""
    harness = Harness({"x": units(*[1] * 5)}, finish_threads=4, held_bytes=100)
    harness.started(1)
    harness.send(m.Generated(1, 1, held_bytes=40))
    harness.send(m.Generated(1, 2, held_bytes=40))
    assert harness.given == []
    assert len(generates(harness.finished(1, 1))) == 1


def test_one_unit_larger_than_the_bound_is_made_alone() -> None:
    """A bound below one video stops nothing."""
    harness = Harness({"x": units(1, 1)}, finish_threads=4, held_bytes=100)
    harness.started(1)
    harness.send(m.Generated(1, 1, held_bytes=400))
    assert harness.given == []
    assert len(generates(harness.finished(1, 1))) == 1


def test_finish_threads_work_side_by_side() -> None:
    """With three threads a worker holds three units in finish and one that waits."""
    harness = Harness({"x": units(*[1] * 9)}, finish_threads=3)
    harness.started(1)
    for key in range(1, 5):
        harness.generated(1, key)
    assert harness.given == []
    assert len(generates(harness.finished(1, 3))) == 1


def test_fatal_errors_still_stop_at_once() -> None:
    """An error that no node changes ends the run."""
    harness = _two_nodes(1, 1)
    error = ModelError("models.x.path", "no pipeline")
    assert m.Abort(error) in harness.send(m.Fatal(error))
