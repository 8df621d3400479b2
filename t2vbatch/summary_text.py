"""A summary as text, for a terminal or a log."""

from t2vbatch.summary import Counts, ModelSummary, ScoreSummary, Summary
from t2vbatch.tables import Table


def render_text(summary: Summary, width: int = 100) -> str:
    """The summary as lines of plain text, at most ``width`` columns wide where the names allow it."""
    parts = [counts_line(summary.counts)]
    if any(model.scores for model in summary.models):
        parts += ["", score_table(summary).render("text", width)]
    return "\n".join([*parts, *_notes(summary)])


def score_table(summary: Summary) -> Table:
    """One line a model and score: mean with interval, median, n, what is missing."""
    rows = [
        (model.model if index == 0 else "", *_cells(score))
        for model in summary.models
        for index, score in enumerate(model.scores)
    ]
    return Table(("model", "score", "mean [95%]", "median", "n", "missing"), rows, frozenset({2, 3, 4}))


def counts_line(counts: Counts) -> str:
    """``24 planned = 23 ok + 1 failed``; what is zero is left out, ok is always said."""
    parts = [f"{counts.ok} ok"]
    for name in ("degenerate", "failed", "pending"):
        if number := getattr(counts, name):
            parts.append(f"{number} {name}")
    return f"{counts.planned} planned = {' + '.join(parts)}"


def interval_text(score: ScoreSummary) -> str:
    """``29.41 [28.90, 29.93]``: the mean and its 95% interval, to the digits that the interval carries."""
    if score.mean is None:
        return "-"
    if score.low is None or score.high is None:
        return f"{score.mean:.4g}"
    digits = digits_for(score.high - score.low)
    return f"{score.mean:.{digits}f} [{score.low:.{digits}f}, {score.high:.{digits}f}]"


def digits_for(width: float) -> int:
    """Decimals that show two digits of an interval this wide, from 1 to 6."""
    digits = 1
    while digits < 6 and width * 10**digits < 10:
        digits += 1
    return digits


def _cells(score: ScoreSummary) -> tuple[str, ...]:
    missing = ", ".join(f"{count} {reason}" for reason, count in score.missing.items())
    median = "-" if score.median is None else f"{score.median:.4g}"
    return score.column, interval_text(score), median, f"{score.n}", missing or "0"


def _notes(summary: Summary) -> list[str]:
    notes = []
    for model in summary.models:
        notes += [f"{model.model}: {note}" for note in _model_notes(model)]
    rate = summary.timing.videos_per_minute
    if rate is not None:
        notes.append(f"{summary.timing.videos} videos in {summary.timing.busy_s:.1f} s: {rate:.1f} a minute")
    return notes


def _model_notes(model: ModelSummary) -> list[str]:
    notes = []
    if model.failures:
        kinds = ", ".join(f"{count} {kind}" for kind, count in model.failures.items())
        notes.append(f"no video for {kinds}")
    if model.truncated:
        prompts = "1 prompt was" if model.truncated == 1 else f"{model.truncated} prompts were"
        notes.append(f"{prompts} longer than the scorer reads: the end did not count")
    return notes
