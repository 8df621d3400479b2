"""A comparison as a table: terminal, Markdown, LaTeX."""

from t2vbatch.analysis.compare import Comparison, Pair
from t2vbatch.analysis.summary_text import digits_for
from t2vbatch.analysis.text_table import Format, Table

_HEADER = ("score", "first", "second", "means", "difference [95%]", "p (Holm)", "win/tie/loss", "n", "finds")
_OPTIONAL = (7, 8, 3)
"""What a narrow terminal leaves out, in this order: n, finds, means."""


def render_comparison(comparison: Comparison, form: Format = "text", width: int = 120) -> str:
    """The pairs as a table, and below it what they found and what was left out."""
    rows = [_row(pair) for pair in comparison.pairs]
    table = Table(_HEADER, rows, frozenset(range(3, 9)), _OPTIONAL).render(form, width)
    notes = _notes(comparison)
    comment = "% " if form == "latex" else ""
    return "\n".join([table, "", *(f"{comment}{note}" for note in notes)])


def p_text(p: float | None) -> str:
    """A p-value to the digits that its permutations carry."""
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def p_clause(p: float | None) -> str:
    """``p = 0.012`` or ``p < 0.001``."""
    text = p_text(p)
    return f"p {text[0]} {text[1:]}" if text.startswith("<") else f"p = {text}"


def difference_text(pair: Pair) -> str:
    """``+0.42 [0.11, 0.73]``."""
    if pair.difference is None:
        return "-"
    mean, low, high = pair.difference.mean, pair.difference.low, pair.difference.high
    if low is None or high is None:
        return f"{mean:+.4g}"
    digits = digits_for(high - low)
    return f"{mean:+.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _row(pair: Pair) -> tuple[str, ...]:
    means = "-" if pair.first_mean is None else f"{pair.first_mean:.4g} / {pair.second_mean:.4g}"
    return (
        pair.score,
        pair.first,
        pair.second,
        means,
        difference_text(pair),
        p_text(pair.p_holm),
        f"{pair.wins}/{pair.ties}/{pair.losses}",
        f"{pair.n}",
        "-" if pair.detectable is None else f"{pair.detectable:.2g}",
    )


def _notes(comparison: Comparison) -> list[str]:
    notes = [
        "difference: first - second, on the rows and seeds that both have; interval and p by row. "
        "finds: the difference that so many rows show four times out of five."
    ]
    for pair in comparison.pairs:
        if pair.winner is not None:
            loser = pair.second if pair.winner == pair.first else pair.first
            notes.append(f"{pair.score}: {pair.winner} is better than {loser} ({p_clause(pair.p_holm)})")
        if pair.left_out:
            reasons = ", ".join(f"{count} where {reason}" for reason, count in pair.left_out.items())
            notes.append(f"{pair.score}, {pair.first} and {pair.second}: left out {reasons}")
    if not any(pair.winner for pair in comparison.pairs):
        notes.append("no difference is beyond chance")
    return notes
