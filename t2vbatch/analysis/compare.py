"""Which model is better, and how sure one can be: paired comparison on what the models share.  [pure]

Two models are compared on the rows and seeds that both have a score for, and on nothing else, so that a model
cannot win by failing. The videos of one row stand or fall together in every test, since they share a prompt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from t2vbatch.analysis.bootstrap import Interval, mean_interval, standard_error, student_t
from t2vbatch.output.records import score_columns

FloatArray = npt.NDArray[np.float64]
Better = Literal["higher", "lower"] | None

PERMUTATIONS = 9999
"""With the observed signs 10,000: p-values come in steps of 0.0001, and 0.05 is known to within 0.005."""

POWER = 0.8
_PAIRED_ON = ["row_id", "prompt", "seed"]
_CHUNK = 1 << 24
"""Signs drawn at a time, which bounds memory to some 150 MB however many rows there are."""


@dataclass(frozen=True)
class Pair:
    """Two models on one score, ``first`` minus ``second``.

    Attributes:
        better: which end of the score is good; None where nobody said, and wins are just larger values.
        n: shared videos; rows: manifest rows that they come from.
        left_out: reason: how many videos of either model took no part for it.
        first_mean, second_mean: over the shared videos.
        difference: mean paired difference with its 95% interval, clustered by row.
        p: two-sided sign-flip permutation test over rows; p_holm: corrected for all pairs and scores.
        wins, ties, losses: shared videos on which ``first`` is better, equal, worse.
        detectable: the smallest true difference that so many rows show (p < 0.05) four times out of five.
    """

    first: str
    second: str
    score: str
    better: Better
    n: int
    rows: int
    left_out: Mapping[str, int]
    first_mean: float | None = None
    second_mean: float | None = None
    difference: Interval | None = None
    p: float | None = None
    p_holm: float | None = None
    wins: int = 0
    ties: int = 0
    losses: int = 0
    detectable: float | None = None

    @property
    def winner(self) -> str | None:
        """The better model, where p_holm is below 0.05 and the score has a direction."""
        if self.difference is None or self.p_holm is None or self.p_holm >= 0.05 or self.better is None:
            return None
        return self.first if (self.difference.mean > 0) == (self.better == "higher") else self.second


@dataclass(frozen=True)
class Comparison:
    """Every pair of models on every score, in the order of the scores."""

    models: tuple[str, ...]
    pairs: tuple[Pair, ...]

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain values."""
        return {
            "models": self.models,
            "pairs": [asdict(pair) | {"winner": pair.winner} for pair in self.pairs],
        }


