"""Scores by the values of a manifest column, for the heat map of the page.  [pure]"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.groups import label_of
from t2vbatch.report.data import page_value

LARGEST = 40
"""Most values of a column that the heat map lists; the most frequent ones."""

BINS = 4
"""A numeric column with more than LARGEST_DISTINCT values is cut into this many ranges of equal count."""

LARGEST_DISTINCT = 12


def breakdowns(results: pa.Table, columns: Sequence[str], scores: Sequence[str]) -> dict[str, Any]:
    """Mean scores of each model by each value of each column that has at least two values.

    As in the leaderboard, only ok videos count: a degenerate video may have scores, and they are left out.

    Returns:
        ``{column: {"groups": [...], "total": int, "cells": {score: {model: [cell or None, ...]}}}}``.
        A group is ``{"label": text, "value": text}`` or ``{"label": text, "range": [low, high]}``;
        ``total`` counts all groups, also those beyond LARGEST. A cell is ``[mean, videos, rows]``, in the
        order of the groups.
    """
    scores = [score for score in scores if results[score].null_count < results.num_rows]
    if not scores:
        return {}
    frame = results.select(["model", "row_id", "status", *scores]).to_pandas()
    found = {}
    for name in columns:
        groups, codes = _groups(results[name])
        if len(groups) > 1:
            found[name] = {
                "groups": groups[:LARGEST],
                "total": len(groups),
                "cells": {score: _cells(frame, codes, score, min(len(groups), LARGEST)) for score in scores},
            }
    return found


def _groups(column: pa.ChunkedArray) -> tuple[list[dict[str, Any]], np.ndarray[Any, np.dtype[np.int64]]]:
    """The groups of a column, and the group of each row; -1 for none."""
    numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if numeric and pc.count_distinct(column).as_py() > LARGEST_DISTINCT:
        return _ranges(column.to_pandas())
    labels = pd.Series([_label(page_value(value)) for value in column.to_pylist()], dtype="string")
    if labels.nunique(dropna=True) == len(labels) > LARGEST:
        return [], np.full(len(labels), -1)  # One group for each video compares nothing.
    counts = labels.value_counts(dropna=True).sort_index().sort_values(ascending=False, kind="stable")
    names = list(counts.index)
    codes = labels.map({name: index for index, name in enumerate(names)}).fillna(-1).to_numpy(np.int64)
    groups: list[dict[str, Any]] = [{"label": str(name), "value": str(name)} for name in names]
    if numeric:
        groups = [group | {"range": [float(group["value"])] * 2} for group in groups]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(groups), codes)
        groups.append({"label": "(none)", "value": None})
    return groups, codes


def _label(value: Any) -> str | None:
    """The text of a value of the page's data, which filters compare. JavaScript writes True as true."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else label_of(value)


def _ranges(values: pd.Series) -> tuple[list[dict[str, Any]], np.ndarray[Any, np.dtype[np.int64]]]:
    codes, edges = pd.qcut(values, BINS, labels=False, retbins=True, duplicates="drop")
    groups = [
        {"label": f"{low:.4g} to {high:.4g}", "range": [float(low), float(high)]}
        for low, high in pairwise(edges)
    ]
    return groups, codes.fillna(-1).to_numpy(np.int64)


def _cells(frame: pd.DataFrame, codes: Any, score: str, groups: int) -> dict[str, list[list[float] | None]]:
    counted = (frame["status"] == "ok") & frame[score].notna()
    scored = frame.assign(group=codes)[counted & (codes >= 0) & (codes < groups)]
    cells: dict[str, list[list[float] | None]] = {
        str(name): [None] * groups for name in frame["model"].unique()
    }
    grouped = scored.groupby(["model", "group"])
    table = grouped.agg(mean=(score, "mean"), videos=(score, "size"), rows=("row_id", "nunique"))
    for (model, group), cell in table.iterrows():
        cells[str(model)][int(group)] = [float(cell["mean"]), int(cell["videos"]), int(cell["rows"])]
    return cells
