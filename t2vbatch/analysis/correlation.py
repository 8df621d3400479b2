"""How much the scores of a model agree: rank correlations of the means of its prompts.  [pure]

Within one model only: over several models two scores also agree because one model is better in both.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from t2vbatch.analysis.intervals import LEVEL, Interval, levels
from t2vbatch.analysis.pairing import scores_of
from t2vbatch.analysis.text_table import Format, Table
from t2vbatch.output.records import score_columns

FloatArray = npt.NDArray[np.float64]

LEAST = 5
"""Prompts that a correlation needs: with fewer, its interval is too wide to be of use."""


@dataclass(frozen=True)
class Correlation:
    """Two scores of one model.

    Attributes:
        prompts: number of prompts with both scores.
        value: Spearman's correlation with its 95% interval; None if there is none, for the ``reason``.
    """

    model: str
    first: str
    second: str
    prompts: int
    value: Interval | None
    reason: str | None = None


def spearman(first: FloatArray, second: FloatArray) -> Interval:
    """Spearman's rank correlation of two arrays of one shape (N,), N >= 4, neither of them constant.

    The interval is that of Fisher's z with the standard error sqrt((1 + r^2 / 2) / (N - 3)): Bonett and
    Wright, Sample size requirements for estimating Pearson, Kendall and Spearman correlations, 2000.
    """
    one, two = (ranks - ranks.mean() for ranks in (_ranks(first), _ranks(second)))
    value = float(np.clip(one @ two / math.sqrt(float((one @ one) * (two @ two))), -1, 1))
    if abs(value) > 1 - 1e-12:
        # Fisher's z is infinite, and the ranks show no spread around the line.
        return Interval(round(value), None, None, "a perfect correlation has no interval")
    error = math.sqrt((1 + value**2 / 2) / (len(first) - 3))
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * error
    return Interval(value, math.tanh(math.atanh(value) - reach), math.tanh(math.atanh(value) + reach))


def _ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1; values that are equal but for rounding have the mean of their ranks."""
    places = levels(values)
    counts = np.bincount(places)
    ranks: FloatArray = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def correlations(models: Mapping[str, pa.Table]) -> tuple[Correlation, ...]:
    """All pairs of scores of each model, in the order of models and scores.

    Args:
        models: name: its rows of a results table. Failed and degenerate videos have no scores.
    """
    found = []
    for model, table in models.items():
        scores = score_columns(table.schema)
        samples = scores_of(table)
        means = {score: samples.prompt_means(score) for score in scores}
        found += [_correlation(model, means, *names) for names in combinations(scores, 2)]
    return tuple(found)


def correlation_table(found: Sequence[Correlation], form: Format = "text", width: int = 120) -> str:
    """The correlations as a table, with a note on those that cannot be computed."""
    rows = [
        (one.model, one.first, one.second, _text(one.value), f"{one.prompts}")
        for one in found
        if one.value is not None
    ]
    header = ("model", "score", "score", "rank correlation [95%]", "prompts")
    text = Table(header, rows, frozenset({3, 4}), heading=0).render(form, width)
    missing = [
        f"{one.first} and {one.second} of {one.model}: no correlation, because {one.reason}"
        for one in found
        if one.value is None
    ]
    notes = ["rank correlation: Spearman's, of the means of prompts within a model", *missing]
    comment = "% " if form == "latex" else ""
    return "\n".join([text, "", *(f"{comment}{note}" for note in notes)])


def _correlation(model: str, means: Mapping[str, FloatArray], first: str, second: str) -> Correlation:
    known = ~np.isnan(means[first]) & ~np.isnan(means[second])
    both = {name: means[name][known] for name in (first, second)}
    prompts = int(known.sum())
    if prompts < LEAST:
        reason = f"{prompts} prompts with both scores are fewer than {LEAST}"
        return Correlation(model, first, second, prompts, None, reason)
    constant = [name for name in (first, second) if not levels(both[name]).any()]
    if constant:
        reason = f"{constant[0]} has the same value for every prompt"
        return Correlation(model, first, second, prompts, None, reason)
    value = spearman(both[first], both[second])
    return Correlation(model, first, second, prompts, value)


def _text(interval: Interval | None) -> str:
    if interval is None or interval.low is None or interval.high is None:
        return "-" if interval is None else f"{interval.mean:+z.2f}"
    return f"{interval.mean:+z.2f} [{interval.low:+z.2f}, {interval.high:+z.2f}]"
