"""Votes, and whether a judge gives the same answer when the two videos swap their positions.  [pure]"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2vbatch.analysis.intervals import Interval, share_interval


@dataclass(frozen=True)
class Vote:
    """One vote.

    Attributes:
        winner: ``left``, ``right`` or None for a tie.
        left_share: the probability that left is better, by a judge that gives one.
        answers: of a judge that was asked twice, the share of left shown first, and shown second.
        judge: the name of the program that voted; None for a person.
        settings: a digest of the program's settings; None for a person.
    """

    row_id: str
    seed: int
    left: str
    right: str
    winner: str | None
    left_share: float | None = None
    answers: tuple[float, ...] = ()
    judge: str | None = None
    settings: str | None = None

    def share_of(self, model: str) -> float:
        """1 for a vote for the model, 0.5 for a tie, 0 for a vote against it; or the share that a judge
        gives.
        """
        if self.left_share is not None:
            return self.left_share if self.left == model else 1 - self.left_share
        return 0.5 if self.winner is None else float(self.winner == model)


@dataclass(frozen=True)
class Consistency:
    """How consistent a judge is over the pairs that it was asked about twice.

    Attributes:
        pairs: number of these pairs.
        agreement: the share of pairs with the same winner, or twice a tie, after the positions were swapped.
        first: the share of answers for the video that was shown first, ties counted as half; 0.5 is unbiased.
    """

    judge: str
    pairs: int
    agreement: Interval
    first: Interval


def consistencies(votes: Sequence[Vote]) -> tuple[Consistency, ...]:
    """The consistency of each judge of these votes."""
    names = dict.fromkeys(vote.judge for vote in votes if vote.judge and len(vote.answers) == 2)
    return tuple(
        _consistency(str(name), [vote for vote in votes if vote.judge == name and len(vote.answers) == 2])
        for name in names
    )


def _consistency(judge: str, votes: Sequence[Vote]) -> Consistency:
    # Shape (votes, 2): the share of the left video, shown first and shown second.
    answers = np.array([vote.answers for vote in votes])
    agreed = np.sign(answers[:, 0] - 0.5) == np.sign(answers[:, 1] - 0.5)
    first = (_rounded(answers[:, 0]) + _rounded(1 - answers[:, 1])) / 2
    rows = clusters(votes)
    agreement = share_interval(agreed.astype(float), rows)
    return Consistency(judge, len(votes), agreement, share_interval(first, rows))


def _rounded(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """1 for a preference, 0.5 for a tie, 0 for the opposite preference."""
    return np.asarray((np.sign(shares - 0.5) + 1) / 2, dtype=float)


def clusters(votes: Iterable[Vote]) -> npt.NDArray[np.int64]:
    """The row of each vote as an integer, shape (N,): votes on one row are not independent."""
    return np.unique([vote.row_id for vote in votes], return_inverse=True)[1].astype(np.int64)
