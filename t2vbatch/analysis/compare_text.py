"""Comparisons as tables with notes, for the terminal, Markdown and LaTeX."""

from collections.abc import Iterable, Sequence

from t2vbatch.analysis.compare import SIGNIFICANCE, Comparison, Pair
from t2vbatch.analysis.intervals import Interval
from t2vbatch.analysis.planning import MOST, SEEDS, Goal, plans
from t2vbatch.analysis.sign_flip import EXACT_UP_TO
from t2vbatch.analysis.summary_text import number_text
from t2vbatch.analysis.text_table import Format, Table
from t2vbatch.errors import counted

_HEADER = (
    "score",
    "first",
    "second",
    "means",
    "difference [95%]",
    "p (Holm)",
    "win/tie/loss",
    "n",
    "detectable",
    "win rate [95%]",
    "effect",
)
_OPTIONAL = (9, 8, 6, 7, 2, 5)
"""The columns that a narrow terminal leaves out, in this order: effect, win rate, n, detectable, means,
win/tie/loss."""


def render_comparison(comparison: Comparison, form: Format = "text", width: int = 120) -> str:
    """The pairs as a table, followed by notes on winners, missing scores and the limits of the tests."""
    rows = [_row(pair) for pair in comparison.pairs]
    table = _table(_HEADER, rows, _OPTIONAL, form, width)
    comment = "% " if form == "latex" else ""
    return "\n".join([table, "", *(f"{comment}{note}" for note in _notes(comparison))])


def render_plan(comparison: Comparison, goal: Goal, form: Format = "text", width: int = 120) -> str:
    """The numbers of prompts that reach the goal, for several numbers of videos per prompt."""
    rows = []
    for pair in comparison.pairs:
        if pair.components is not None:
            needed = plans(pair.components, goal, pair.tests)
            share = pair.components.share
            cells = [_prompts(needed[seeds]) if seeds in needed else "-" for seeds in SEEDS]
            share_text = "-" if share is None else f"{100 * share:.0f} %"
            rows.append((pair.score, pair.first, pair.second, share_text, f"{pair.rows}", *cells))
    named = "1 video", *(f"{seeds} videos" for seeds in SEEDS[1:])
    header = ("score", "first", "second", "between prompts", "prompts now", *named)
    table = _table(header, rows, (2,), form, width)
    wanted = (
        f"a width of {goal.value:g}" if goal.kind == "width" else f"a detectable difference of {goal.value:g}"
    )
    notes = [
        f"prompts needed for {wanted}, by the number of videos per prompt; between prompts: the share of the"
        " variance that more videos per prompt do not reduce"
    ]
    unplanned = [pair for pair in comparison.pairs if pair.components is None]
    if unplanned:
        names = "; ".join(f"{pair.score}, {pair.first} and {pair.second}" for pair in unplanned)
        notes.append(f"no plan, because the prompts show no spread: {names}")
    if any(pair.components is not None and pair.components.within is None for pair in comparison.pairs):
        notes.append("with one video per prompt the two parts of the variance cannot be separated")
    if any(pair.sequential for pair in comparison.pairs):
        notes.append(
            "the plan is for one comparison without --sequential; the sequential test needs about twice as"
            " many prompts"
        )
    comment = "% " if form == "latex" else ""
    return "\n".join([table, "", *(f"{comment}{note}" for note in notes)])


def _table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    optional: Sequence[int],
    form: Format,
    width: int,
) -> str:
    """A table of pairs: score, first and second model, then numbers.

    In a terminal one cell has both models, which folds better than two, and scores may become headings;
    ``optional`` counts the columns of that form.
    """
    if form != "text":
        return Table(header, rows, frozenset(range(3, len(header)))).render(form)
    head, *joined = [(row[0], f"{row[1]} - {row[2]}", *row[3:]) for row in (header, *rows)]
    return Table(head, joined, frozenset(range(2, len(head))), optional, heading=0).render(form, width)


def _prompts(count: int | None) -> str:
    return f"over {MOST:,}" if count is None else f"{count:,}"


def p_text(p: float | None) -> str:
    """A p-value to three decimals, or as many as show that it is below SIGNIFICANCE; ``-`` for None."""
    if p is None:
        return "-"
    digits = 3
    while p < SIGNIFICANCE <= round(p, digits):
        digits += 1
    return "<0.001" if p < 0.001 else f"{p:.{digits}f}"


def p_clause(p: float | None) -> str:
    """``p = 0.012`` or ``p < 0.001``."""
    text = p_text(p)
    return f"p {text[0]} {text[1:]}" if text.startswith("<") else f"p = {text}"


def difference_text(pair: Pair) -> str:
    """``+0.42 [0.11, 0.73]``."""
    return "-" if pair.difference is None else interval_of(pair.difference, "+")


def interval_of(interval: Interval, sign: str = "", scale: float = 1.0) -> str:
    """The mean and its ends, times ``scale``, to the digits that the interval carries."""
    mean = scale * interval.mean
    if interval.low is None or interval.high is None:
        return f"{mean:{sign}.4g}"
    low, high = scale * interval.low, scale * interval.high
    width = high - low
    return f"{number_text(mean, width, sign)} [{number_text(low, width)}, {number_text(high, width)}]"


