"""The difference matrix of a score: each model beside each other model.  [pure]"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from t2vbatch.analysis.compare import Comparison, Pair
from t2vbatch.analysis.compare_text import difference_text, p_clause
from t2vbatch.analysis.summary_text import number_text
from t2vbatch.report.leaderboard import open_rank

LEAST_MODELS = 3
"""Two models have one difference, which needs no matrix."""


@dataclass(frozen=True)
class MatrixCell:
    """The model of a row minus the model of a column.

    Attributes:
        difference: the mean difference, such as ``+1.3``.
        result: ``better`` or ``worse`` for the model of the row if that is significant, ``open`` if missing
            scores could reverse the order, else "".
        winner: the better model, "" without one.
        details: the interval, the p-value and the number of videos, in words.
    """

    difference: str
    result: str
    winner: str
    details: str


@dataclass(frozen=True)
class Matrix:
    """One score. ``rows`` has for each model the cell of each model; None if they share no video."""

    score: str
    better: str | None
    rows: tuple[tuple[MatrixCell | None, ...], ...]


def matrices(comparison: Comparison) -> list[Matrix]:
    """One matrix for each score, in the order of the comparison's models; none for fewer than three."""
    if len(comparison.models) < LEAST_MODELS:
        return []
    by_score: dict[str, dict[tuple[str, str], Pair]] = {}
    for pair in comparison.pairs:
        if pair.difference is not None:
            by_score.setdefault(pair.score, {})[pair.first, pair.second] = pair
    return [_matrix(score, pairs, comparison.models) for score, pairs in by_score.items()]


def _matrix(score: str, pairs: Mapping[tuple[str, str], Pair], models: Sequence[str]) -> Matrix:
    better = next(iter(pairs.values())).better
    widths = [width for width in map(_width, pairs.values()) if width]
    width = min(widths, default=0.0)  # All cells have the digits of the narrowest interval.
    rows = tuple(tuple(_cell(pairs, row, column, width) for column in models) for row in models)
    return Matrix(score, better, rows)


def _width(pair: Pair) -> float:
    """The width of the interval; the size of the difference if it has none."""
    interval = pair.difference
    assert interval is not None
    if interval.low is None or interval.high is None:
        return abs(interval.mean)
    return interval.high - interval.low


def _cell(pairs: Mapping[tuple[str, str], Pair], row: str, column: str, width: float) -> MatrixCell | None:
    pair = pairs.get((row, column)) or pairs.get((column, row))
    if pair is None or pair.difference is None:
        return None
    interval = pair.difference
    mean = interval.mean if pair.first == row else -interval.mean
    if pair.winner is not None:
        result = "better" if pair.winner == row else "worse"
    else:
        result = "open" if open_rank(pair) == "undecided" else ""
    test = "not tested" if pair.p_holm is None else p_clause(pair.p_holm)
    details = f"{pair.first} - {pair.second}: {difference_text(pair)}, {test}, {pair.n:,} videos"
    return MatrixCell(number_text(mean, width, "+"), result, pair.winner or "", details)
