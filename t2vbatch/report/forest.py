"""The forest plot: each pair of models as a line with its interval, one plot for each score.  [pure]"""

from collections.abc import Sequence
from dataclasses import dataclass

from t2vbatch.analysis.compare import Comparison, Pair

COLOURS = 8
"""The palette of the page; the ninth model has the colour of the first."""


@dataclass(frozen=True)
class ForestLine:
    """One pair. ``low``, ``centre``, ``high`` and ``bounds`` are positions in percent.

    Attributes:
        colour: the colour of the winner; None without a winner.
        bounds: the mean difference with all missing scores at their worst and at their best.
    """

    pair: Pair
    first_colour: int
    second_colour: int
    colour: int | None
    centre: float
    low: float | None = None
    high: float | None = None
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Forest:
    """The pairs of one score on an axis from -reach to +reach."""

    score: str
    better: str | None
    reach: float
    lines: tuple[ForestLine, ...]


def forests(comparison: Comparison, models: Sequence[str]) -> list[Forest]:
    """One plot for each score on which a pair shares videos; ``models`` is the order of the colours."""
    colours = {model: index % COLOURS for index, model in enumerate(models)}
    found = []
    for score in dict.fromkeys(pair.score for pair in comparison.pairs):
        pairs = [pair for pair in comparison.pairs if pair.score == score and pair.difference]
        if pairs:
            reach = max(abs(end) for pair in pairs for end in _ends(pair)) * 1.08 or 1.0
            lines = tuple(_line(pair, reach, colours) for pair in pairs)
            found.append(Forest(score, pairs[0].better, reach, lines))
    return found


def _ends(pair: Pair) -> list[float]:
    assert pair.difference is not None
    ends = (pair.difference.low, pair.difference.mean, pair.difference.high, *(pair.bounds or ()))
    return [end for end in ends if end is not None]


def _line(pair: Pair, reach: float, colours: dict[str, int]) -> ForestLine:
    assert pair.difference is not None
    low, high = (
        None if end is None else _position(end, reach) for end in (pair.difference.low, pair.difference.high)
    )
    centre = _position(pair.difference.mean, reach)
    bounds = (_position(pair.bounds[0], reach), _position(pair.bounds[1], reach)) if pair.bounds else None
    colour = colours[pair.winner] if pair.winner else None
    return ForestLine(pair, colours[pair.first], colours[pair.second], colour, centre, low, high, bounds)


def _position(value: float, reach: float) -> float:
    return round(50 + 50 * value / reach, 2)
