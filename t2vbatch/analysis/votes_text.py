"""Votes as tables with notes, for the terminal, Markdown and LaTeX."""

from t2vbatch.analysis.compare_text import interval_of
from t2vbatch.analysis.intervals import TRUSTED_FROM
from t2vbatch.analysis.strengths import PRIOR
from t2vbatch.analysis.text_table import Format, Table
from t2vbatch.analysis.votes import VoteSummary
from t2vbatch.errors import counted

_CHANCE = 50


def render_votes(summary: VoteSummary, form: Format = "text", width: int = 120) -> str:
    """Strengths, win rates and agreements as tables, followed by notes."""
    tables = [_strengths(summary), _win_rates(summary), _agreements(summary), _consistencies(summary)]
    comment = "% " if form == "latex" else ""
    shown = [table.render(form, width) for table in tables if table.rows]
    return "\n\n".join([*shown, "\n".join(f"{comment}{note}" for note in _notes(summary))])


def _strengths(summary: VoteSummary) -> Table:
    rows = []
    for one in summary.strengths:
        ends = "" if one.low is None else f" [{one.low:+z.2f}, {one.high:+z.2f}]"
        rows.append((one.model, f"{one.strength:+z.2f}{ends}", f"{one.votes}"))
    return Table(("model", "strength [95%]", "votes"), rows, frozenset({1, 2}))


def _win_rates(summary: VoteSummary) -> Table:
    rows = [
        (
            one.first,
            one.second,
            f"{interval_of(one.rate, scale=100)} %",
            f"{one.wins}/{one.ties}/{one.losses}",
        )
        for one in summary.win_rates
    ]
    return Table(("first", "second", "win rate [95%]", "win/tie/loss"), rows, frozenset({2, 3}))


def _agreements(summary: VoteSummary) -> Table:
    rows = [
        (one.score, f"{interval_of(one.share, scale=100)} %", f"{one.votes}") for one in summary.agreements
    ]
    voters = "the votes" if summary.judges else "people"
    return Table(("score", f"agrees with {voters} [95%]", "votes"), rows, frozenset({1, 2}))


def _consistencies(summary: VoteSummary) -> Table:
    rows = [
        (
            one.judge,
            f"{interval_of(one.agreement, scale=100)} %",
            f"{interval_of(one.first, scale=100)} %",
            f"{one.pairs}",
        )
        for one in summary.judges
    ]
    return Table(
        ("judge", "agrees with itself [95%]", "prefers first [95%]", "pairs"), rows, frozenset({1, 2, 3})
    )


def _notes(summary: VoteSummary) -> list[str]:
    notes = [
        f"{counted(summary.votes, 'vote')}; strength: Bradley-Terry log odds of winning against an average"
        f" model, with {PRIOR} virtual ties per pair; a tie counts as half a win; prompts are the units of"
        " intervals"
    ]
    if summary.agreements:
        notes.append(f"agreement: votes without a tie; {_CHANCE} % is chance")
    if summary.judges:
        notes.append(
            "judges were asked twice, with the positions swapped; agrees with itself: the same answer both"
            f" times; prefers first: {_CHANCE} % is unbiased"
        )
    if any(abs(one.rate.mean - one.share_of_wins) > 1e-9 for one in summary.win_rates):
        notes.append(
            "win rates and strengths count the probabilities that judges gave; win/tie/loss their answers"
        )
    if summary.prompts < TRUSTED_FROM:
        few = f"{counted(summary.prompts, 'prompt')} {'is' if summary.prompts == 1 else 'are'} too few"
        notes.append(f"strengths: {few} for reliable intervals")
    if summary.unmatched:
        reason = "the outputs lack their videos, or both videos failed"
        notes.append(f"{summary.unmatched} votes not counted, because {reason}")
    if len(summary.groups) > 1:
        sets = " and ".join(f"({', '.join(group)})" for group in summary.groups)
        notes.append(f"no votes connect {sets}: strengths of different sets are not comparable")
    cautions = dict.fromkeys(one.rate.caution for one in summary.win_rates if one.rate.caution)
    return notes + [f"win rates: {caution}" for caution in cautions]
