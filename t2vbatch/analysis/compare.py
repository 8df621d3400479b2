"""Which of two models is better, and how certain that is: paired comparison by prompt and seed.  [pure]

Two models are compared on the prompts and seeds of both. All videos of one prompt are one unit in every
interval and test, because they share the prompt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.intervals import Interval, is_constant, standard_error, unit_of
from t2vbatch.analysis.paired_test import ANYTIME, SIGN_FLIP, PairedTest
from t2vbatch.analysis.pairing import (
    UNKNOWN,
    Better,
    Missing,
    ModelScores,
    PairedScores,
    join,
    paired,
    scores_of,
    without_rounding,
)
from t2vbatch.analysis.planning import Components, Goal, components, plans
from t2vbatch.analysis.sign_flip import holm
from t2vbatch.metrics.protocol import Column
from t2vbatch.output.records import rows_where, score_columns

__all__ = ["Better", "Comparison", "Missing", "Pair", "compare", "compare_groups", "models_by_name"]

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Pair:
    """Two models on one score. Differences are ``first`` - ``second``.

    Attributes:
        better: the better direction of the score. A score without a direction is not tested.
        n: number of pairs of videos.
        rows: number of their prompts.
        left_out: reason: number of videos of either model that are not among them.
        filled: number of missing scores that ``--missing`` replaced.
        first_mean, second_mean: means over the pairs.
        difference: mean paired difference with its 95% interval, clustered by prompt.
        bounds: the mean difference with all missing scores at their worst and at their best for ``first``;
            None if no score is missing or another policy treats them.
        p: two-sided sign-flip p-value over prompts, the largest that the bounds allow.
        p_holm: ``p`` corrected for all tests of this command.
        smallest_p: the smallest p that this number of prompts can give.
        wins, ties, losses: pairs in which the video of ``first`` is better, equal, worse.
        win_rate: the share of wins, ties counted as half, with its 95% interval, clustered by prompt.
        effect: mean difference of prompts in standard deviations between prompts (Cohen's d of paired data);
            None if all prompts have the same difference.
        error: standard error of the mean difference; None if all prompts have the same difference.
        detectable: the smallest true difference that this number of prompts and tests detects with 80% power;
            None if no difference can be significant.
        tests: number of tests that p_holm is corrected for.
        rates: the frame rates of both models, if the score depends on the rate and they differ.
        sequential: whether p and the interval of the difference are valid at every look of a growing run.
        components: variances of the difference between prompts and between seeds of a prompt.
    """

    first: str
    second: str
    score: str
    better: Better
    n: int
    rows: int
    left_out: Mapping[str, int]
    filled: int = 0
    first_mean: float | None = None
    second_mean: float | None = None
    difference: Interval | None = None
    bounds: tuple[float, float] | None = None
    p: float | None = None
    p_holm: float | None = None
    smallest_p: float | None = None
    wins: int = 0
    ties: int = 0
    losses: int = 0
    win_rate: Interval | None = None
    effect: float | None = None
    error: float | None = None
    detectable: float | None = None
    tests: int = 0
    components: Components | None = None
    sequential: bool = False
    rates: tuple[float, float] | None = None

    @property
    def winner(self) -> str | None:
        """The better model, if p_holm is below 0.05."""
        if self.difference is None or self.p_holm is None or self.p_holm >= SIGNIFICANCE:
            return None
        return self.first if (self.difference.mean > 0) == (self.better == "higher") else self.second


@dataclass(frozen=True)
class Comparison:
    """All pairs of models on all scores, in the order of the scores."""

    models: tuple[str, ...]
    pairs: tuple[Pair, ...]

    def to_json(self, goal: Goal | None = None) -> dict[str, Any]:
        """The comparison as plain values; with a goal each pair has ``plan``: videos per prompt: prompts."""
        pairs = [asdict(pair) | {"winner": pair.winner} for pair in self.pairs]
        if goal is not None:
            for pair, values in zip(self.pairs, pairs, strict=True):
                values["plan"] = None if pair.components is None else plans(pair.components, goal, pair.tests)
        return {"models": self.models, "pairs": pairs}


def models_by_name(outputs: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The models of several results tables by name; ``output/model`` if two outputs have a model of one
    name.
    """
    found = [(output, model, table) for output, table in outputs.items() for model in _models(table)]
    names = [model for _, model, _ in found]
    return {
        model.as_py() if names.count(model) == 1 else f"{output}/{model}": rows_where(
            table, pc.equal(table["model"], model)
        )
        for output, model, table in found
    }


def compare(
    models: Mapping[str, pa.Table],
    columns: Mapping[str, Column],
    missing: Missing | None = None,
    sequential: bool = False,
) -> Comparison:
    """Compare all pairs of models on all scores.

    Args:
        models: name: its rows of a results table, with the schema of ``records.results_schema``.
        columns: score: what is known of it. A score without a better direction is shown and not tested.
        missing: the treatment of missing scores; None means ``bounds``.
        sequential: p-values and intervals are valid however often one looks while the data grow.
    """
    return compare_groups({"": models}, columns, missing, sequential)[""]


def compare_groups(
    groups: Mapping[str, Mapping[str, pa.Table]],
    columns: Mapping[str, Column],
    missing: Missing | None = None,
    sequential: bool = False,
) -> dict[str, Comparison]:
    """Compare the models within each group of prompts; p-values are corrected over all groups together.

    Args:
        groups: label: models as for ``compare``.
    """
    test = ANYTIME if sequential else SIGN_FLIP
    missing = missing or Missing()
    tests = sum(_tests(models, columns) for models in groups.values())
    found = {label: _pairs(models, columns, missing, test, tests) for label, models in groups.items()}
    corrected = iter(_corrected([pair for pairs in found.values() for pair in pairs], test))
    return {
        label: Comparison(tuple(groups[label]), tuple(next(corrected) for _ in pairs))
        for label, pairs in found.items()
    }


def _pairs(
    models: Mapping[str, pa.Table],
    columns: Mapping[str, Column],
    missing: Missing,
    test: PairedTest,
    tests: int,
) -> list[Pair]:
    if len(models) < 2:
        return []
    samples = {name: scores_of(table) for name, table in models.items()}
    joins = {
        names: join(samples[names[0]], samples[names[1]], test.by_arrival)
        for names in combinations(models, 2)
    }
    found = []
    for score in _scores(models):
        column = columns.get(score, UNKNOWN)
        for names, joined in joins.items():
            values = paired(names, joined, score, column, missing)
            pair = _pair(names, values, score, column.better, test, tests)
            found.append(replace(pair, rates=_rates(joined.models) if column.by_rate else None))
    return found


def _rates(models: tuple[ModelScores, ModelScores]) -> tuple[float, float] | None:
    """The frame rates of two models, if they are known and differ."""
    first, second = (model.rate for model in models)
    return None if first is None or second is None or first == second else (first, second)


def _scores(models: Mapping[str, pa.Table]) -> list[str]:
    return list(dict.fromkeys(name for table in models.values() for name in score_columns(table.schema)))


def _tests(models: Mapping[str, pa.Table], columns: Mapping[str, Column]) -> int:
    """How many pairs of models and scores can be tested."""
    directed = sum(columns.get(score, UNKNOWN).better is not None for score in _scores(models))
    return directed * len(models) * (len(models) - 1) // 2


def _pair(
    names: tuple[str, str],
    scores: PairedScores,
    score: str,
    better: Better,
    test: PairedTest,
    tests: int,
) -> Pair:
    pair = Pair(
        *names,
        score,
        better,
        len(scores.first),
        0,
        scores.left_out,
        scores.filled,
        sequential=test.by_arrival,
    )
    if not pair.n:
        return pair
    differences = without_rounding(scores.first, scores.second)
    unit = unit_of(differences)
    sums, counts = (
        np.bincount(scores.prompts, weights).astype(float) for weights in (differences / unit, None)
    )
    rows, means = len(sums), sums / counts
    signs = np.sign(differences) * (-1 if better == "lower" else 1)
    extremes = scores.extremes
    # Equal prompts show no spread, so they say nothing about the effect or what more prompts would detect.
    spread = rows > 1 and not is_constant(means)
    error = standard_error(sums, counts) if spread else None
    return replace(
        pair,
        rows=rows,
        first_mean=float(scores.first.mean()),
        second_mean=float(scores.second.mean()),
        difference=test.interval(differences, scores.prompts),
        bounds=None if extremes is None else (float(extremes.low.mean()), float(extremes.high.mean())),
        p=None if better is None else largest_p(scores, test, tests),
        smallest_p=None if better is None else test.smallest_p(rows, tests),
        wins=int((signs > 0).sum()),
        ties=int((signs == 0).sum()),
        losses=int((signs < 0).sum()),
        win_rate=test.share((signs + 1) / 2, scores.prompts),
        effect=float(means.mean() / means.std(ddof=1)) if spread else None,
        error=None if error is None else error * unit,
        components=components(differences, scores.prompts),
    )


def largest_p(scores: PairedScores, test: PairedTest, tests: int) -> float:
    """The p-value, the largest that the missing scores allow.

    If a total has one sign at both extremes, the p-value of the sign-flip test is largest at one of them:
    raising a single difference lowers the p-value of a positive total, because fewer sign patterns reach it.
    The sequential test has no such order. That it names no more false winners with missing scores than
    without is measured: ``tests/benchmarks/statistics.md``.
    """
    if scores.extremes is None:
        return test.p(_totals(without_rounding(scores.first, scores.second), scores.prompts), tests)
    ends = [_totals(end, scores.extremes.prompts) for end in (scores.extremes.low, scores.extremes.high)]
    if ends[0].sum() <= 0 <= ends[1].sum():
        return 1.0
    return max(test.p(end, tests) for end in ends)


def _totals(differences: Any, prompts: Any) -> Any:
    return np.bincount(prompts, differences).astype(float)


def _corrected(pairs: Sequence[Pair], test: PairedTest) -> list[Pair]:
    """The pairs with Holm's correction over all of them, and what they can detect under it."""
    tests = sum(pair.p is not None for pair in pairs)
    corrected = iter(holm([pair.p for pair in pairs if pair.p is not None]))
    return [
        pair
        if pair.p is None
        else replace(pair, p_holm=next(corrected), tests=tests, detectable=_detectable(pair, tests, test))
        for pair in pairs
    ]


def _detectable(pair: Pair, tests: int, test: PairedTest) -> float | None:
    effect = test.detectable(pair.rows, SIGNIFICANCE / tests)
    return None if effect is None or pair.error is None else effect * pair.error * sqrt(pair.rows)


def _models(table: pa.Table) -> list[pa.StringScalar]:
    return list(pc.unique(table["model"]))
