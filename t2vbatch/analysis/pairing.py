"""Pairs the videos of two models by prompt and seed, and treats missing scores by a named policy.  [pure]

A failed or degenerate video has no score. If failures depend on the prompt, the videos that are left
flatter the model that failed, so by default a winner must stay the winner for every value of the missing
scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from t2vbatch.errors import UsageError
from t2vbatch.metrics.protocol import Column
from t2vbatch.output.records import score_columns

FloatArray = npt.NDArray[np.float64]
Better = Literal["higher", "lower"] | None

UNKNOWN = Column(None)
"""A score of which nothing is known."""

_PAIRED_ON = ["row_id", "prompt", "seed"]
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
        raise UsageError("--missing", text, "bounds, worst, drop or impute:VALUE with a finite number")


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


def frame_of(table: pa.Table) -> pd.DataFrame:
    """The columns that pairing needs. Failed and degenerate videos have NaN for every score, and so
    has every score that is not finite.
    """
    scores = score_columns(table.schema)
    frame: pd.DataFrame = table.select([*_PAIRED_ON, *_SIZE, "status", "finished_at", *scores]).to_pandas()
    frame[scores] = frame[scores].where(frame["status"] == "ok").astype(float)
    frame[scores] = frame[scores].where(np.isfinite(frame[scores]))
    # Two rows without a prompt have the same prompt: none.
    return frame.assign(prompt=frame["prompt"].fillna(""))


def complete_prompts(results: pa.Table, plan: pa.Table) -> pa.Table:
    """The results of the prompts whose planned samples of a model are all finished.

    A sequential test counts a prompt once, so a prompt that still gets videos has to wait.
    """
    finished, planned = (
        table.select(["row_id", "model"]).to_pandas().astype(str).value_counts() for table in (results, plan)
    )
    complete = finished[finished >= planned.reindex(finished.index, fill_value=0)].index
    keys = results.select(["row_id", "model"]).to_pandas().astype(str)
    return results.filter(pa.array(pd.MultiIndex.from_frame(keys).isin(complete)))


def paired(
    names: tuple[str, str],
    frames: Mapping[str, pd.DataFrame],
    score: str,
    column: Column,
    missing: Missing,
    by_arrival: bool = False,
) -> PairedScores:
    """Pair the scores of the two models ``names``, whose rows are in ``frames``.

    Args:
        column: what is known of the score.
        by_arrival: number the prompts in the order in which the last of their samples was finished.
    """
    joined = _joined(frames[names[0]], frames[names[1]], score)
    if by_arrival:
        joined = joined.sort_values(["arrived", *_PAIRED_ON], ignore_index=True)
    unequal = _unequal(joined) if column.by_size else np.zeros(len(joined), bool)
    paired = joined[~unequal]
    both = paired[paired["first_status"].notna() & paired["second_status"].notna()]
    values = both[["first", "second"]].to_numpy(float)
    absent = np.isnan(values)
    if missing.policy in ("worst", "impute") and absent.any() and not absent.all():
        filling = _filling(values, column.better, missing)
        if filling is not None:
            filled = np.where(absent, filling, values)
            left_out = _left_out(joined, names, unequal, with_missing=False)
            first, second = filled.T
            return PairedScores(first, second, _codes(both), left_out, int(absent.sum()))
    complete = both[~absent.any(axis=1)]
    first, second = complete[["first", "second"]].to_numpy(float).T
    extremes = None
    if missing.policy == "bounds" and absent.any() and len(complete):
        extremes = _extremes(values, _codes(both))
    return PairedScores(first, second, _codes(complete), _left_out(joined, names, unequal), 0, extremes)


def _filling(values: FloatArray, better: Better, missing: Missing) -> float | None:
    """What replaces a missing score; None if the score has no worst value."""
    if missing.policy == "impute":
        return missing.value
    if better is None:
        return None
    return float(np.nanmin(values) if better == "higher" else np.nanmax(values))


def _extremes(values: FloatArray, prompts: npt.NDArray[np.intp]) -> Extremes:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    first, second = values.T
    worst = np.nan_to_num(first, nan=low) - np.nan_to_num(second, nan=high)
    best = np.nan_to_num(first, nan=high) - np.nan_to_num(second, nan=low)
    return Extremes(worst, best, prompts)


def _joined(left: pd.DataFrame, right: pd.DataFrame, score: str) -> pd.DataFrame:
    """All prompts and seeds of either model with both scores and statuses, in a fixed order."""
    sides = []
    for frame, name in ((left, "first"), (right, "second")):
        values = frame.get(score, np.nan)
        others = {f"{name}_{other}": frame[other] for other in ("status", "finished_at", *_SIZE)}
        side = frame[_PAIRED_ON].assign(**{name: values}, **others)
        # Identical rows have the same video, which counts once.
        sides.append(side.drop_duplicates(_PAIRED_ON))
    joined = sides[0].merge(sides[1], on=_PAIRED_ON, how="outer").sort_values(_PAIRED_ON, ignore_index=True)
    finished = joined[["first_finished_at", "second_finished_at"]].max(axis=1)
    return joined.assign(arrived=finished.groupby(joined["row_id"]).transform("max"))


def _unequal(joined: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which pairs have two videos whose frames differ in size."""
    different = [(joined[f"first_{side}"] - joined[f"second_{side}"]).fillna(0) != 0 for side in _SIZE]
    return (different[0] | different[1]).to_numpy(bool)


def _left_out(
    joined: pd.DataFrame, names: tuple[str, str], unequal: npt.NDArray[np.bool_], with_missing: bool = True
) -> dict[str, int]:
    """Reason: count. A pair without both scores counts once for each model."""
    reasons = {"the frames of both models differ in size": int(unequal.sum())}
    for side, name in zip(("first", "second"), names, strict=True):
        status, missing = joined[f"{side}_status"], joined[side].isna()
        reasons[f"{name} lacks the row and seed"] = int(status.isna().sum())
        if with_missing:
            reasons[f"{name} failed"] = int((status == "failed").sum())
            reasons[f"{name} made a degenerate video"] = int((status == "degenerate").sum())
            reasons[f"{name} has no score"] = int((missing & (status == "ok")).sum())
    return {reason: count for reason, count in reasons.items() if count}


def _codes(frame: pd.DataFrame) -> npt.NDArray[np.intp]:
    return pd.factorize(frame["row_id"])[0]


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
