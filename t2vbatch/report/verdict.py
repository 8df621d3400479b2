"""The verdict: the result of a run in a few sentences.  [pure]"""

from collections.abc import Mapping, Sequence

from t2vbatch.analysis.summary import Counts, Summary
from t2vbatch.errors import counted
from t2vbatch.report.leaderboard import FEW_ROWS, Cell

_NAMED = 2  # tied models that the sentence names


def verdict(
    summary: Summary, board: Mapping[str, Mapping[str, Cell]], better: Mapping[str, str | None]
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


def _ranking(board: Mapping[str, Mapping[str, Cell]], scores: Sequence[str]) -> list[str]:
    """The best model of each score, and the models that it is not significantly better than."""
    found: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for score in scores:
        cells = {model: cells[score] for model, cells in board.items() if score in cells}
        leader = next((model for model, cell in cells.items() if cell.best), None)
        if leader is not None:
            tied, undecided = (
                tuple(model for model, cell in cells.items() if cell.rank == rank)
                for rank in ("tied", "undecided")
            )
            if not (tied or undecided or cells[leader].rank == "significant"):
                tied = ("",)  # no test compares it with all other models
            found.setdefault((leader, tied, undecided), []).append(score)
    return [_clause(*key, on) for key, on in found.items()]


def _clause(leader: str, tied: Sequence[str], undecided: Sequence[str], scores: Sequence[str]) -> str:
    on = _listed(scores)
    if not tied and not undecided:
        return f"{leader} is significantly best on {on}."
    if tied == ("",):
        return f"{leader} is best on {on}; no test compares it with all other models."
    parts = [f"not significantly better than {_models(tied)}"] if tied else []
    if undecided:
        parts.append(f"missing scores could reverse its lead over {_models(undecided)}")
    return f"{leader} is best on {on}, but {'; '.join(parts)}."


def _models(names: Sequence[str]) -> str:
    return _listed(names) if len(names) <= _NAMED else f"{len(names)} other models"


def _means(board: Mapping[str, Mapping[str, Cell]], scores: Sequence[str]) -> str:
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
