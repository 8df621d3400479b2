"""Measures intervals and tests on simulated scores: ``python -m tests.benchmarks.statistics [--sets 2000]``.

It prints the tables of ``statistics.md``: how often a 95% interval covers the true mean, how often a test
of two equal models is significant, and how often any of several tests is. The goal is 93 to 97% coverage
from 5 prompts on for Gaussian noise and from 10 on for the others, and at most 6% false positives.
"""

import argparse
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from t2vbatch.analysis.intervals import mean_interval
from t2vbatch.analysis.sign_flip import holm, sign_flip_p

FloatArray = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], FloatArray]

NOISES: Mapping[str, tuple[Draw, float]] = {
    "Gaussian": (lambda random, n: random.normal(0, 1, n), 0.0),
    "skewed (exponential)": (lambda random, n: random.exponential(1, n), 1.0),
    "heavy-tailed (t, 3 degrees)": (lambda random, n: random.standard_t(3, n), 0.0),
    "near a bound (beta 9, 1)": (lambda random, n: random.beta(9, 1, n), 0.9),
}
"""Noise between prompts: how to draw it, and its mean."""

PROMPTS = (5, 8, 10, 13, 20, 50, 100)
SEEDS = (1, 5)
TESTS = 12
"""Tests of one comparison: 3 pairs of models on 4 scores."""


def coverage(noise: str, prompts: int, seeds: int, sets: int) -> float:
    """The share of data sets whose interval covers the true mean."""
    draw, mean = NOISES[noise]
    random = np.random.default_rng([prompts, seeds])
    clusters = np.repeat(np.arange(prompts), seeds)
    hits = 0
    for _ in range(sets):
        within = random.normal(0, 0.1, len(clusters))
        interval = mean_interval(draw(random, prompts)[clusters] + within, clusters)
        hits += (interval.low or -np.inf) <= mean <= (interval.high or np.inf)
    return hits / sets


def false_positives(noise: str, prompts: int, tests: int, sets: int) -> float:
    """The share of data sets of equal models in which any of ``tests`` tests is significant after Holm."""
    draw, _ = NOISES[noise]
    random = np.random.default_rng([prompts, tests])
    found = 0
    for _ in range(sets):
        differences = [draw(random, prompts) - draw(random, prompts) for _ in range(tests)]
        found += min(holm([sign_flip_p(one) for one in differences])) < 0.05
    return found / sets


def table(title: str, rows: Mapping[str, list[float]]) -> str:
    """A Markdown table with one column for each number of prompts."""
    lines = [f"### {title}", "", f"| prompts | {' | '.join(map(str, PROMPTS))} |"]
    lines.append(f"| --- |{' ---: |' * len(PROMPTS)}")
    lines += [
        f"| {name} | {' | '.join(f'{100 * value:.1f}' for value in values)} |"
        for name, values in rows.items()
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=2000)
    sets = parser.parse_args().sets
    for seeds in SEEDS:
        rows = {noise: [coverage(noise, prompts, seeds, sets) for prompts in PROMPTS] for noise in NOISES}
        print(table(f"Coverage of 95% intervals in percent, {seeds} videos per prompt", rows), flush=True)
    rows = {noise: [false_positives(noise, prompts, 1, sets) for prompts in PROMPTS] for noise in NOISES}
    print(table("False positives of one test at p < 0.05, in percent", rows), flush=True)
    some = sets // 4
    rows = {noise: [false_positives(noise, prompts, TESTS, some) for prompts in PROMPTS] for noise in NOISES}
    print(table(f"Sets with any of {TESTS} tests at p < 0.05 after Holm, in percent", rows), flush=True)


if __name__ == "__main__":
    main()
