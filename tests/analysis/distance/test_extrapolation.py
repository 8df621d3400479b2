"""FID-infinity on Gaussians, whose distance is known."""

import numpy as np
import pytest

from t2vbatch.analysis.distance.extrapolation import VIDEOS_PER_DIM, extrapolate, too_few
from t2vbatch.analysis.distance.frechet import FloatArray, Statistics, frechet_distance, statistics_of

DIMS = 48


def drawn(n: int, seed: int, frames: int = 1) -> list[FloatArray]:
    """n videos of ``frames`` vectors, N(0.1, 1.2^2) in each dimension; vectors of one video are
    correlated.
    """
    random = np.random.default_rng(seed)
    shared = random.normal(size=(n, 1, DIMS))
    own = random.normal(size=(n, frames, DIMS))
    mixed = shared if frames == 1 else np.sqrt(0.8) * shared + np.sqrt(0.2) * own
    return list(0.1 + 1.2 * mixed)


REFERENCE = Statistics(10**9, np.zeros(DIMS), np.eye(DIMS))
TRUE = DIMS * (0.1**2 + 0.2**2)


@pytest.mark.parametrize(("n", "frames"), [(VIDEOS_PER_DIM * DIMS, 1), (400, 1), (1500, 1), (400, 4)])
def test_extrapolation_removes_most_of_the_bias(n: int, frames: int) -> None:
    """From the minimum number of videos on, at most a quarter of the bias remains, averaged over ten sets."""
    sets = [drawn(n, seed, frames) for seed in range(10)]
    plain = np.mean([frechet_distance(statistics_of(videos), REFERENCE) for videos in sets])
    without = np.mean([extrapolate(videos, REFERENCE) for videos in sets])
    assert plain - TRUE > 0.3
    assert abs(without - TRUE) < 0.25 * (plain - TRUE)


def test_extrapolation_is_seeded() -> None:
    """The same videos give the same digits, and another seed draws other subsets."""
    videos = drawn(200, 0)
    assert extrapolate(videos, REFERENCE) == extrapolate(videos, REFERENCE)
    assert extrapolate(videos, REFERENCE) != extrapolate(videos, REFERENCE, seed=1)


def test_too_few_videos_give_the_reason() -> None:
    """Below 3 videos per feature there is no extrapolation, and the reason states the needed number."""
    assert too_few(VIDEOS_PER_DIM * 400, 400) is None
    assert too_few(VIDEOS_PER_DIM * 400 - 1, 400) == "needs 1,200 videos, 3 for each of 400 features"
