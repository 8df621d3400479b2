"""Choose the samples that the page shows when a run has more than the page can hold.  [pure]"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

MAX_VIDEOS = 5000
"""Default limit of the page: its data stay below about 10 MB, and it opens in about a second."""

EXTREMES = 20
"""Lowest and highest videos of each model and score that the page always shows."""


def select(results: pa.Table, scores: Sequence[str], limit: int = MAX_VIDEOS) -> pa.Table:
    """The samples for the page: all of them up to ``limit``, else a part in the order of ``results``.

    The part has every sample that is not ok, the EXTREMES lowest and highest values of each score and
    model, and an even sample of the rest. The even sample takes a row and seed with all its models, so that
    the models stay comparable. All samples that are not ok stay, even if they alone exceed ``limit``.

    Args:
        results: as in results.parquet; each row has a status.
        scores: the score columns.
        limit: about how many samples to keep; at least 1.
    """
    if results.num_rows <= limit:
        return results
    frame = results.select(["row_id", "seed", "model", "status", *scores]).to_pandas()
    chosen = (frame["status"] != "ok").to_numpy(copy=True)
    for score in scores:
        chosen[_extremes(frame, score)] = True
    chosen |= _even(frame, limit - int(chosen.sum()), chosen)
    return results.filter(pa.array(chosen))


def _extremes(frame: pd.DataFrame, score: str) -> npt.NDArray[np.int64]:
    ordered = frame[frame[score].notna()].sort_values(score, kind="stable").groupby("model", sort=False)
    ends = [ordered.head(EXTREMES), ordered.tail(EXTREMES)]
    return np.concatenate([end.index.to_numpy() for end in ends])


def _even(frame: pd.DataFrame, budget: int, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Mark groups of one row and seed at equal distances until about ``budget`` samples are added."""
    group = frame.groupby(["row_id", "seed"], sort=False).ngroup().to_numpy()
    groups = int(group.max()) + 1
    wanted = max(0, round(budget / max(1.0, (~chosen).sum() / groups)))
    if not wanted:
        return np.zeros(len(frame), bool)
    picked = np.unique(np.linspace(0, groups - 1, min(wanted, groups)).round().astype(int))
    return np.isin(group, picked)
