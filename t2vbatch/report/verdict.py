"""The verdict: the result of a run in a few sentences.  [pure]"""

from collections.abc import Mapping, Sequence

from t2vbatch.analysis.summary import Counts, Summary
from t2vbatch.errors import counted
from t2vbatch.report.leaderboard import FEW_ROWS, LeaderboardCell

_NAMED = 2  # models that a clause names

_OPEN = {
    "ahead": "is significantly worse than {} on the prompts and seeds of both",
    "tied": "not significantly better than {}",
    "undecided": "missing scores could reverse its lead over {}",
    "untested": "no test compares it with {}",
}
"""The rank of a model that the best one does not beat: what the sentence says."""


def verdict(
    summary: Summary, board: Mapping[str, Mapping[str, LeaderboardCell]], better: Mapping[str, str | None]
) -> list[str]:
    """Which model is best on which scores, and whether significantly; for one model, its scores.

    The first sentence is the headline; the last ones are about samples without a video and small samples.

    Args:
        board: the leaderboard of the same summary.
        better: score: ``higher``, ``lower`` or None.
    """
    scores = list(dict.fromkeys(name for cells in board.values() for name in cells))
    directed = [name for name in scores if better.get(name)]
    if len(board) < 2:
        return [f"{_losses(summary.counts)}{_means(board, scores)}."]
    sentences = [*_ranking(board, directed), f"{_losses(summary.counts)}."]
    if not any(cell.value is not None for cells in board.values() for cell in cells.values()):
        sentences.append("No sample has a score.")
    if directed and (rows := _rows(summary)) and rows < FEW_ROWS:
        sentences.append(f"The comparison has only {counted(rows, 'prompt')}.")
    return sentences


def _ranking(board: Mapping[str, Mapping[str, LeaderboardCell]], scores: Sequence[str]) -> list[str]:
    """The model with the best mean of each score, and the models that it does not beat."""
    found: dict[tuple[str, tuple[tuple[str, ...], ...]], list[str]] = {}
    for score in scores:
        cells = {model: cells[score] for model, cells in board.items() if score in cells}
        leader = next((model for model, cell in cells.items() if cell.best), None)
        if leader is not None:
            unbeaten = tuple(
                tuple(model for model, cell in cells.items() if cell.rank == rank) for rank in _OPEN
            )
            key = (leader, unbeaten if cells[leader].rank != "significant" else ())
            found.setdefault(key, []).append(score)
    return [_clause(*key, on) for key, on in found.items()]


def _clause(leader: str, unbeaten: Sequence[Sequence[str]], scores: Sequence[str]) -> str:
    """One sentence; ``unbeaten`` has the models of each rank of _OPEN, and is empty if there is none."""
    on = _listed(scores)
    if not unbeaten:
        return f"{leader} is significantly best on {on}."
    ranked = dict(zip(_OPEN, unbeaten, strict=True))
    parts = [_OPEN[rank].format(_models(names)) for rank, names in ranked.items() if names]
    if not parts:
        return f"Only {leader} has values of {on}."
    what = "has the best mean of" if ranked["ahead"] else "is best on"
    return f"{leader} {what} {on}, but {'; '.join(parts)}."


def _models(names: Sequence[str]) -> str:
    return _listed(names) if len(names) <= _NAMED else f"{len(names)} other models"


def _means(board: Mapping[str, Mapping[str, LeaderboardCell]], scores: Sequence[str]) -> str:
    cells = next(iter(board.values()), {})
    found = [f"{name} {cells[name].mean}" for name in scores if cells[name].value is not None]
    return f"; mean {_listed(found)}" if found else "; no scores"


def _losses(counts: Counts) -> str:
    """Samples without a valid video; ``All N samples are ok`` without any."""
    lost = [
        f"{number:,} {name}"
        for name in ("degenerate", "failed", "pending")
        if (number := getattr(counts, name))
    ]
    if not lost:
        return "The one sample is ok" if counts.planned == 1 else f"All {counts.planned:,} samples are ok"
    return f"{counts.ok:,} of {counts.planned:,} samples are ok, {_listed(lost)}"


def _rows(summary: Summary) -> int:
    return min((score.rows for model in summary.models for score in model.scores if score.n), default=0)


def _listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
