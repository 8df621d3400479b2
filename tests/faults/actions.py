"""What a fault does to the process in which it strikes."""

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from t2vbatch.errors import RowError, StoreError
from t2vbatch.models.fake import FakeModel


def die() -> None:
    """SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)


def stand_still() -> None:
    """SIGSTOP: alive, and deaf."""
    os.kill(os.getpid(), signal.SIGSTOP)


def die_with_the_node() -> None:
    """SIGKILL of a worker's parent, its node's raylet, which takes all its workers along."""
    os.kill(os.getppid(), signal.SIGKILL)


def refuse() -> None:
    """The storage raises, whatever was asked of it."""
    raise StoreError("the storage did not answer, as was asked for")


def fail_to_load() -> None:
    """The model cannot be loaded this once."""
    raise RuntimeError("the model did not load, as was asked for")


def sicken() -> None:
    """From now on the model fails at everything in this process."""

    def fail(*_: object) -> None:
        raise RowError("this process is sick, as was asked for")

    type.__setattr__(FakeModel, "generate", fail)


def set_clock(days: int) -> Callable[[], None]:
    """The time of day jumps, wherever t2vbatch asks for it; time.monotonic does not, on any machine."""

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Jumped":
            return cls.fromtimestamp(time.time(), tz)

    def jump() -> None:
        before = time.time
        vars(time)["time"] = lambda: before() + timedelta(days=days).total_seconds()
        for name, module in list(sys.modules.items()):
            if name.startswith("t2vbatch") and vars(module).get("datetime") is datetime:
                vars(module)["datetime"] = Jumped

    return jump
