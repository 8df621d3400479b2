"""What a fault does to its process."""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from t2vbatch.errors import RowError, StoreError
from t2vbatch.models.fake import FakeModel
from t2vbatch.storage import object_folder


def die() -> None:
    """SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)


def suspend() -> None:
    """SIGSTOP: the process lives, and answers nothing."""
    # A signal to the process may be delivered to another thread, and this one would go on meanwhile.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def kill_the_node() -> None:
    """SIGKILL of a worker's parent, the raylet of its node; all workers of the node end with it."""
    os.kill(os.getppid(), signal.SIGKILL)


def fail_storage() -> None:
    """Every call of the storage raises."""
    raise StoreError("the storage did not answer, as requested")


def fail_to_load() -> None:
    """Loading the model fails once."""
    raise RuntimeError("the model did not load, as requested")


def make_faulty() -> None:
    """From now on the model fails at every sample in this process."""

    def fail(*_: object) -> None:
        raise RowError("this process is faulty, as requested")

    type.__setattr__(FakeModel, "generate", fail)


def fill_scratch() -> None:
    """From now on this process cannot write temporary files, as on a full disk.

    Videos for an object store are written there before they are uploaded.
    """
    tempfile.tempdir = "/proc/full-disk"
    vars(object_folder)["scratch_folder"] = lambda: Path(tempfile.gettempdir())


def set_clock(days: int) -> Callable[[], None]:
    """The time of day jumps wherever t2vbatch reads it; time.monotonic is unchanged, as on a real machine."""

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
