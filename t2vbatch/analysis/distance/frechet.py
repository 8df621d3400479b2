"""The Fréchet distance of two Gaussians, and the estimation of their means and covariances.  [pure]

Everything is float64, because the distance is a small difference of large traces.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_ROWS = 256
"""Vectors added to the moments in one matrix product, instead of one outer product for each vector."""

_ROUNDING = 1e-10
"""A distance that is smaller than this share of both traces is 0. The eigenvalues of equal sets in another
order give 1e-11, and the 32-bit features of networks are accurate to 6e-8."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Size, mean and covariance of a set of vectors.

    Attributes:
        n: number of vectors, at least 2.
        mean: shape (D,).
        covariance: shape (D, D), symmetric, the scatter matrix divided by n - 1. It is singular if n <= D.
    """

    n: int
    mean: FloatArray
    covariance: FloatArray

    @property
    def dims(self) -> int:
        """Number of dimensions D."""
        return len(self.mean)

    @cached_property
    def root(self) -> FloatArray:
        """The symmetric square root of the covariance, shape (D, D)."""
        values, vectors = np.linalg.eigh(self.covariance)
        root: FloatArray = (vectors * np.sqrt(_cleaned(values))) @ vectors.T
        return root


class Moments:
    """Accumulates the mean and covariance of vectors in the memory of two D x D matrices.

    The same vectors in the same order give the same bits, however they are split into calls of ``add``.
    """

    def __init__(self) -> None:
        self._n = 0
        self._mean: FloatArray = np.zeros(0)
        self._scatter: FloatArray = np.zeros((0, 0))
        self._waiting: list[FloatArray] = []

    @property
    def n(self) -> int:
        """Number of vectors so far."""
        return self._n + len(self._waiting)

    def add(self, vectors: npt.NDArray[np.floating]) -> None:
        """Add vectors, shape (N, D)."""
        for vector in vectors.astype(np.float64):
            self._waiting.append(vector)
            if len(self._waiting) == _ROWS:
                self._merge()

    def statistics(self) -> Statistics:
        """The statistics of all vectors so far. Raises ValueError for fewer than two vectors."""
        self._merge()
        if self._n < 2:
            raise ValueError(f"a covariance needs at least 2 vectors, got {self._n}")
        return Statistics(self._n, self._mean, self._scatter / (self._n - 1))

    def _merge(self) -> None:
        """The update of Chan, Golub and LeVeque (1979), which avoids the difference of two large sums."""
        if not self._waiting:
            return
        part = np.stack(self._waiting)
        self._waiting = []
        n, mean = len(part), part.mean(axis=0)
        centred = part - mean
        if not self._n:
            self._n, self._mean, self._scatter = n, mean, centred.T @ centred
            return
        total, shift = self._n + n, mean - self._mean
        self._scatter += centred.T @ centred + np.outer(shift, shift) * (self._n * n / total)
        self._mean = self._mean + shift * (n / total)
        self._n = total


def statistics_of(parts: Iterable[npt.NDArray[np.floating]]) -> Statistics:
    """The statistics of vectors in parts of shape (N, D). Raises ValueError for fewer than two vectors."""
    moments = Moments()
    for part in parts:
        moments.add(part)
    return moments.statistics()


def with_divisor(statistics: Statistics, divisor: Literal["n-1", "n"]) -> Statistics:
    """The statistics with a covariance that is divided by ``divisor`` instead of n - 1."""
    if divisor == "n-1":
        return statistics
    biased = statistics.covariance * ((statistics.n - 1) / statistics.n)
    return Statistics(statistics.n, statistics.mean, biased)


def frechet_distance(first: Statistics, second: Statistics) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)): the squared 2-Wasserstein distance of two Gaussians.

    The trace of (C1 C2)^(1/2) is the sum of the square roots of the eigenvalues of R C1 R, where R is the
    root of C2. That matrix is symmetric, so its eigenvalues are real and not negative for every rank. The
    square root of the product C1 C2 by Schur's method can be complex or infinite if a covariance is singular.

    Returns:
        0 if both are equal, larger the further they are apart; unbounded. Unit: the features' unit, squared.
    """
    shift = first.mean - second.mean
    shared = np.sqrt(_cleaned(np.linalg.eigvalsh(second.root @ first.covariance @ second.root))).sum()
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    value = float(shift @ shift + traces - 2 * shared)
    return value if value > _ROUNDING * float(traces) else 0.0


def _cleaned(eigenvalues: npt.NDArray[np.floating]) -> FloatArray:
    """Eigenvalues with rounding noise set to 0, by the tolerance of numpy's matrix_rank."""
    least = eigenvalues.max(initial=0.0) * len(eigenvalues) * np.finfo(np.float64).eps
    return np.where(eigenvalues > least, eigenvalues, 0.0)
