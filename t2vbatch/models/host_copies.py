"""Copies of frames from a device to the host's memory.

A caller opens ``HostCopies.begin`` around a call, and reads the frames of the call after ``wait``. The
copies are on a CUDA stream of their own, so that the device begins the next call meanwhile. Without such a
block, within ``complete_copies``, and on other devices, a copy is complete when it is returned.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Protocol

import torch

_current: ContextVar["HostCopies | None"] = ContextVar("host copies", default=None)


class Event(Protocol):
    """What a torch.cuda.Event offers here."""

    def synchronize(self) -> None:
        """Wait until the work before this event is done."""


class HostCopies:
    """The copies of one call that may be in progress."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Within the block, copies of this thread may be returned before they are complete."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def add(self, event: Event) -> None:
        """Add a copy that is complete when the event is."""
        self._events.append(event)

    def wait(self) -> None:
        """Wait until all copies are complete; any thread may call it."""
        for event in self._events:
            event.synchronize()


@contextmanager
def complete_copies() -> Iterator[None]:
    """Within the block, copies of this thread are complete when they are returned: other code reads them."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def copies_in_progress() -> HostCopies | None:
    """The block that this thread is in; None: whoever asked for a copy reads it at once."""
    return _current.get()


def to_host(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in the host's memory. A copy from CUDA is in pinned memory, at the full speed of the bus."""
    host = _pinned(tensor) if tensor.device.type == "cuda" else None
    if host is None:
        return tensor.cpu()
    copies = copies_in_progress()
    if copies is None:
        return host.copy_(tensor)
    stream = _stream(tensor.device)
    stream.wait_stream(torch.cuda.current_stream(tensor.device))
    with torch.cuda.stream(stream):
        host.copy_(tensor, non_blocking=True)
        # Without ``blocking``, a thread that waits for the event would keep a CPU busy.
        copies.add(stream.record_event(torch.cuda.Event(blocking=True)))  # type: ignore[no-untyped-call]
    # Without this, the allocator may give the tensor's memory to the next call before the copy is complete.
    tensor.record_stream(stream)
    return host


def _pinned(tensor: torch.Tensor) -> torch.Tensor | None:
    """Pinned memory for the tensor; None if the system allows no more of it, such as in WSL."""
    try:
        return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    except RuntimeError:
        return None


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return stream
