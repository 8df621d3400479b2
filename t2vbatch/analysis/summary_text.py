"""A summary as text for a terminal or a log."""

from itertools import groupby
from math import floor, log10

from t2vbatch.analysis.distance.result import Measured
from t2vbatch.analysis.estimate import duration_text
from t2vbatch.analysis.intervals import Interval
from t2vbatch.analysis.summary import Counts, ModelSummary, ScoreSummary, Summary
from t2vbatch.analysis.text_table import Table
from t2vbatch.errors import counted

_NOTES = 3
"""Notes about videos that a summary shows for each model."""

_LARGE = 1e7
"""Numbers from this size on are written with an exponent."""
_NARROW = 1e-5
"""Numbers are written with an exponent if their interval is narrower: six decimals do not show its width."""


def render_text(summary: Summary, width: int = 100, timing: bool = True) -> str:
    """The summary as lines of plain text, at most ``width`` columns wide if the names allow it."""
    parts = [counts_line(summary.counts)]
    if any(model.scores for model in summary.models):
        parts += ["", score_table(summary).render("text", width)]
    if any(model.distances for model in summary.models):
        parts += ["", distance_table(summary).render("text", width)]
    return "\n".join([*parts, *_notes(summary, timing)])


def score_table(summary: Summary) -> Table:
    """One line per model and score: mean with interval, median, n, missing scores."""
    rows = [(model.model, *_cells(score)) for model in summary.models for score in model.scores]
    header = ("model", "score", "mean [95%]", "median", "n", "missing")
    return Table(header, rows, frozenset({2, 3, 4}), (3,), heading=0)


def distance_table(summary: Summary) -> Table:
    """One line per distance and model: the value, the extrapolated value, and the sizes of both sets."""
    header = ("distance", "model", "value", "extrapolated", "videos", "reference")
    rows = [
        (one.name, one.model, distance_text(one.value), distance_text(one.extrapolated), *_sizes(one))
        for one in sorted_distances(summary)
    ]
    return Table(header, rows, frozenset({2, 3, 4, 5}), (5,))


def sorted_distances(summary: Summary) -> list[Measured]:
    """All distances, sorted by name and then in the order of the models."""
    found = [one for model in summary.models for one in model.distances]
    return sorted(found, key=lambda one: one.name)


def distance_text(value: float | None) -> str:
    """A distance to four digits; ``-`` for None."""
    return "-" if value is None else f"{value:.4g}"


def distance_notes(summary: Summary) -> list[str]:
    """The definition and the warnings of each distance, with the models that a warning applies to."""
    notes: dict[str, list[str]] = {}
    for name, named in groupby(sorted_distances(summary), key=lambda one: one.name):
        models = list(named)
        for one in models:
            notes.setdefault(f"{name}: {_subject(one)}", [])
            for note in (one.reason, *one.notes):
                if note:
                    notes.setdefault(f"{name}: {note}", []).append(one.model)
        if len({one.videos for one in models if one.value is not None}) > 1:
            notes[
                f"{name}: the models have different numbers of videos; a smaller set has a larger distance"
            ] = []
    return [f"{note} ({', '.join(models)})" if models else note for note, models in notes.items()]


def counts_line(counts: Counts) -> str:
    """``24 planned = 23 ok + 1 failed``; zero counts are omitted, except ok."""
    parts = [f"{counts.ok} ok"]
    for name in ("degenerate", "failed", "pending"):
        if number := getattr(counts, name):
            parts.append(f"{number} {name}")
    return f"{counts.planned} planned = {' + '.join(parts)}"


def interval_text(score: ScoreSummary | Interval) -> str:
    """``29.41 [28.90, 29.93]``: the mean and its 95% interval, rounded by the width of the interval."""
    if score.mean is None:
        return "-"
    if score.low is None or score.high is None:
        return f"{score.mean:z.4g}"
    width = score.high - score.low
    mean, low, high = (number_text(end, width) for end in (score.mean, score.low, score.high))
    return f"{mean} [{low}, {high}]"


def number_text(value: float, width: float, sign: str = "") -> str:
    """A number to the digits that an interval of this width carries: two digits of the width.

    Args:
        sign: ``+`` also shows the sign of positive numbers.
    """
    if abs(value) < _LARGE and width >= _NARROW:
        digits = 1
        while width * 10**digits < 10:
            digits += 1
        # The z leaves out the sign of a zero.
        return f"{value:{sign}z.{digits}f}"
    if not value or not width:
        return f"{value:{sign}z.4g}"
    # Decimals would be a long row of digits, or of zeros.
    digits = floor(log10(abs(value))) - floor(log10(width)) + 2
    return f"{value:{sign}.{min(max(digits, 2), 17)}g}"


def _cells(score: ScoreSummary) -> tuple[str, ...]:
    missing = ", ".join(f"{count} {reason}" for reason, count in score.missing.items())
    return score.column, interval_text(score), _median_text(score), f"{score.n}", missing or "0"


def _median_text(score: ScoreSummary) -> str:
    """The median to the digits of the mean beside it."""
    if score.median is None:
        return "-"
    if score.low is None or score.high is None:
        return f"{score.median:z.4g}"
    return number_text(score.median, score.high - score.low)


def _subject(one: Measured) -> str:
    weights = f"{one.backbone} (weights {one.backbone_sha256[:12]})"
    return f"{one.kind} to {one.reference}, backbone {weights}, {one.convention}; lower is closer"


def _sizes(one: Measured) -> tuple[str, str]:
    return f"{one.videos:,}", f"{one.reference_videos:,}"


def _notes(summary: Summary, timing: bool) -> list[str]:
    notes = []
    for model in summary.models:
        notes += [f"{model.model}: {note}" for note in _model_notes(model)]
    notes += [*_cautions(summary), *distance_notes(summary)]
    rate = summary.timing.videos_per_minute
    if timing and rate is not None:
        videos = counted(summary.timing.videos, "video")
        notes.append(
            f"{videos} in {duration_text(summary.timing.busy_s)}, loading excluded: {rate:.1f} per minute"
        )
    if timing and summary.timing.busy_share is not None:
        notes.append(f"{summary.timing.busy_share:.0%} of the workers' time was spent in pipeline calls")
    return notes


def _cautions(summary: Summary) -> list[str]:
    """Why intervals are not reliable, with the scores of each reason."""
    scores: dict[str, dict[str, None]] = {}
    for model in summary.models:
        for score in model.scores:
            if score.caution is not None:
                scores.setdefault(score.caution, {})[score.column] = None
    return [f"{', '.join(names)}: {caution}" for caution, names in scores.items()]


def _model_notes(model: ModelSummary) -> list[str]:
    notes = []
    if model.failures:
        kinds = ", ".join(f"{count} {kind}" for kind, count in model.failures.items())
        notes.append(f"samples without a usable video: {kinds}")
    if model.truncated:
        prompts = counted(model.truncated, "prompt")
        notes.append(f"{prompts} exceeded the scorer's token limit; the scorer ignored the rest")
    return [*notes, *video_note_lines(model)]


def video_note_lines(model: ModelSummary) -> list[str]:
    """How the model's videos differ from what the job asked for, with the number of videos."""
    notes = list(model.video_notes.items())
    lines = [f"{counted(count, 'video')}: {note}" for note, count in notes[:_NOTES]]
    if rest := sum(count for _, count in notes[_NOTES:]):
        lines.append(f"{counted(rest, 'more video')}: see the column video_notes")
    return lines
