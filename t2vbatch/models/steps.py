"""Denoising steps: where a call of minutes is seen to go on, and is ended without losing the loaded model.

A caller opens ``StepClock.deadline``; a model that works in steps calls ``step_done()`` after each step. A
call that takes no steps, or hangs in one, is ended from outside, with its process: see schedule/limits.py.
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
        count: done so far, in all calls; any thread may read it.
    """

    def __init__(self) -> None:
        self.count = 0
        self._seconds, self._until = float("inf"), float("inf")

    @contextmanager
    def deadline(self, seconds: float | None) -> Iterator[None]:
        """Count the steps that this thread does in the block; None: without a deadline."""
        self._seconds = float("inf") if seconds is None else seconds
        self._until = time.monotonic() + self._seconds
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def tick(self) -> None:
        """Count a step. Raises DeadlineError where it ended too late."""
        self.count += 1
        if time.monotonic() > self._until:
            raise DeadlineError(f"was not generated within {self._seconds:g} s (workers.timeout_s)")


def step_done() -> None:
    """Say that a step is done; a model calls this from the thread that it was called in.

    Raises:
        DeadlineError: the unit has taken longer than the job allows. Let it pass: it is charged as a timeout.
    """
    if (steps := _current.get()) is not None:
        steps.tick()
