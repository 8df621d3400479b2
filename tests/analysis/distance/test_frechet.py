"""The Fréchet distance against closed forms and an independent computation; its moments against numpy's."""

import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from t2vbatch.analysis.distance.frechet import (
    FloatArray,
    Moments,
    Statistics,
    frechet_distance,
    statistics_of,
)


def vectors(n: int, dims: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> FloatArray:
    """Correlated Gaussian vectors, shape (n, dims)."""
    random = np.random.default_rng(seed)
    mixed: FloatArray = random.normal(size=(n, dims)) @ np.random.default_rng(dims).normal(size=(dims, dims))
    return mixed * scale + shift


def by_schur(first: FloatArray, second: FloatArray) -> float:
    """The textbook formula with scipy's matrix square root of the product."""
    shift = first.mean(axis=0) - second.mean(axis=0)
    one, other = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = scipy.linalg.sqrtm(one @ other)
    return float(shift @ shift + np.trace(one + other) - 2 * np.trace(root).real)


def by_singular_values(first: FloatArray, second: FloatArray) -> float:
    """The trace of (C1 C2)^(1/2) as the nuclear norm of A B^T, without covariances and roots."""
    shift = first.mean(axis=0) - second.mean(axis=0)
    a, b = ((part - part.mean(axis=0)) / math.sqrt(len(part) - 1) for part in (first, second))
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(shift @ shift + (a**2).sum() + (b**2).sum() - 2 * shared)


def test_the_distance_of_gaussians_with_known_parameters() -> None:
    """For diagonal covariances it is |m1 - m2|^2 plus the squared differences of standard deviations."""
    first = Statistics(9, np.array([1.0, 2.0, 3.0]), np.diag([4.0, 9.0, 0.0]))
    second = Statistics(9, np.array([1.0, 0.0, 3.0]), np.diag([1.0, 16.0, 25.0]))
    assert frechet_distance(first, second) == pytest.approx(4 + 1 + 1 + 25)


def test_the_distance_of_rotated_gaussians() -> None:
    """In two dimensions tr (C1 C2)^(1/2) has the closed form sqrt(tr C1 C2 + 2 sqrt(det C1 det C2))."""
    one, other = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.6], [-0.6, 3.0]])
    shared = math.sqrt(np.trace(one @ other) + 2 * math.sqrt(np.linalg.det(one) * np.linalg.det(other)))
    first, second = Statistics(9, np.zeros(2), one), Statistics(9, np.array([3.0, 4.0]), other)
    expected = 25 + np.trace(one) + np.trace(other) - 2 * shared
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "dims"), [(300, 16), (900, 64)])
def test_the_distance_agrees_with_scipy(n: int, dims: int) -> None:
    """With covariances of full rank, an independent implementation gives the same number."""
    first, second = vectors(n, dims, 0), vectors(n + 50, dims, 1, 1.3, 0.5)
    found = frechet_distance(statistics_of([first]), statistics_of([second]))
    assert found == pytest.approx(by_schur(first, second), rel=1e-9)


@pytest.mark.parametrize(("n", "other"), [(20, 30), (2, 400), (40, 2)])
def test_fewer_vectors_than_dimensions(n: int, other: int) -> None:
    """With singular covariances the distance is real and equals an independent computation by singular
    values.
    """
    first, second = vectors(n, 64, 0), vectors(other, 64, 1, 1.3, 0.5)
    found = frechet_distance(statistics_of([first]), statistics_of([second]))
    assert found == pytest.approx(by_singular_values(first, second), rel=1e-9)


def test_the_distance_is_symmetric_and_zero_to_itself() -> None:
    """d(a, b) = d(b, a), and d(a, a) = 0 up to rounding, also with singular covariances."""
    first, second = statistics_of([vectors(30, 64, 0)]), statistics_of([vectors(500, 64, 1, 2.0)])
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first), rel=1e-9)
    for one in (first, second):
        assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9 * float(np.trace(one.covariance)))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 700), st.lists(st.integers(1, 700), max_size=6))
def test_moments_are_numpys_in_whatever_parts_they_come(n: int, cuts: list[int]) -> None:
    """Mean and covariance equal numpy's, and are the same bits for every split of the vectors."""
    whole = vectors(n, 5, 3, shift=1e6)
    parts = np.split(whole, sorted(cut for cut in cuts if cut < n))
    found, at_once = statistics_of(parts), statistics_of([whole])
    assert found.n == n
    assert np.array_equal(found.mean, at_once.mean)
    assert np.array_equal(found.covariance, at_once.covariance)
    np.testing.assert_allclose(found.mean, whole.mean(axis=0), rtol=1e-12)
    # A mean of a million costs six of the sixteen digits.
    np.testing.assert_allclose(found.covariance, np.cov(whole, rowvar=False), rtol=1e-6, atol=1e-6)


def test_one_vector_has_no_covariance() -> None:
    """Statistics of a single vector are refused, as dividing by n - 1 would give nothing to compare."""
    moments = Moments()
    moments.add(vectors(1, 3, 0))
    assert moments.n == 1
    with pytest.raises(ValueError, match="needs at least 2 vectors"):
        moments.statistics()


@pytest.mark.parametrize("n", [2, 50, 400])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_distance_of_equal_sets_is_0(n: int, scale: float) -> None:
    """A set and its copy in another order have the distance 0, also with fewer vectors than dimensions."""
    found = vectors(n, 64, 5, scale)
    shuffled = found[np.random.default_rng(0).permutation(n)]
    assert frechet_distance(statistics_of([found]), statistics_of([shuffled])) == 0
