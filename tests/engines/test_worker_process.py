"""Which event follows an exception in a worker's process."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

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


def test_a_full_scratch_disk_is_the_nodes_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no temporary file can be written, neither a row's error nor a failed encoding is the row's."""
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
