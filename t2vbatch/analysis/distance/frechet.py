"""The Fréchet distance of two Gaussians, and the mean and covariance that it is of.  [pure]

Everything is float64: the distance is a small difference of large traces.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_ROWS = 256
"""Vectors that enter the moments together: a product of matrices instead of one outer product a vector."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """What the distance knows of a set of vectors.

    Attributes:
        n: vectors, at least 2.
        mean: shape (D,).
        covariance: shape (D, D), symmetric, the sum of squares divided by n - 1. With n <= D it is singular.
    """

    n: int
    mean: FloatArray
    covariance: FloatArray

    @property
    def dims(self) -> int:
        """Numbers in a vector: D."""
        return len(self.mean)

    @cached_property
    def root(self) -> FloatArray:
        """The symmetric square root of the covariance, shape (D, D)."""
        values, vectors = np.linalg.eigh(self.covariance)
        root: FloatArray = (vectors * np.sqrt(_cleaned(values))) @ vectors.T
        return root


class Moments:
    """Takes vectors in and knows their statistics, in the memory of two D x D matrices, however many come.

    The same vectors in the same order give the same bits, in whatever parts they come.
    """

    def __init__(self) -> None:
        self._n = 0
        self._mean: FloatArray = np.zeros(0)
        self._scatter: FloatArray = np.zeros((0, 0))
        self._waiting: list[FloatArray] = []

    @property
    def n(self) -> int:
        """Vectors so far."""
        return self._n + len(self._waiting)

    def add(self, vectors: npt.NDArray[np.floating]) -> None:
        """Take in vectors, shape (N, D)."""
        for vector in vectors.astype(np.float64):
            self._waiting.append(vector)
            if len(self._waiting) == _ROWS:
                self._merge()

    def statistics(self) -> Statistics:
        """Of all that came. Raises ValueError for fewer than two vectors, which have no covariance."""
        self._merge()
        if self._n < 2:
            raise ValueError(f"{self._n} vectors have no covariance; it takes two")
        return Statistics(self._n, self._mean, self._scatter / (self._n - 1))

    def _merge(self) -> None:
        """Chan, Golub and LeVeque's update (1979): never the difference of two large sums."""
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
    """The statistics of vectors that come in parts of shape (N, D). Raises ValueError for fewer than two."""
    moments = Moments()
    for part in parts:
        moments.add(part)
    return moments.statistics()


def frechet_distance(first: Statistics, second: Statistics) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)): the squared 2-Wasserstein distance of two Gaussians.

    The trace of (C1 C2)^(1/2) is the sum of the square roots of the eigenvalues of R C1 R, where R is the
    root
    of C2: a symmetric matrix, whose eigenvalues are real and not negative whatever the ranks. The square
    root of the product itself, by Schur's method, can come out complex or infinite where one is singular.

    Returns:
        0 where both are equal, more the farther they are apart; no upper end. In the features' unit squared.
    """
    shift = first.mean - second.mean
    shared = np.sqrt(_cleaned(np.linalg.eigvalsh(second.root @ first.covariance @ second.root))).sum()
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return max(float(shift @ shift + traces - 2 * shared), 0.0)


def _cleaned(eigenvalues: npt.NDArray[np.floating]) -> FloatArray:
    """Eigenvalues without what rounding made of zeros, by the tolerance that numpy calls a rank by."""
    least = eigenvalues.max(initial=0.0) * len(eigenvalues) * np.finfo(np.float64).eps
    return np.where(eigenvalues > least, eigenvalues, 0.0)
