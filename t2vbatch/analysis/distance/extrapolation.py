"""Extrapolates a Fréchet distance to infinitely many videos.  [pure]

The distance of n videos is biased upwards by about c / n, and c differs between models: of two models with
the same number of videos, the better one may have the larger distance. The distances of subsets lie on a
line in 1 / n, and its intercept estimates the distance for infinite n.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from t2vbatch.analysis.distance.frechet import Statistics, frechet_distance, statistics_of, with_divisor

POINTS = 15
"""Number of subsets on the line, as in Chong and Forsyth."""

VIDEOS_PER_DIM = 3
"""Minimum number of videos for each feature dimension. With fewer, the smallest subsets have about as many
videos as dimensions, where the distance is not linear in 1 / n: on Gaussians of known distance the
extrapolation then left 25% to 50% of the bias, or overshot. With this minimum it leaves about 10%."""


def too_few(videos: int, dims: int) -> str | None:
    """The reason why so few videos allow no extrapolation; None if there are enough."""
    needed = VIDEOS_PER_DIM * dims
    return (
        None if videos >= needed else f"needs {needed:,} videos, {VIDEOS_PER_DIM} for each of {dims} features"
    )


def extrapolate(
    videos: Sequence[npt.NDArray[np.floating]],
    reference: Statistics,
    seed: int = 0,
    divisor: Literal["n-1", "n"] = "n-1",
) -> float:
    """The distance at n = infinity: FID-infinity, for images or videos.

    Definition: the intercept of the least squares line of distance against 1 / n, over POINTS random
        subsets, of n from half of the videos to all of them. It draws whole videos, because frames of one
        video are similar.
    Source: Chong and Forsyth, Effectively Unbiased FID and Inception Score and where to find them, CVPR 2020
        (arXiv:1911.07023), who draw subsets of at least 5,000 images.

    Args:
        videos: the features of each video, shape (N, D); at least as many videos as ``too_few`` demands.
        reference: statistics of the reference set. The bias from few reference videos remains.
        seed: seed of the random subsets.
        divisor: of the covariances of subsets; that of the reference is applied before.

    Returns:
        The distance. It may be negative if the true distance is small compared with the noise.
    """
    random = np.random.default_rng(seed)
    sizes = np.linspace(len(videos) / 2, len(videos), POINTS).round().astype(int)
    distances = [
        frechet_distance(
            with_divisor(statistics_of(videos[at] for at in random.permutation(len(videos))[:size]), divisor),
            reference,
        )
        for size in sizes
    ]
    return float(np.polyfit(1 / sizes, distances, 1)[1])
