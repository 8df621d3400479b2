"""Pairs the videos of two models by prompt and seed, and treats missing scores by a named policy.  [pure]

A failed or degenerate video has no score. If failures depend on the prompt, the videos that are left
flatter the model that failed, so by default a winner must stay the winner for every value of the missing
scores.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from t2vbatch.analysis.intervals import LARGEST, ROUNDING
from t2vbatch.errors import UsageError
from t2vbatch.metrics.protocol import Column
from t2vbatch.output.records import score_columns

FloatArray = npt.NDArray[np.float64]
Better = Literal["higher", "lower"] | None

UNKNOWN = Column(None)
"""A score whose direction and range are unknown."""

_Key = tuple[str, str, int]
_SIZE = ["width", "height"]


@dataclass(frozen=True)
class Missing:
    """How a comparison treats missing scores.

    Attributes:
        policy: ``bounds`` leaves pairs with a missing score out of the difference, and reports no winner
            unless the winner stays the same for all values of the missing scores between the lowest and
            the highest score of both models. ``worst`` replaces a missing score by the worst score of both
            models. ``impute`` replaces it by ``value``. ``drop`` leaves the pairs out.
    """

    policy: Literal["bounds", "worst", "drop", "impute"] = "bounds"
    value: float = float("nan")

    @staticmethod
    def parse(text: str) -> "Missing":
        """``bounds``, ``worst``, ``drop`` or ``impute:VALUE``. Raises UsageError for anything else."""
        match text.partition(":"):
            case ("bounds", "", ""):
                return Missing("bounds")
            case ("worst", "", ""):
                return Missing("worst")
            case ("drop", "", ""):
                return Missing("drop")
            case ("impute", ":", value) if _is_number(value):
                return Missing("impute", float(value))
        raise UsageError("--missing", text, "bounds, worst, drop or impute:VALUE with a number")


@dataclass(frozen=True)
class PairedScores:
    """The scores of two models on the prompts and seeds of both.

    Attributes:
        first, second: scores of equal shape (N,), without NaN.
        prompts: the prompt of each pair as an integer, shape (N,).
        left_out: reason: number of videos that are not among them.
        filled: number of missing scores that the policy replaced.
        extremes: all pairs, including those with a missing score: differences with every missing score at its
            worst and at its best for ``first``, and their prompts; None if no score is missing or the
            policy is not ``bounds``.
    """

    first: FloatArray
    second: FloatArray
    prompts: npt.NDArray[np.intp]
    left_out: Mapping[str, int]
    filled: int = 0
    extremes: "Extremes | None" = None


@dataclass(frozen=True)
class Extremes:
    """The differences ``first`` - ``second`` at both ends of what the missing scores allow, shape (M,)
    each.
    """

    low: FloatArray
    high: FloatArray
    prompts: npt.NDArray[np.intp]


@dataclass(frozen=True)
class ModelScores:
    """What pairing needs of the results of one model with N samples.

    Attributes:
        positions: (row_id, prompt, seed): the first sample with these. Rows that share a sample have the same
            video, which counts once. A row without a prompt has the prompt "".
        status: shape (N,), text.
        sizes: width and height in pixels, NaN if unknown, shape (2, N).
        rates: frames per second, NaN if unknown, shape (N,).
        finished_us: when each sample was finished, in microseconds, NaN if unknown, shape (N,).
        scores: score: shape (N,). Failed and degenerate videos have NaN, and so has every score that is
            not finite or larger than LARGEST.
    """

    positions: Mapping[_Key, int]
    status: npt.NDArray[np.object_]
    sizes: FloatArray
    rates: FloatArray
    finished_us: FloatArray
    scores: Mapping[str, FloatArray]

    def scores_named(self, name: str) -> FloatArray:
        """The scores of this name; NaN for each sample if the model has none."""
        return self.scores.get(name, np.full(len(self.status), np.nan))

    @property
    def rate(self) -> float | None:
        """The frame rate of the videos that have one; None if no video has one, or they differ."""
        known = np.unique(self.rates[~np.isnan(self.rates)])
        return float(known[0]) if len(known) == 1 else None

    def prompt_means(self, name: str) -> FloatArray:
        """The mean score of each row, in the order of rows; NaN for a row without a score."""
        rows = {row: code for code, row in enumerate(sorted({row for row, *_ in self.positions}))}
        codes = np.array([rows[row] for row, *_ in self.positions], np.intp)
        values = self.scores[name][list(self.positions.values())]
        known = ~np.isnan(values)
        counts = np.bincount(codes[known], minlength=len(rows))
        sums = np.bincount(codes[known], values[known], minlength=len(rows))
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


@dataclass(frozen=True)
class Join:
    """The K rows and seeds of either of two models, in the order of row, prompt and seed.

    Attributes:
        models: both models.
        positions: the sample of each model, -1 if the model lacks it, shape (2, K).
        prompts: the row as an integer, shape (K,).
    """

    models: tuple[ModelScores, ModelScores]
    positions: npt.NDArray[np.intp]
    prompts: npt.NDArray[np.intp]

    def values(self, score: str) -> FloatArray:
        """The scores of both models, NaN if missing, shape (2, K)."""
        return self._of_both(lambda model: model.scores_named(score), np.nan)

    def status(self) -> npt.NDArray[np.object_]:
        """The statuses of both models, "" if the model lacks the sample, shape (2, K)."""
        return self._of_both(lambda model: model.status, "")

    def unequal_sizes(self) -> npt.NDArray[np.bool_]:
        """Which pairs have two videos whose frames differ in size, shape (K,)."""
        widths = self._of_both(lambda model: model.sizes[0], np.nan)
        heights = self._of_both(lambda model: model.sizes[1], np.nan)
        return _differ(*widths) | _differ(*heights)

    def _of_both(self, values: Callable[[ModelScores], npt.NDArray[Any]], absent: Any) -> npt.NDArray[Any]:
        sides = zip(self.models, self.positions, strict=True)
        return np.stack([np.append(values(model), absent)[found] for model, found in sides])


def scores_of(table: pa.Table) -> ModelScores:
    """Read a results table with the rows of one model."""
    columns = [table[name].to_pylist() for name in ("row_id", "prompt", "seed", "sample_id")]
    positions: dict[_Key, int] = {}
    seen: set[str] = set()
    for position, (row_id, prompt, seed, sample_id) in enumerate(zip(*columns, strict=True)):
        if sample_id not in seen:
            positions.setdefault((row_id, prompt or "", seed), position)
            seen.add(sample_id)
    status = np.array(table["status"].to_pylist(), object)
    sizes = np.stack([_floats(table[side]) for side in _SIZE])
    rates, finished = _floats(table["fps"]), _floats(table["finished_at"].cast(pa.int64()))
    scores = {name: _usable(_floats(table[name]), status) for name in score_columns(table.schema)}
    return ModelScores(positions, status, sizes, rates, finished, scores)


def _usable(values: FloatArray, status: npt.NDArray[np.object_]) -> FloatArray:
    return np.where((status == "ok") & (np.abs(values) <= LARGEST), values, np.nan)


def join(left: ModelScores, right: ModelScores, by_arrival: bool = False) -> Join:
    """Pair the samples of two models by row, prompt and seed.

    Args:
        by_arrival: order the prompts by the time at which the last of their samples was finished.
    """
    keys = sorted(left.positions.keys() | right.positions.keys())
    if by_arrival:
        arrived = _arrivals(left, right)
        keys.sort(key=lambda key: arrived.get(key[0], math.inf))
    positions = [[model.positions.get(key, -1) for key in keys] for model in (left, right)]
    new_row = [row != before for (row, *_), (before, *_) in pairwise(keys)]
    prompts = np.cumsum([0, *new_row][: len(keys)], dtype=np.intp)
    return Join((left, right), np.array(positions, np.intp), prompts)


def _arrivals(*models: ModelScores) -> dict[str, float]:
    """Row: when the last of its samples was finished, in microseconds."""
    arrived: dict[str, float] = {}
    for model in models:
        for (row, *_), position in model.positions.items():
            finished = float(model.finished_us[position])
            if not math.isnan(finished):
                arrived[row] = max(arrived.get(row, finished), finished)
    return arrived


def complete_prompts(results: pa.Table, plan: pa.Table) -> pa.Table:
    """The results of the prompts whose planned samples of a model are all finished.

    A sequential test counts a prompt once, so a prompt that still gets videos has to wait.
    """
    finished, planned = (Counter(_row_models(table)) for table in (results, plan))
    complete = {key for key, count in finished.items() if count >= planned[key]}
    return results.filter(pa.array([key in complete for key in _row_models(results)], pa.bool_()))


def _row_models(table: pa.Table) -> list[tuple[str, str]]:
    return list(zip(table["row_id"].to_pylist(), table["model"].to_pylist(), strict=True))


def without_rounding(first: FloatArray, second: FloatArray) -> FloatArray:
    """``first`` - ``second``, with 0 for differences that are only rounding: one part in 10^9.

    If all differences are equal but for rounding, each is their mean.
    """
    differences = first - second
    rounding = ROUNDING * np.maximum(np.abs(first), np.abs(second))
    differences = np.where(np.abs(differences) <= rounding, 0.0, differences)
    if len(differences) and np.ptp(differences) <= rounding.min():
        return np.full(len(differences), differences.mean())
    return differences


def paired(
    names: tuple[str, str], joined: Join, score: str, column: Column, missing: Missing
) -> PairedScores:
    """Pair the scores of the two models ``names``.

    Args:
        column: what is known of the score.
    """
    unequal = joined.unequal_sizes() if column.by_size else np.zeros(len(joined.prompts), bool)
    both = ~unequal & (joined.positions >= 0).all(axis=0)
    values, prompts = joined.values(score)[:, both], joined.prompts[both]
    absent = np.isnan(values)
    if missing.policy in ("worst", "impute") and absent.any() and not absent.all():
        filling = _filling(values, column.better, missing)
        if filling is not None:
            first, second = np.where(absent, filling, values)
            left_out = _left_out(joined, names, unequal)
            return PairedScores(first, second, _codes(prompts), left_out, int(absent.sum()))
    complete = ~absent.any(axis=0)
    first, second = values[:, complete]
    extremes = None
    if missing.policy == "bounds" and absent.any() and complete.any():
        extremes = _extremes(values, _codes(prompts))
    left_out = _left_out(joined, names, unequal, score)
    return PairedScores(first, second, _codes(prompts[complete]), left_out, 0, extremes)


def _filling(values: FloatArray, better: Better, missing: Missing) -> float | None:
    """What replaces a missing score; None if the score has no worst value."""
    if missing.policy == "impute":
        return missing.value
    if better is None:
        return None
    return float(np.nanmin(values) if better == "higher" else np.nanmax(values))


def _extremes(values: FloatArray, prompts: npt.NDArray[np.intp]) -> Extremes:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    first, second = values
    worst = without_rounding(np.nan_to_num(first, nan=low), np.nan_to_num(second, nan=high))
    best = without_rounding(np.nan_to_num(first, nan=high), np.nan_to_num(second, nan=low))
    return Extremes(worst, best, prompts)


def _left_out(
    joined: Join, names: tuple[str, str], unequal: npt.NDArray[np.bool_], score: str | None = None
) -> dict[str, int]:
    """Reason: count. A pair without both scores counts once for each model.

    Args:
        score: None if missing scores are filled, so that they leave no pair out.
    """
    reasons = {"the frames of both models differ in size": int(unequal.sum())}
    for side, (name, status) in enumerate(zip(names, joined.status(), strict=True)):
        reasons[f"{name} lacks the row and seed"] = int((status == "").sum())
        if score is not None:
            unscored = np.isnan(joined.values(score)[side]) & (status == "ok")
            reasons[f"{name} failed"] = int((status == "failed").sum())
            reasons[f"{name} made a degenerate video"] = int((status == "degenerate").sum())
            reasons[f"{name} has no score"] = int(unscored.sum())
    return {reason: count for reason, count in reasons.items() if count}


def _differ(first: FloatArray, second: FloatArray) -> npt.NDArray[np.bool_]:
    """Where two known values differ."""
    return np.asarray(np.nan_to_num(first - second) != 0, np.bool_)


def _codes(prompts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The prompts, numbered from 0 without gaps."""
    return np.unique(prompts, return_inverse=True)[1]


def _floats(column: pa.ChunkedArray) -> FloatArray:
    # From a list, because pyarrow imports pandas for a conversion to numpy, which takes half a second.
    return np.array(column.to_pylist(), np.float64)


def _is_number(text: str) -> bool:
    """Whether the text is a number that a mean can use."""
    try:
        return abs(float(text)) <= LARGEST
    except ValueError:
        return False