def _row(pair: Pair) -> tuple[str, ...]:
    return (
        pair.score,
        pair.first,
        pair.second,
        _means(pair),
        difference_text(pair),
        p_text(pair.p_holm),
        f"{pair.wins}/{pair.ties}/{pair.losses}",
        f"{pair.n}",
        "-" if pair.detectable is None else f"{pair.detectable:.2g}",
        "-" if pair.win_rate is None else f"{interval_of(pair.win_rate, scale=100)} %",
        "-" if pair.effect is None else f"{pair.effect:+z.2f}",
    )


def _means(pair: Pair) -> str:
    """Both means, to the digits of their difference."""
    if pair.first_mean is None or pair.second_mean is None:
        return "-"
    interval = pair.difference
    if interval is None or interval.low is None or interval.high is None:
        return f"{pair.first_mean:.4g} / {pair.second_mean:.4g}"
    width = interval.high - interval.low
    return f"{number_text(pair.first_mean, width)} / {number_text(pair.second_mean, width)}"


def _notes(comparison: Comparison) -> list[str]:
    if not any(pair.n for pair in comparison.pairs):
        return cautions(comparison)
    tests = max((pair.tests for pair in comparison.pairs), default=0)
    sequential = any(pair.sequential for pair in comparison.pairs)
    return [
        *_winners(comparison.pairs),
        "difference: first - second, on the prompts and seeds of both; prompts are the units of intervals and"
        f" tests; p (Holm) is corrected for {counted(tests, 'test')}",
        "sequential test: p and intervals are valid however often this comparison is repeated while the run"
        " grows"
        if sequential
        else "detectable: the true difference that this many prompts and tests find in 4 of 5 cases",
        *cautions(comparison),
    ]


def cautions(comparison: Comparison) -> list[str]:
    """What the comparison left out or replaced, and what its tests and intervals cannot show."""
    return [*_missing(comparison.pairs), *_limits(comparison.pairs)]


def _winners(pairs: Sequence[Pair]) -> list[str]:
    notes = []
    for pair in pairs:
        if pair.winner is not None:
            loser = pair.second if pair.winner == pair.first else pair.first
            notes.append(f"{pair.score}: {pair.winner} is better than {loser} ({p_clause(pair.p_holm)})")
    return notes or ["no difference is significant"]


def _missing(pairs: Sequence[Pair]) -> list[str]:
    found = []
    for pair in pairs:
        if pair.left_out:
            reasons = ", ".join(f"{count} where {reason}" for reason, count in pair.left_out.items())
            found.append((pair, f"left out {reasons}{_bounds(pair)}"))
        if pair.filled:
            found.append((pair, f"{pair.filled} missing scores replaced"))
    notes = _by_scores(found)
    if any(pair.bounds for pair in pairs):
        notes.append(
            "bounds: the difference with every missing score at the lowest or the highest observed score; p"
            " is the largest of both, and a winner must win at both (other treatments: --missing worst, drop"
            " or impute:VALUE)"
        )
    return notes


def _by_scores(found: Iterable[tuple[Pair, str]]) -> list[str]:
    """One note for all scores of two models that have the same text."""
    scores: dict[tuple[str, str, str], list[str]] = {}
    for pair, text in found:
        scores.setdefault((pair.first, pair.second, text), []).append(pair.score)
    return [
        f"{', '.join(names)} of {first} and {second}: {text}"
        for (first, second, text), names in scores.items()
    ]


def _bounds(pair: Pair) -> str:
    return "" if pair.bounds is None else f"; bounds {pair.bounds[0]:+z.4g} to {pair.bounds[1]:+z.4g}"


def _limits(pairs: Sequence[Pair]) -> list[str]:
    """What the tests and intervals of these pairs cannot show."""
    notes: dict[str, None] = {}
    untested = dict.fromkeys(pair.score for pair in pairs if pair.better is None)
    if untested:
        notes[f"not tested, because no direction is better: {', '.join(untested)}"] = None
    reason = "not compared, because no prompt and seed has a score of both"
    notes |= dict.fromkeys(_by_scores((pair, reason) for pair in pairs if not pair.n))
    cautions: dict[str, dict[str, None]] = {}
    for pair in pairs:
        if pair.rates is not None:
            cautions.setdefault(_rates(pair, *pair.rates), {})[pair.score] = None
        corrected = (pair.smallest_p or 0) * pair.tests
        if pair.smallest_p is not None and (pair.rows <= EXACT_UP_TO or corrected >= SIGNIFICANCE):
            notes[_smallest(pair)] = None
        for interval, of in ((pair.difference, ""), (pair.win_rate, "win rate of ")):
            if interval is not None and interval.caution is not None:
                cautions.setdefault(interval.caution, {})[f"{of}{pair.score}"] = None
    return [*notes, *(f"{', '.join(scores)}: {caution}" for caution, scores in cautions.items())]


def _rates(pair: Pair, first: float, second: float) -> str:
    return (
        f"{pair.first} has {first:.4g} frames per second and {pair.second} {second:.4g}; the score measures"
        " change from frame to frame, which is smaller at a higher rate"
    )


def _smallest(pair: Pair) -> str:
    corrected = min(1.0, (pair.smallest_p or 0) * pair.tests)
    end = ", so no difference can be significant" if corrected >= SIGNIFICANCE else ""
    return (
        f"with {counted(pair.rows, 'prompt')} the smallest possible p is {pair.smallest_p:.2g}, "
        f"and {corrected:.2g} after correction for {counted(pair.tests, 'test')}{end}"
    )
