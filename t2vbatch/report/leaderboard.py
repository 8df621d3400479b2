"""The leaderboard: one row for each model, one cell for each score.  [pure]"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from t2vbatch.analysis.compare import Comparison, Pair
from t2vbatch.analysis.summary import ModelSummary, ScoreSummary, Summary
from t2vbatch.analysis.summary_text import interval_text, video_note_lines
from t2vbatch.errors import counted

FEW_ROWS = 10
"""Below this number of manifest rows an interval is marked: it depends on how scores are distributed."""


@dataclass(frozen=True)
class LeaderboardCell:
    """One score of one model.

    Attributes:
        mean: the mean as text; ``-`` without a value.
        interval: ``[low, high]`` or empty.
        value: the mean as a number, for sorting.
        best: the mean is the best of all models.
        rank: ``significant``: best, and significantly better than every other model with a mean; ``tied``:
            not significantly different from the best; ``undecided``: worse than the best, but missing scores
            could reverse that; ``ahead``: significantly better than the best on the prompts and seeds of
            both; ``untested``: no prompt and seed has a comparable score of it and of the best; otherwise
            empty.
        basis: ``over 7 of 8`` if samples have no score; otherwise empty.
        reasons: why these samples have no score.
        few: the number of rows if it is below FEW_ROWS, else None.
        low, centre, high: position of the interval on the axis of the score, in percent.
    """

    mean: str
    interval: str = ""
    value: float | None = None
    best: bool = False
    rank: str = ""
    basis: str = ""
    reasons: str = ""
    few: int | None = None
    low: float | None = None
    centre: float | None = None
    high: float | None = None


def score_names(summary: Summary) -> list[str]:
    """The names of all scores, in the order of the models' summaries."""
    return list(dict.fromkeys(score.column for model in summary.models for score in model.scores))


def leaderboard(
    summary: Summary, comparison: Comparison, better: Mapping[str, str | None]
) -> dict[str, dict[str, LeaderboardCell]]:
    """``{model: {score: cell}}``; all models share one axis for each score."""
    board: dict[str, dict[str, LeaderboardCell]] = {model.model: {} for model in summary.models}
    for name in score_names(summary):
        scores = {model.model: _find(model, name) for model in summary.models}
        found = {model: score for model, score in scores.items() if score is not None}
        leader = best_model(found, better.get(name)) if len(found) > 1 else None
        ranks = _ranks(comparison, name, leader, found)
        left, right = _ends(list(found.values()))
        for model, score in found.items():
            board[model][name] = _cell(score, model == leader, ranks.get(model, ""), left, right)
    return board


def marks_of(board: Mapping[str, Mapping[str, LeaderboardCell]]) -> set[str]:
    """The marks that occur in a leaderboard: ranks, ``best`` and ``basis``. The legend explains these."""
    cells = [cell for of_model in board.values() for cell in of_model.values()]
    marks = {cell.rank for cell in cells if cell.rank}
    marks |= {"best"} if any(cell.best for cell in cells) else set()
    return marks | ({"basis"} if any(cell.basis for cell in cells) else set())


def board_notes(summary: Summary) -> list[str]:
    """Notes about the videos and prompts of the models; models with the same note share a line."""
    models: dict[str, list[str]] = {}
    for model in summary.models:
        lines = video_note_lines(model)
        if model.truncated:
            lines.append(f"the scorer truncated {counted(model.truncated, 'prompt')}")
        for line in lines:
            models.setdefault(line, []).append(model.model)
    return [
        f"{'Each model' if len(names) == len(summary.models) > 1 else ', '.join(names)}: {line}."
        for line, names in models.items()
    ]


def best_model(scores: Mapping[str, ScoreSummary], better: str | None) -> str | None:
    """The model with the best mean; None if the score has no direction or no values."""
    means = {model: score.mean for model, score in scores.items() if score.mean is not None}
    if better is None or not means:
        return None
    return (max if better == "higher" else min)(means, key=lambda model: means[model])


def _find(model: ModelSummary, name: str) -> ScoreSummary | None:
    return next((score for score in model.scores if score.column == name), None)


def _ranks(
    comparison: Comparison, score: str, leader: str | None, scores: Mapping[str, ScoreSummary]
) -> dict[str, str]:
    """``significant`` for a leader that beats all others; the rank of each model that it does not beat."""
    if leader is None:
        return {}
    pairs = [pair for pair in comparison.pairs if pair.score == score and leader in (pair.first, pair.second)]
    tested = {pair.second if pair.first == leader else pair.first: pair for pair in pairs if pair.n}
    others = [model for model, found in scores.items() if model != leader and found.mean is not None]
    ranks = {
        other: _rank(tested[other], leader) if other in tested else "untested"
        for other in others
        if other not in tested or tested[other].winner != leader
    }
    return {leader: "significant"} if others and not ranks else ranks


def _rank(pair: Pair, leader: str) -> str:
    """The rank of a model that the leader does not beat."""
    if pair.winner is not None:
        return "ahead"
    assert pair.difference is not None
    first_leads = (pair.difference.mean > 0) == (pair.better == "higher")
    leads = (pair.first if first_leads else pair.second) == leader
    # Missing scores reverse no lead that the leader does not have on the prompts of both.
    return open_rank(pair) if leads else "tied"


def open_rank(pair: Pair) -> str:
    """``undecided`` if the interval excludes 0, but does not if it is moved to the worst of the bounds."""
    interval = pair.difference
    if interval is None or interval.low is None or interval.high is None or pair.bounds is None:
        return "tied"
    if interval.mean > 0:
        apart, moved = interval.low > 0, pair.bounds[0] - (interval.mean - interval.low) > 0
    else:
        apart, moved = interval.high < 0, pair.bounds[1] + (interval.high - interval.mean) < 0
    return "undecided" if apart and not moved else "tied"


def _ends(scores: list[ScoreSummary]) -> tuple[float, float]:
    ends = [end for score in scores for end in (score.low, score.mean, score.high) if end is not None]
    return min(ends, default=0.0), max(ends, default=0.0)


def _cell(score: ScoreSummary, best: bool, rank: str, left: float, right: float) -> LeaderboardCell:
    mean, _, interval = interval_text(score).partition(" ")
    few = score.rows if score.mean is not None and score.rows < FEW_ROWS else None
    cell = LeaderboardCell(mean, interval, score.mean, best, rank, _basis(score), _reasons(score), few)
    if score.mean is None or right <= left:
        return cell
    low, centre, high = (
        None if end is None else round(100 * (end - left) / (right - left), 2)
        for end in (score.low, score.mean, score.high)
    )
    return replace(cell, low=low, centre=centre, high=high)


def _basis(score: ScoreSummary) -> str:
    return f"over {score.n:,} of {score.n + sum(score.missing.values()):,}" if score.missing else ""


def _reasons(score: ScoreSummary) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in score.missing.items())
