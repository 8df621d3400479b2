"""Bradley-Terry strengths of models from votes on pairs, with intervals.  [pure]"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from t2vbatch.analysis.consistency import Vote, clusters
from t2vbatch.analysis.intervals import LEVEL
from t2vbatch.analysis.student import student_t

FloatArray = npt.NDArray[np.float64]

PRIOR = 0.1
"""Virtual ties for each pair of models. They keep the strength of a model that won or lost every vote
finite, and move the others little: Caron and Doucet, Efficient Bayesian Inference for Generalized
Bradley-Terry Models, 2012, section 2.3."""

_STEPS = 200
_ACCURACY = 1e-9
_HALVINGS = 40
_LONGEST_STEP = 0.5
"""No strength moves further in one step, which makes each step of Newton's method an improvement: Sun and
Tran-Dinh, Generalized Self-Concordant Functions, 2019, section 3."""


@dataclass(frozen=True)
class Strength:
    """The Bradley-Terry strength of a model: its log odds of winning against an average model."""

    model: str
    votes: int
    strength: float
    low: float | None
    high: float | None


def find_strengths(votes: Sequence[Vote], groups: Sequence[Sequence[str]]) -> list[Strength]:
    """The strengths of all models, the strongest first.

    Args:
        groups: the sets of models that votes connect; they have all models of the votes.
    """
    found = [one for names in groups for one in _group_strengths(votes, names)]
    return sorted(found, key=lambda one: -one.strength)


def fit_strengths(wins: FloatArray) -> FloatArray:
    """Bradley-Terry strengths of maximum likelihood, mean 0, for many tables of wins at once.

    Args:
        wins: shape (D, M, M); ``wins[d, i, j]`` is the number of wins of model i over model j.

    Returns:
        Shape (D, M), by Newton's method.
    """
    wins = _with_prior(wins)
    strengths = np.zeros(wins.shape[:-1])
    for _ in range(_STEPS):
        odds = _odds(strengths)
        missing = (wins - (wins + wins.swapaxes(-1, -2)) * odds).sum(-1)
        curvature = _curvature(wins, odds)
        step = np.linalg.solve(curvature, missing[..., None])[..., 0]
        step /= np.maximum(1, np.abs(step).max(-1, keepdims=True) / _LONGEST_STEP)
        strengths += step
        if np.abs(step).max() < _ACCURACY:
            break
    return np.asarray(strengths - strengths.mean(-1, keepdims=True), dtype=float)


def _group_strengths(votes: Sequence[Vote], names: Sequence[str]) -> list[Strength]:
    """The strengths of models that votes connect, against their average."""
    known = [vote for vote in votes if vote.left in names]
    by_row = _wins_by_row(known, names)
    fitted = fit_strengths(by_row.sum(0)[None])[0]
    ends = _ends(by_row, fitted, _undecided(known))
    found = []
    for k, name in enumerate(names):
        count = sum(name in (vote.left, vote.right) for vote in known)
        low, high = (None, None) if ends is None else ends[:, k].tolist()
        found.append(Strength(name, count, float(fitted[k]), low, high))
    return found


def _wins_by_row(votes: Sequence[Vote], names: Sequence[str]) -> FloatArray:
    """Wins on each prompt, shape (rows, M, M)."""
    index, rows = {name: k for k, name in enumerate(names)}, clusters(votes)
    wins = np.zeros((int(rows.max()) + 1, len(names), len(names)))
    for vote, row in zip(votes, rows, strict=True):
        left, right = index[vote.left], index[vote.right]
        wins[row, left, right] += vote.share_of(vote.left)
        wins[row, right, left] += vote.share_of(vote.right)
    return wins


def _undecided(votes: Sequence[Vote]) -> float:
    """The sum of share x (1 - share) over all votes: 0 if each is for one model, 1/4 for each tie."""
    return math.fsum(vote.share_of(vote.left) * vote.share_of(vote.right) for vote in votes)


def _ends(by_row: FloatArray, strengths: FloatArray, undecided: float) -> FloatArray | None:
    """Both ends of the 95% interval of each strength, shape (2, M); None if the votes show no spread.

    Each end is the one of two that lies further from the strength. The sandwich estimator (Liang and Zeger,
    Longitudinal Data Analysis Using Generalized Linear Models, 1986) with Student's t holds where the votes
    on a prompt depend on each other, and is too narrow where a model wins nearly always. The profile
    likelihood holds there. Ties and probabilities vary less than decided votes, so its limit is multiplied by
    the share of the predicted variance that decided votes have.

    Args:
        by_row: wins on each prompt, shape (rows, M, M).
        undecided: see ``_undecided``.
    """
    rows, wins = len(by_row), _with_prior(by_row.sum(0))
    if rows < 2:
        return None
    odds = _odds(strengths)
    games = by_row + by_row.swapaxes(1, 2)
    predicted = float((games.sum(0) * odds * odds.T).sum()) / 2
    tail = (1 + LEVEL) / 2
    limit = NormalDist().inv_cdf(tail) ** 2 * max(0.0, 1 - undecided / predicted)
    slopes = (by_row - games * odds).sum(2)
    reach = student_t(tail, rows - 1) * _sandwich_errors(_curvature(wins, odds), slopes - slopes.mean(0))
    profile = _profile_reaches(wins, strengths, limit)
    ends = strengths + np.array([[-1.0], [1.0]]) * np.maximum(reach, profile)
    return None if np.ptp(ends, 0).max() < _ACCURACY else ends


def _with_prior(wins: FloatArray) -> FloatArray:
    """Wins, shape (..., M, M), with the virtual ties."""
    return np.asarray(wins + PRIOR / 2 * (1 - np.eye(wins.shape[-1])))


def _odds(strengths: FloatArray) -> FloatArray:
    """The probability of each model to win against each, shape (..., M, M)."""
    return np.asarray(1 / (1 + np.exp(strengths[..., None, :] - strengths[..., :, None])))


def _curvature(wins: FloatArray, odds: FloatArray) -> FloatArray:
    """Minus the second derivatives of the log-likelihood; the constant keeps the mean of strengths at 0."""
    weights = (wins + wins.swapaxes(-1, -2)) * odds * odds.swapaxes(-1, -2)
    return np.asarray(np.eye(wins.shape[-1]) * weights.sum(-1)[..., None] - weights + 1.0)


def _sandwich_errors(curvature: FloatArray, slopes: FloatArray) -> FloatArray:
    """The standard errors of strengths, from the slope of the log-likelihood of each prompt, (rows, M)."""
    rows = len(slopes)
    half = slopes @ np.linalg.inv(curvature)
    return np.asarray(np.sqrt(rows / (rows - 1) * (half**2).sum(0)))


def _profile_reaches(wins: FloatArray, strengths: FloatArray, limit: float) -> FloatArray:
    """How far below and above each strength twice the log-likelihood has fallen by ``limit``, shape (2, M).

    The other strengths are those of maximum likelihood for the value of this one.
    """
    size = len(strengths)
    signs = np.repeat([-1.0, 1.0], size)
    fixed = np.tile(np.eye(size), (2, 1))
    best = _log_likelihood(wins, strengths) - limit / 2

    def inside(reach: FloatArray) -> npt.NDArray[np.bool_]:
        others = (1 - fixed) / (size - 1)
        moved = strengths + (signs * reach)[:, None] * (fixed - others)
        return np.asarray(_log_likelihood(wins, _fit_others(wins, moved, fixed)) > best)

    low, high = np.zeros(2 * size), np.ones(2 * size)
    while (too_near := inside(high)).any():
        low, high = np.where(too_near, high, low), np.where(too_near, 2 * high, high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        nearer = inside(middle)
        low, high = np.where(nearer, middle, low), np.where(nearer, high, middle)
    return high.reshape(2, size) if limit else np.zeros((2, size))


def _log_likelihood(wins: FloatArray, strengths: FloatArray) -> FloatArray:
    """Shape (...,) for strengths of the shape (..., M)."""
    losses = np.logaddexp(0, strengths[..., None, :] - strengths[..., :, None])
    return np.asarray(-(wins * losses).sum((-1, -2)))


def _fit_others(wins: FloatArray, strengths: FloatArray, fixed: FloatArray) -> FloatArray:
    """The strengths of maximum likelihood with the mean 0, where one of each set keeps its value.

    Args:
        strengths: where to begin, with the mean 0, shape (D, M).
        fixed: 1 for the strength that keeps its value, 0 for the others, shape (D, M).
    """
    free = 1 - fixed
    for _ in range(_STEPS):
        odds = _odds(strengths)
        curvature = (_curvature(wins, odds) - 1.0) * free[:, None] * free[..., None]
        # What is added makes it invertible for strengths so far apart that their odds do not change.
        curvature += np.eye(wins.shape[-1]) * (fixed + _ACCURACY)[..., None]
        slopes = (wins - (wins + wins.T) * odds).sum(-1) * free
        # Two solutions: for the slopes, and for a constant slope that keeps the mean.
        solved = np.linalg.solve(curvature, np.stack([slopes, free], -1))
        step = solved[..., 0] - solved[..., 1] * (solved[..., 0].sum(-1) / solved[..., 1].sum(-1))[:, None]
        step /= np.maximum(1, np.abs(step).max(-1, keepdims=True) / _LONGEST_STEP)
        strengths = strengths + step
        if np.abs(step).max() < _ACCURACY:
            break
    return strengths