def models_by_name(outputs: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The models of several results tables by name; ``output/model`` where two outputs use one name."""
    found = [(output, model, table) for output, table in outputs.items() for model in _models(table)]
    names = [model for _, model, _ in found]
    return {
        model if names.count(model) == 1 else f"{output}/{model}": table.filter(
            pa.compute.field("model") == model
        )
        for output, model, table in found
    }


def compare(models: Mapping[str, pa.Table], better: Mapping[str, Better]) -> Comparison:
    """Compare every pair of models on every score that both have.

    Args:
        models: name: its rows of a results table, with the schema of ``records.results_schema``.
        better: score: which end is the good one.
    """
    frames = {name: _frame(table) for name, table in models.items()}
    pairs = [
        _pair(first, second, frames[first], frames[second], score, better.get(score))
        for score in dict.fromkeys(name for table in models.values() for name in score_columns(table.schema))
        for first, second in combinations(models, 2)
    ]
    return Comparison(tuple(models), tuple(_holm(pairs)))


def sign_flip_p(sums: FloatArray) -> float:
    """Two-sided p of the hypothesis that the signs of ``sums``, one a row, are coin flips.

    The share of PERMUTATIONS random sign patterns, and the observed one, whose total is as far from 0 or
    farther. It holds whatever the distribution, as long as that is symmetric under the hypothesis.
    """
    observed = abs(sums.sum())
    random = np.random.default_rng(0)
    chunk = max(1, _CHUNK // len(sums))
    as_far = 1
    for start in range(0, PERMUTATIONS, chunk):
        flips = random.integers(0, 2, (min(chunk, PERMUTATIONS - start), len(sums)), dtype=np.int8)
        # Totals that are equal on paper differ in the last digit when summed in another order.
        as_far += int((np.abs(flips @ (2 * sums) - sums.sum()) >= observed * (1 - 1e-9)).sum())
    return as_far / (PERMUTATIONS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p-values that hold for all of them together."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    steps = (len(p_values) - np.arange(len(p_values))) * np.asarray(p_values, float)[order]
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(p) for p in corrected]


def _models(table: pa.Table) -> list[str]:
    return list(dict.fromkeys(table["model"].to_pylist()))


def _frame(table: pa.Table) -> pd.DataFrame:
    """What the pairing looks at; the score columns as plain floats."""
    frame: pd.DataFrame = table.select([*_PAIRED_ON, "status", *score_columns(table.schema)]).to_pandas()
    # One missing prompt equals another: both rows have none.
    return frame.assign(prompt=frame["prompt"].fillna(""))


def _pair(
    first: str, second: str, left: pd.DataFrame, right: pd.DataFrame, score: str, better: Better
) -> Pair:
    both = _joined(left, right, score)
    shared = both[both["first"].notna() & both["second"].notna()]
    left_out = _left_out(both, first, second)
    if shared.empty:
        return Pair(first, second, score, better, 0, 0, left_out)
    differences = (shared["first"] - shared["second"]).to_numpy(float)
    rows = pd.factorize(shared["row_id"])[0]
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    if better == "lower":
        wins, losses = losses, wins
    return Pair(
        first,
        second,
        score,
        better,
        n=len(differences),
        rows=int(rows.max()) + 1,
        left_out=left_out,
        first_mean=float(shared["first"].mean()),
        second_mean=float(shared["second"].mean()),
        difference=mean_interval(differences, rows),
        p=sign_flip_p(np.bincount(rows, differences).astype(float)),
        wins=wins,
        ties=len(differences) - wins - losses,
        losses=losses,
        detectable=_detectable(differences, rows),
    )


def _joined(left: pd.DataFrame, right: pd.DataFrame, score: str) -> pd.DataFrame:
    """Every row and seed of either model with both scores and statuses, in one order."""
    sides = []
    for frame, name in ((left, "first"), (right, "second")):
        values = frame.get(score, np.nan)
        side = frame[_PAIRED_ON].assign(**{name: values, f"{name}_status": frame["status"]})
        # Rows that say the same make the same video: one of them stands for all.
        sides.append(side.drop_duplicates(_PAIRED_ON))
    return sides[0].merge(sides[1], on=_PAIRED_ON, how="outer").sort_values(_PAIRED_ON, ignore_index=True)


def _left_out(both: pd.DataFrame, first: str, second: str) -> dict[str, int]:
    """Reason: count. A pair that both lack counts once for each, since either would have to mend it."""
    reasons = {}
    for side, name in (("first", first), ("second", second)):
        status, missing = both[f"{side}_status"], both[side].isna()
        reasons[f"{name} has no such row and seed"] = int(status.isna().sum())
        reasons[f"{name} made no video"] = int((missing & status.isin(["failed", "degenerate"])).sum())
        reasons[f"{name} has no score"] = int((missing & (status == "ok")).sum())
    return {reason: count for reason, count in reasons.items() if count}


def _detectable(differences: FloatArray, rows: npt.NDArray[np.intp]) -> float | None:
    sums = np.bincount(rows, differences).astype(float)
    counts = np.bincount(rows).astype(float)
    if len(sums) < 2:
        return None
    quantile = student_t(0.975, len(sums) - 1) + NormalDist().inv_cdf(POWER)
    return quantile * standard_error(sums, counts)


def _holm(pairs: Sequence[Pair]) -> list[Pair]:
    tested = [pair for pair in pairs if pair.p is not None]
    corrected = iter(holm([pair.p for pair in tested if pair.p is not None]))
    return [pair if pair.p is None else replace(pair, p_holm=next(corrected)) for pair in pairs]
