"""Denoising steps: they show that a long call makes progress, and let its deadline end it without ending the
process.

A caller opens ``StepClock.deadline``; a model that works in steps calls ``step_done()`` after each step. A
call without steps, or one that hangs, is ended together with its process: see schedule/limits.py.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from t2vbatch.errors import DeadlineError

_current: ContextVar["StepClock | None"] = ContextVar("steps", default=None)


class StepClock:
    """The steps of one worker's calls.

    Attributes:
        count: steps of all calls so far; any thread may read it.
    """

    def __init__(self) -> None:
        self.count = 0
        self._seconds, self._until = float("inf"), float("inf")

    @contextmanager
    def deadline(self, seconds: float | None) -> Iterator[None]:
        """Count the steps of this thread within the block; None: no deadline."""
        self._seconds = float("inf") if seconds is None else seconds
        self._until = time.monotonic() + self._seconds
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def tick(self) -> None:
        """Count a step. Raises DeadlineError after the deadline."""
        self.count += 1
        if time.monotonic() > self._until:
            raise DeadlineError(f"exceeded its deadline of {self._seconds:g} s (workers.timeout_s)")


def step_done() -> None:
    """Report one denoising step; a model calls this in the thread that called it.

    Raises:
        DeadlineError: the unit took longer than the job allows. Whoever catches it raises it again, so that
            the engine charges a timeout.
    """
    if (steps := _current.get()) is not None:
        steps.tick()
