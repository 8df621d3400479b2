"""Copies of frames to the host, with stand-ins for CUDA's streams; tests/gpu has the real ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from t2vbatch.media.video import Video
from t2vbatch.models import host_copies
from t2vbatch.models.calls.plugin_model import PluginModel
from t2vbatch.models.host_copies import HostCopies, copies_in_progress, to_host
from t2vbatch.models.protocol import Request


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to stand-ins of streams and tensors, in order."""
    log: list[str] = []

    @contextmanager
    def on_stream(stream: object) -> Iterator[None]:
        log.append("side stream begins")
        yield
        log.append("side stream ends")

    def event(blocking: bool) -> object:
        return SimpleNamespace(synchronize=lambda: log.append(f"waited, {blocking=}"))

    def record_event(event: object) -> object:
        log.append("event")
        return event

    def copy(tensor: object, non_blocking: bool = False) -> object:
        log.append(f"copy, {non_blocking=}")
        return host

    host = SimpleNamespace(copy_=copy)
    side = SimpleNamespace(
        wait_stream=lambda stream: log.append(f"side waits for {stream}"), record_event=record_event
    )
    monkeypatch.setattr(host_copies, "_stream", lambda device: side)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: "the call")
    monkeypatch.setattr(torch.cuda, "stream", on_stream)
    monkeypatch.setattr(torch.cuda, "Event", event)
    monkeypatch.setattr(torch, "empty", lambda shape, dtype, pin_memory: host)
    return log


def _tensor(log: list[str]) -> Any:
    def record_stream(stream: object) -> None:
        log.append("memory kept for the side stream")

    device = torch.device("cuda", 0)
    return SimpleNamespace(device=device, shape=(1,), dtype=torch.uint8, record_stream=record_stream)


def test_a_deferred_copy_follows_the_call_on_a_stream_of_its_own(log: list[str]) -> None:
    """The side stream waits for the call, copies, and marks the end; only ``wait`` waits for that."""
    copies = HostCopies()
    with copies.begin():
        to_host(_tensor(log))
    assert log == [
        "side waits for the call",
        "side stream begins",
        "copy, non_blocking=True",
        "event",
        "side stream ends",
        "memory kept for the side stream",
    ]
    copies.wait()
    assert log[6:] == ["waited, blocking=True"]


def test_a_copy_without_a_block_is_complete(log: list[str]) -> None:
    """Whoever reads the frames at once gets them by a copy that blocks."""
    to_host(_tensor(log))
    assert log == ["copy, non_blocking=False"]


def test_a_plug_in_gets_complete_copies(log: list[str]) -> None:
    """Frames that a plug-in converts within its call are complete; those of its result may follow."""

    class Plugin:
        def generate(self, requests: object) -> list[Video]:
            to_host(_tensor(log))
            return [Video(np.zeros((1, 2, 2, 3), np.uint8), 8.0)]

    copies = HostCopies()
    with copies.begin():
        PluginModel(Plugin(), 8.0).generate([Request("a ball", None, 0)])
        assert copies_in_progress() is copies
    assert log == ["copy, non_blocking=False"]


def test_without_pinned_memory_a_copy_is_complete(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    """If the system gives no pinned memory, frames are copied to other memory at once."""

    def refuse(shape: object, dtype: object, pin_memory: bool) -> object:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(torch, "empty", refuse)
    tensor, copies = _tensor(log), HostCopies()
    tensor.cpu = lambda: "the frames"
    with copies.begin():
        assert to_host(tensor) == "the frames"
    assert log == []


def test_a_tensor_of_the_host_is_not_copied() -> None:
    """On a CPU there is nothing to copy and nothing to wait for."""
    tensor, copies = torch.arange(3), HostCopies()
    with copies.begin():
        assert copies_in_progress() is copies
        assert to_host(tensor).data_ptr() == tensor.data_ptr()
    assert copies_in_progress() is None
    copies.wait()
