"""Which event follows an exception in a worker's process."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from t2vbatch.engines import worker_process
from t2vbatch.engines.worker_process import WorkerProcess
from t2vbatch.errors import (
    BrokenInputError,
    InputError,
    LeaseHeldError,
    MemoryExceededError,
    ModelError,
    NodeError,
    RowError,
    StoreError,
)
from t2vbatch.schedule import messages as m
from t2vbatch.worker.protocol import Failure, Outcome, Work


class _Raises:
    """A worker whose ``generate`` raises, and whose ``finish`` fails its sample."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def generate(self, work: Work[Any]) -> None:
        raise self.error

    def finish(self, key: int) -> tuple[Outcome, ...]:
        return (Outcome(0, "failed", Failure("EncodeError", "the file was cut")),)


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def _while_handling(handled: Exception, error: Exception) -> Exception:
    error.__context__ = handled
    return error


def _process(error: BaseException) -> WorkerProcess:
    def factory(name: str, device: str, memory: Sequence[str] = ()) -> _Raises:
        return _Raises(error)

    process = WorkerProcess(1)
    assert isinstance(process.load(factory, "x-1", "cpu", ()), m.Started)
    return process


def _refuses(error: BaseException) -> Any:
    def factory(name: str, device: str, memory: Sequence[str] = ()) -> _Raises:
        raise error

    return factory


_WORK: Work[Any] = Work(7, (0,), (None,), (1,))


@pytest.mark.parametrize(
    ("error", "charge"),
    [
        (RowError("x"), "row"),
        (ValueError("height has to be divisible by 8 but is 65"), "call"),
        (RuntimeError("The size of tensor a (4) must match the size of tensor b (5)"), "call"),
        (_caused(RowError("KeyError: x"), KeyError("x")), "call"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "row"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"), "row"),
        (RuntimeError("Expected all tensors to be on the same device"), "row"),
        (RuntimeError("unable to open file </dev/shm/1>: Input/output error"), "row"),
        (torch.AcceleratorError("unspecified launch failure"), "row"),
        (
            _caused(RowError("ValueError: no weights"), _caused(ValueError("no weights"), OSError("EIO"))),
            "row",
        ),
        (_while_handling(OSError("reset by peer"), ValueError("no answer")), "row"),
        (InputError("no image"), "input"),
        (BrokenInputError("not an image"), "broken_input"),
        (MemoryExceededError("x"), "memory"),
        (TypeError("unexpected keyword argument"), "permanent"),
        (ImportError("no module"), "permanent"),
        (AttributeError("no attribute"), "permanent"),
        (_caused(RowError("TypeError: x"), TypeError("x")), "permanent"),
    ],
)
def test_the_charge_follows_the_type_of_the_error(error: Exception, charge: m.Charge) -> None:
    """An error wrapped in a RowError counts by its cause."""
    event = _process(error).generate(_WORK)
    assert isinstance(event, m.Failed)
    assert event.charge == charge


@pytest.mark.parametrize("error", [NodeError("too little memory"), StoreError("permission denied")])
def test_an_error_of_the_node_is_reported_as_such(error: Exception) -> None:
    """Another node may have the memory, or reach the output."""
    event = _process(error).generate(_WORK)
    assert isinstance(event, m.NodeFailed)
    assert (event.error, event.key) == (error, 7)
    loaded = WorkerProcess(1).load(_refuses(error), "x-1", "cpu", ())
    assert isinstance(loaded, m.NodeFailed)
    assert loaded.key is None


@pytest.mark.parametrize("error", [LeaseHeldError("taken over"), ModelError("models.x", "no pipeline")])
def test_an_error_of_every_node_stops_the_run(error: Exception) -> None:
    """A lost lease or a refused model would fail on every node."""
    assert _process(error).generate(_WORK) == m.Fatal(error)  # type: ignore[arg-type]


class _Slow:
    """A worker that notes what it does; a unit takes as long as the clock of the test says."""

    def __init__(self, clock: Callable[[], None]) -> None:
        self.done: list[tuple[str, int]] = []
        self._tick = clock

    def generate(self, work: Work[Any]) -> int:
        self._tick()
        self.done.append(("generate", work.key))
        if work.payloads == ("bad",):
            raise RowError("a bad row")
        if work.payloads == ("full",):
            raise NodeError("the disk is full")
        return 10

    def finish(self, key: int) -> tuple[Outcome, ...]:
        self._tick()
        self.done.append(("finish", key))
        return (Outcome(key, "ok"),)


def _slow(unit_s: float, monkeypatch: pytest.MonkeyPatch) -> tuple[WorkerProcess, _Slow]:
    now = [0.0]

    def tick() -> None:
        now[0] += unit_s

    monkeypatch.setattr(worker_process, "_clock", lambda: now[0])
    slow, process = _Slow(tick), WorkerProcess(1)
    process.load(lambda name, device, memory=(): slow, "x-1", "cpu", ())
    return process, slow


def _works(*payloads: str) -> list[Work[Any]]:
    return [Work(key, (key,), (payload,), (1,)) for key, payload in enumerate(payloads)]


def test_units_that_come_together_have_an_event_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units that are given at once have an event each, even if one of them fails."""
    process, _ = _slow(0.01, monkeypatch)
    kinds = [type(event) for event in process.generate_all(_works("good", "bad", "good"))]
    assert kinds == [m.Generated, m.Failed, m.Generated]
    assert process.finish_all([0, 2]) == [m.Finished(1, key, (Outcome(key, "ok"),)) for key in (0, 2)]


def test_units_that_would_begin_late_are_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 0.15 s a unit, two of four units begin within 0.2 s, and the others begin nowhere."""
    process, slow = _slow(0.15, monkeypatch)
    events = process.generate_all(_works("good", "good", "good", "good"))
    assert events == [m.Generated(1, 0, 10), m.Generated(1, 1, 10), m.Returned(1, 2), m.Returned(1, 3)]
    assert slow.done == [("generate", 0), ("generate", 1)]
    assert [event.key for event in process.finish_all([0, 1, 5]) if isinstance(event, m.Finished)] == [0, 1]


def test_units_after_a_failed_node_are_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units that were given after one that failed by its node are returned to go to another node."""
    process, slow = _slow(0.01, monkeypatch)
    failed, *rest = process.generate_all(_works("full", "good", "good"))
    assert isinstance(failed, m.NodeFailed)
    assert rest == [m.Returned(1, 1), m.Returned(1, 2)]
    assert slow.done == [("generate", 0)]


def test_a_full_scratch_disk_is_the_nodes_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no temporary file can be written, neither a row's error nor a failed encoding is the row's."""
    process = _process(RowError("x"))
    assert isinstance(process.finish(7), m.Finished)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    for event in (process.generate(_WORK), process.finish(7)):
        assert isinstance(event, m.NodeFailed)
        assert event.key == 7
        assert str(tmp_path) in str(event.error)


def test_a_permanent_error_while_loading_is_marked() -> None:
    """An ImportError is permanent; an OSError, as of an unreachable Hub, is not."""
    for error, permanent in ((ImportError("x"), True), (OSError("x"), False)):
        event = WorkerProcess(1).load(_refuses(error), "x-1", "cpu", ())
        assert isinstance(event, m.StartFailed)
        assert event.permanent is permanent
