"""Whose fault a failure is: the sample's, or the worker's.

A sample is charged for a failure only where it can be told from its neighbours, and gets the charge back
where its worker turns out to fail at everything.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

PATIENCE = 3
"""Failed units in a row, with no success between, after which a worker is suspected. Two bad rows side by
side are common in real manifests; three are already rare enough to be worth one reload of the model."""


@dataclass
class _History:
    charges: int = 0
    losses: int = 0
    refunded: bool = False


class Charges:
    """What the samples in trouble have been through; a sample that never failed leaves nothing here."""

    def __init__(self) -> None:
        self._histories: dict[int, _History] = {}
        self._patience: dict[str, int] = {}

    def charges(self, position: int) -> int:
        """How many failures this sample has been charged for."""
        history = self._histories.get(position)
        return history.charges if history else 0

    def charge(self, position: int) -> int:
        """Charge one failure; the sample's charges so far."""
        history = self._of(position)
        history.charges += 1
        return history.charges

    def lose(self, position: int) -> int:
        """Note that the sample was lost with its node; its losses so far."""
        history = self._of(position)
        history.losses += 1
        return history.losses

    def is_worker_fault(self, model: str, streak: Sequence[Collection[int]]) -> bool:
        """Whether a worker is at fault rather than the samples that were charged on it.

        Where it is, the charges are given back. Each suspicion asks for twice as long a streak the next
        time, so that a manifest with nothing but bad rows costs few reloads; once a sample succeeds that
        got its charge back, the suspicion was right, and the patience is short again.

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
        """The sample succeeded: forget its troubles."""
        history = self._histories.pop(position, None)
        if history and history.refunded:
            self._patience[model] = PATIENCE

    def forget(self, position: int) -> None:
        """The sample is quarantined."""
        self._histories.pop(position, None)

    def _refund(self, positions: Collection[int]) -> None:
        for position in positions:
            if history := self._histories.get(position):
                history.charges -= 1
                history.refunded = True

    def _of(self, position: int) -> _History:
        return self._histories.setdefault(position, _History())
