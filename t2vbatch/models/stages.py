"""The seconds of each stage of a sample.

A caller opens ``StageTimes.measure``; the code of a stage, such as the conversion of frames, opens ``stage``.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_stages: ContextVar["StageTimes | None"] = ContextVar("stages", default=None)


class StageTimes(dict[str, float]):
    """Seconds by stage."""

    @contextmanager
    def measure(self) -> Iterator["StageTimes"]:
        """Add the stages of this thread within the block."""
        token = _stages.set(self)
        try:
            yield self
        finally:
            _stages.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Measure the block as a stage of the sample that this thread works on, such as ``convert``."""
    start = time.perf_counter()
    try:
        yield
    finally:
        if (times := _stages.get()) is not None:
            times[name] = times.get(name, 0.0) + time.perf_counter() - start
