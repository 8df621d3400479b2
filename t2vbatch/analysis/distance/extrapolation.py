"""What a Fréchet distance would be with videos without end.  [pure]

With n videos the distance comes out too large on average, by about c / n, and c differs from model to model:
of two models with the same number of videos the better one may have the larger distance. A line through the
distances of subsets against 1 / n meets the axis where n is infinite.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from t2vbatch.analysis.distance.frechet import Statistics, frechet_distance, statistics_of

POINTS = 15
"""Subsets on the line, as Chong and Forsyth."""

VIDEOS_PER_DIM = 3
"""Below 3 D videos the halves are near n = D, where the distance is no line in 1 / n: on Gaussians of known
distance the extrapolation then left 25% to 50% of the bias, or overshot; from here on, about 10%."""


def too_few(videos: int, dims: int) -> str | None:
    """Why there can be no extrapolation from so many videos, in words; None where there can."""
    needed = VIDEOS_PER_DIM * dims
    return (
        None if videos >= needed else f"takes {needed:,} videos, {VIDEOS_PER_DIM} for each of {dims} features"
    )


def extrapolate(videos: Sequence[npt.NDArray[np.floating]], reference: Statistics, seed: int = 0) -> float:
    """The distance at n = infinity: FID-infinity, and the same for videos.

    Definition: the intercept of the least squares line of distance against 1 / n, over POINTS subsets drawn
        without replacement, of n from half of the videos to all of them. Whole videos are drawn, since frames
        of one video are alike.
    Source: Chong and Forsyth, Effectively Unbiased FID and Inception Score and where to find them, CVPR 2020
        (arXiv:1911.07023), who draw from 5,000 images on.

    Args:
        videos: the features of each, shape (N, D), as many as ``too_few`` asks for; all in memory.
        reference: taken as it is. Its own bias, where it has few videos, stays.
        seed: of the draws.

    Returns:
        The distance; below 0 where the true one is small against the noise.
    """
    random = np.random.default_rng(seed)
    sizes = np.linspace(len(videos) / 2, len(videos), POINTS).round().astype(int)
    distances = [
        frechet_distance(
            statistics_of(videos[at] for at in random.permutation(len(videos))[:size]), reference
        )
        for size in sizes
    ]
    return float(np.polyfit(1 / sizes, distances, 1)[1])
