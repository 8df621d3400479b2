"""Measures intervals and tests on simulated scores: ``python -m tests.benchmarks.statistics [--sets 4000]``.

It prints the tables of ``statistics.md``, or those that ``--tables 8 9`` names by their place: how often a
95% interval covers the true mean, how often a test of two equal models is significant, how often any of
several tests is, and how often a test is significant at any of several looks at growing data, also with
missing scores. The goal is 93 to 97% coverage from 5 prompts on for Gaussian noise and from 10 on for the
others, at most 6% false positives, and at most 5% of the sequential test at all looks.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product
from statistics import NormalDist
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from t2vbatch.analysis.compare import Missing, largest_p
from t2vbatch.analysis.consistency import Vote
from t2vbatch.analysis.correlation import spearman
from t2vbatch.analysis.intervals import Interval, mean_interval, share_interval
from t2vbatch.analysis.paired_test import ANYTIME
from t2vbatch.analysis.pairing import ModelScores, join, paired
from t2vbatch.analysis.sequential import anytime_p
from t2vbatch.analysis.sign_flip import holm, sign_flip_p
from t2vbatch.analysis.votes import summarize_votes
from t2vbatch.errors import counted
from t2vbatch.metrics.protocol import Column
from t2vbatch.output.records import results_schema

FloatArray = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], FloatArray]
Policy = Literal["bounds", "worst", "drop", "impute"]

NOISES: Mapping[str, tuple[Draw, float]] = {
    "Gaussian": (lambda random, n: random.normal(0, 1, n), 0.0),
    "skewed (exponential)": (lambda random, n: random.exponential(1, n), 1.0),
    "heavy-tailed (t, 3 degrees)": (lambda random, n: random.standard_t(3, n), 0.0),
    "near a bound (beta 9, 1)": (lambda random, n: random.beta(9, 1, n), 0.9),
}
"""Noise between prompts: how to draw it, and its mean."""

PROMPTS = (5, 8, 10, 13, 20, 50, 100)
SEEDS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 5))
"""The least and the most videos per prompt of a set."""
SEED_NOISE = 0.3
"""Standard deviation of the noise between the videos of a prompt, relative to that between prompts."""
SHARES = (0.5, 0.7, 0.9, 0.95)
LOOK_EVERY = 10
"""Prompts between two looks at growing data."""
EFFECT = 0.5
LOOKED_AT = (10, 20, 50, 100)
"""Numbers of prompts of the last look."""
VOTED_ON = (5, *LOOKED_AT)
"""Numbers of prompts with votes."""
ABSENT = ("at random", "lowest")
"""Which scores of a model are missing."""
ABSENT_SHARE = 0.2
POLICIES: tuple[Policy, ...] = ("bounds", "drop")
TESTS = 12
"""Tests of one comparison: 3 pairs of models on 4 scores."""
FALSE_POSITIVES = {
    1: "False positives of one test at p < 0.05",
    TESTS: f"Sets with any of {TESTS} tests at p < 0.05 after Holm",
}


def coverage(noise: str, prompts: int, seeds: tuple[int, int], sets: int) -> float:
    """The share of data sets whose interval covers the true mean.

    Args:
        seeds: the least and the most videos per prompt.
    """
    draw, mean = NOISES[noise]
    random = np.random.default_rng([prompts, *seeds])
    hits = 0
    for _ in range(sets):
        clusters = _clusters(random, prompts, seeds)
        between = draw(random, prompts)
        within = random.normal(0, SEED_NOISE * between.std(), len(clusters))
        hits += _covers(mean_interval(between[clusters] + within, clusters), mean)
    return hits / sets


def share_coverage(share: float, prompts: int, sets: int) -> float:
    """The share of data sets of scores of 0 and 1 whose interval covers the true share."""
    random, clusters = np.random.default_rng([prompts, round(100 * share)]), np.arange(prompts)
    values = (random.random((sets, prompts)) < share).astype(float)
    return sum(_covers(share_interval(one, clusters), share) for one in values) / sets


def false_positives(noise: str, prompts: int, seeds: tuple[int, int], tests: int, sets: int) -> float:
    """The share of data sets of equal models in which any of ``tests`` tests is significant after Holm.

    Args:
        seeds: the least and the most videos per prompt.
    """
    draw, _ = NOISES[noise]
    random = np.random.default_rng([prompts, tests, *seeds])
    found = 0
    for _ in range(sets):
        p_values = []
        for _ in range(tests):
            clusters = _clusters(random, prompts, seeds)
            between = draw(random, prompts) - draw(random, prompts)
            within = random.normal(0, SEED_NOISE * between.std(), len(clusters))
            sums = np.bincount(clusters, between[clusters] + within).astype(float)
            p_values.append(sign_flip_p(sums, tests))
        found += min(holm(p_values)) < 0.05
    return found / sets


def _clusters(random: np.random.Generator, prompts: int, seeds: tuple[int, int]) -> npt.NDArray[np.intp]:
    """The prompt of each video."""
    return np.repeat(np.arange(prompts), random.integers(*seeds, prompts, endpoint=True))


def significant_at_any_look(
    test: Callable[[FloatArray], float], noise: str, prompts: int, effect: float, sets: int
) -> float:
    """The share of data sets in which the test is significant at any look, every LOOK_EVERY prompts.

    Args:
        effect: true difference in standard deviations between prompts; 0 for two equal models.
    """
    draw, _ = NOISES[noise]
    random = np.random.default_rng([prompts, LOOK_EVERY])
    found = 0
    for _ in range(sets):
        differences = draw(random, prompts) - draw(random, prompts)
        differences += effect * differences.std()
        looks = range(LOOK_EVERY, prompts + 1, LOOK_EVERY)
        found += any(test(differences[:look]) < 0.05 for look in looks)
    return found / sets


def false_winners_with_missing(absent: str, policy: Policy, noise: str, prompts: int, sets: int) -> float:
    """The share of sets of two equal models in which the sequential test has a winner at any look.

    Args:
        absent: which scores of the first model are missing, see ABSENT.
    """
    draw, _ = NOISES[noise]
    random = np.random.default_rng([prompts, LOOK_EVERY])
    keys = {(f"{row:04}", "", 0): row for row in range(prompts)}
    lacks = np.quantile(draw(random, 100_000), ABSENT_SHARE)
    names, column = ("first", "second"), Column("higher")
    found = 0
    for _ in range(sets):
        first, second = draw(random, prompts), draw(random, prompts)
        first[first < lacks if absent == "lowest" else random.random(prompts) < ABSENT_SHARE] = np.nan
        for look in range(LOOK_EVERY, prompts + 1, LOOK_EVERY):
            known = dict(list(keys.items())[:look])
            joined = join(_model(known, first[:look]), _model(known, second[:look]))
            scores = paired(names, joined, "score", column, Missing(policy))
            if largest_p(scores, ANYTIME, 1) < 0.05:
                found += 1
                break
    return found / sets


def _model(positions: Mapping[tuple[str, str, int], int], scores: FloatArray) -> ModelScores:
    status = np.where(np.isnan(scores), "failed", "ok").astype(object)
    unknown = np.full(len(scores), np.nan)
    return ModelScores(positions, status, np.stack([unknown, unknown]), unknown, unknown, {"score": scores})


def correlation_coverage(noise: str, prompts: int, correlation: float, sets: int) -> float:
    """The share of data sets whose interval covers the true rank correlation of two scores.

    Scores that increase with a Gaussian variable have its rank correlation, whatever their distribution.
    """
    random = np.random.default_rng([prompts, round(100 * correlation)])
    draw, _ = NOISES[noise]
    quantiles = np.sort(draw(random, 100_001))
    true = 6 / np.pi * np.arcsin(correlation / 2)
    hits = 0
    for _ in range(sets):
        first, second = random.normal(size=(2, prompts))
        second = correlation * first + np.sqrt(1 - correlation**2) * second
        scores = quantiles[
            [[int(100_000 * NormalDist().cdf(one)) for one in line] for line in (first, second)]
        ]
        found = spearman(*scores)
        hits += _covers(found, true)
    return hits / sets


def strength_coverage(apart: float, prompts: int, sets: int) -> float:
    """The share of intervals of Bradley-Terry strengths that cover the true one, of three models.

    Args:
        apart: difference in strength between neighbours. Each prompt has a vote on each pair.
    """
    random, names = np.random.default_rng([prompts, round(100 * apart)]), ("a", "b", "c")
    strengths = dict(zip(names, (apart, 0.0, -apart), strict=True))
    rows = [{"row_id": f"{row}", "seed": 0, "status": "ok"} for row in range(prompts)]
    models = dict.fromkeys(names, pa.Table.from_pylist(rows, results_schema([], pa.schema([]))))
    hits = 0
    for _ in range(sets):
        votes = []
        for row, (left, right) in product(range(prompts), combinations(names, 2)):
            won = random.random() < 1 / (1 + np.exp(strengths[right] - strengths[left]))
            votes.append(Vote(f"{row}", 0, left, right, left if won else right))
        for found in summarize_votes(votes, models, {}).strengths:
            ends = Interval(found.strength, found.low, found.high)
            hits += _covers(ends, strengths[found.model])
    return hits / sets / len(names)


def _covers(interval: Interval, value: float) -> bool:
    """Whether the interval has the value; one without ends has every value."""
    return interval.low is None or interval.high is None or interval.low <= value <= interval.high


class Share(Protocol):
    """A share of simulated data sets."""

    def __call__(self, *, prompts: int, sets: int) -> float:
        """The share for a number of prompts, from 0 to 1, measured with a number of data sets."""


@dataclass(frozen=True)
class Table:
    """A table of percentages, with one column for each number of prompts.

    Attributes:
        rows: what each row shows, by its name.
        divisor: the table takes this part of the data sets that the command asks for.
    """

    title: str
    rows: Mapping[str, Share]
    header: Sequence[int] = PROMPTS
    divisor: int = 1

    def measure(self, sets: int) -> str:
        """The table in Markdown."""
        lines = [f"### {self.title}", "", f"| prompts | {' | '.join(map(str, self.header))} |"]
        lines.append(f"| --- |{' ---: |' * len(self.header)}")
        for name, share in self.rows.items():
            values = [share(prompts=prompts, sets=sets // self.divisor) for prompts in self.header]
            lines.append(f"| {name} | {' | '.join(f'{100 * value:.1f}' for value in values)} |")
        return "\n".join([*lines, ""])


def tables() -> list[Table]:
    """All tables, in the order of ``statistics.md``."""
    means = [
        Table(
            f"Coverage of 95% intervals in percent, {_videos(seeds)}",
            {noise: partial(coverage, noise, seeds=seeds) for noise in NOISES},
        )
        for seeds in SEEDS
    ]
    shares = {f"{share}": partial(share_coverage, share) for share in SHARES}
    tests = [
        Table(
            f"{FALSE_POSITIVES[tests]}, in percent, {_videos(seeds)}",
            {noise: partial(false_positives, noise, seeds=seeds, tests=tests) for noise in NOISES},
        )
        for tests, seeds in product((1, TESTS), (SEEDS[0], SEEDS[-1]))
    ]
    correlations = {
        f"{noise}, correlation {correlation}": partial(correlation_coverage, noise, correlation=correlation)
        for noise in ("Gaussian", "skewed (exponential)")
        for correlation in (0.0, 0.7)
    }
    strengths = {f"{apart} apart": partial(strength_coverage, apart) for apart in (0.0, 0.6, 1.2)}
    return [
        *means,
        Table("Coverage of 95% intervals of shares in percent, by the true share", shares),
        *tests,
        *_tables_of_looks(),
        Table("Coverage of 95% intervals of rank correlations, in percent", correlations, PROMPTS, 4),
        Table("Coverage of 95% intervals of strengths of three models, in percent", strengths, VOTED_ON, 8),
    ]


def _tables_of_looks() -> list[Table]:
    found = []
    at_looks = f"at any look, every {LOOK_EVERY} prompts, in percent"
    for name, test in {"sign-flip": sign_flip_p, "sequential": anytime_p}.items():
        for effect, title, divisor in (
            (0.0, f"False winners of the {name} test", 1),
            (EFFECT, f"Winners of the {name} test for a true difference of {EFFECT} standard deviations", 4),
        ):
            rows = {noise: partial(significant_at_any_look, test, noise, effect=effect) for noise in NOISES}
            found.append(Table(f"{title} {at_looks}", rows, LOOKED_AT, divisor))
    missing = {
        f"{policy}, {absent}, {noise}": partial(false_winners_with_missing, absent, policy, noise)
        for policy in POLICIES
        for absent in ABSENT
        for noise in NOISES
    }
    share = f"{100 * ABSENT_SHARE:.0f}% of one model's scores missing"
    title = f"False winners of the sequential test with {share} {at_looks}"
    return [*found, Table(title, missing, LOOKED_AT, 4)]


def _videos(seeds: tuple[int, int]) -> str:
    least, most = seeds
    return f"{counted(most, 'video')} per prompt" if least == most else f"{least} to {most} videos per prompt"


def main() -> None:
    """Print the tables."""
    every = tables()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=4000)
    numbers = range(1, len(every) + 1)
    parser.add_argument("--tables", type=int, nargs="+", choices=numbers, default=numbers, metavar="NUMBER")
    options = parser.parse_args()
    for number in options.tables:
        print(every[number - 1].measure(options.sets), flush=True)


if __name__ == "__main__":
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        # The products are small: threads that wait for each other take 15 times as much CPU as one.
        os.execve(sys.executable, sys.orig_argv, os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    main()
