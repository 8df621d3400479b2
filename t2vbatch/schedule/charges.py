"""Which sample a failure is charged to, and when the worker is at fault instead.

A sample is charged for a failure of its own only, and gets the charge back where its worker turns out to fail
at every unit.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from t2vbatch.errors import error_kind
from t2vbatch.worker.protocol import Failure

PATIENCE = 3
"""Failed units in a row, with no success between, after which a worker is suspected. Two bad rows in a
row are common in real manifests; three are rare enough to be worth one reload of the model."""


@dataclass
class SameError:
    """Failures with one error, without a success between them.

    Attributes:
        positions: samples that failed with it.
        workers: numbers of the workers on which they failed.
        last: the last failure.
    """

    positions: set[int] = field(default_factory=set)
    workers: set[int] = field(default_factory=set)
    last: Failure | None = None

    def add(self, failure: Failure, position: int, worker: int) -> None:
        """Count a failure; one with another error starts the count again."""
        if self.last is None or _pattern(failure) != _pattern(self.last):
            self.positions, self.workers = set(), set()
        self.positions.add(position)
        self.workers.add(worker)
        self.last = failure


def _pattern(failure: Failure) -> tuple[str, str]:
    """The first line of the error without what differs between samples.

    Unlike in ``error_kind`` all numbers are left out: if every sample of a model fails, the cause is the
    same although sizes differ by row.
    """
    first = failure.error.partition("\n")[0]
    return failure.error_type, re.sub(r"\d+", "#", error_kind(first))


@dataclass
class _History:
    charges: int = 0
    losses: int = 0
    refunded: bool = False
    error: tuple[str, str] | None = None


class Charges:
    """The charges and losses of samples; a sample that never failed takes no memory here."""

    def __init__(self) -> None:
        self._histories: dict[int, _History] = {}
        self._patience: dict[str, int] = {}

    def charges(self, position: int) -> int:
        """Failures charged to this sample."""
        history = self._histories.get(position)
        return history.charges if history else 0

    def charge(self, position: int) -> int:
        """Charge one failure; returns the sample's charges so far."""
        history = self._of(position)
        history.charges += 1
        return history.charges

    def repeats(self, position: int, failure: Failure) -> bool:
        """Whether the call of this sample raised the same error before, letter by letter; remembers this one.

        A refund forgets the error: the worker was at fault.
        """
        history, error = self._of(position), (failure.error_type, failure.error)
        repeated, history.error = history.error == error, error
        return repeated

    def lose(self, position: int) -> int:
        """Count a loss of the sample with its node; returns its losses so far."""
        history = self._of(position)
        history.losses += 1
        return history.losses

    def is_worker_fault(self, model: str, streak: Sequence[Collection[int]]) -> bool:
        """Whether a worker is at fault, and not the samples that were charged on it.

        If so, the charges are refunded. Each suspicion doubles the streak that the next one needs, so that
        a manifest of bad rows costs few reloads. When a refunded sample succeeds, the suspicion was right,
        and the streak is short again.

        Args:
            streak: samples charged, unit by unit, since the worker last succeeded.
        """
        patience = self._patience.setdefault(model, PATIENCE)
        if len(streak) < patience:
            return False
        self._patience[model] = 2 * patience
        self._refund([position for unit in streak for position in unit])
        return True

    def clear(self, model: str, position: int) -> None:
        """The sample succeeded: drop its charges."""
        history = self._histories.pop(position, None)
        if history and history.refunded:
            self._patience[model] = PATIENCE

    def forget(self, position: int) -> None:
        """The sample is quarantined: drop its charges."""
        self._histories.pop(position, None)

    def _refund(self, positions: Collection[int]) -> None:
        for position in positions:
            if history := self._histories.get(position):
                history.charges -= 1
                history.refunded = True
                history.error = None

    def _of(self, position: int) -> _History:
        return self._histories.setdefault(position, _History())
