"""A deadline for decoders, also for one that does not return from a call into its library."""

import queue
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

from t2vbatch.job import Limits
from t2vbatch.media.decode_budget import too_slow

GRACE_S = 5.0
"""Decoders check the deadline themselves between two frames, and then give up in order."""

T = TypeVar("T")


def in_time(limits: Limits | None, work: Callable[[], T]) -> T:
    """The result of ``work``, which decodes one file.

    A decoder that hangs inside its library cannot be ended without the process. Its thread is left behind,
    and the run goes on with the other rows. Without limits, ``work`` runs in the caller's thread.

    Raises:
        ValueError: the deadline ``media_decode_s`` is over.
    """
    if limits is None:
        return work()
    answers: queue.SimpleQueue[Callable[[], T]] = queue.SimpleQueue()

    def answer() -> None:
        try:
            result = work()
            answers.put(lambda: result)
        except BaseException as error:
            answers.put(_raising(error))

    threading.Thread(target=answer, name="decoder", daemon=True).start()
    try:
        return answers.get(timeout=min(limits.media_decode_s + GRACE_S, threading.TIMEOUT_MAX))()
    except queue.Empty:
        raise ValueError(too_slow(limits)) from None


def _raising(error: BaseException) -> Callable[[], NoReturn]:
    def again() -> NoReturn:
        raise error

    return again
