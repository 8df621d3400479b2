"""Votes on pairs of videos: win rates, strengths, and agreement of scores with the votes.  [pure]

A vote compares the videos of two models on one prompt and seed. A tie counts as half a win for each. Votes
on one prompt are one unit in every interval, as in ``compare``. A failed or degenerate video loses, whatever
the vote says.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.analysis.compare import Better
from t2vbatch.analysis.consistency import Consistency, Vote, clusters, consistencies
from t2vbatch.analysis.intervals import Interval, share_interval
from t2vbatch.analysis.pairing import scores_of, without_rounding
from t2vbatch.analysis.strengths import Strength, find_strengths
from t2vbatch.errors import UsageError
from t2vbatch.output.records import score_columns


@dataclass(frozen=True)
class WinRate:
    """The votes on two models.

    Attributes:
        rate: the share of wins of ``first``, ties counted as half; of a judge that gave probabilities, their
            mean.
    """

    first: str
    second: str
    wins: int
    ties: int
    losses: int
    rate: Interval

    @property
    def share_of_wins(self) -> float:
        """Wins and half of the ties over all votes."""
        return (self.wins + self.ties / 2) / (self.wins + self.ties + self.losses)


@dataclass(frozen=True)
class Agreement:
    """How often a score prefers the video that people prefer, over the votes in which neither is a tie."""

    score: str
    better: Better
    votes: int
    share: Interval


@dataclass(frozen=True)
class VoteSummary:
    """What the votes say of the models.

    Attributes:
        votes: number of votes that are counted.
        prompts: number of their prompts.
        unmatched: number of votes whose videos the outputs lack, or whose videos both failed.
        groups: sets of models that votes connect; strengths of different sets are not comparable.
        judges: how consistent each program is that voted.
    """

    votes: int
    prompts: int
    unmatched: int
    win_rates: tuple[WinRate, ...]
    strengths: tuple[Strength, ...]
    agreements: tuple[Agreement, ...]
    groups: tuple[tuple[str, ...], ...]
    judges: tuple[Consistency, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The summary as plain values."""
        return asdict(self)


def parse_votes(text: str, where: str) -> list[Vote]:
    """Read votes from JSON Lines, as the report saves them.

    Args:
        where: name of the file, for messages.

    Raises:
        UsageError: a line is not a vote.
    """
    return [
        _vote(line, f"{where}:{number}") for number, line in enumerate(text.splitlines(), 1) if line.strip()
    ]


def summarize_votes(
    votes: Sequence[Vote], models: Mapping[str, pa.Table], better: Mapping[str, Better]
) -> VoteSummary:
    """Win rates of each pair of models, strengths of all, and the agreement of each score with the votes.

    Args:
        models: name: its rows of a results table; votes on other models, rows and seeds are not counted.
        better: score: its better direction. A score without a direction has no agreement.
    """
    places = {name: _places(table) for name, table in models.items()}
    valid = {name: _valid(table) for name, table in models.items()}
    matched = (
        vote
        for vote in votes
        if all((vote.row_id, vote.seed) in places.get(name, {}) for name in _sides(vote))
    )
    known = [counted for vote in matched if (counted := _counted(vote, valid))]
    names = [name for name in models if any(name in _sides(vote) for vote in known)]
    scores = dict.fromkeys(name for table in models.values() for name in score_columns(table.schema))
    groups = _connected(known, names)
    return VoteSummary(
        len(known),
        len({vote.row_id for vote in known}),
        len(votes) - len(known),
        tuple(_win_rates(known, names)),
        tuple(find_strengths(known, groups)),
        tuple(_agreements(known, models, places, {name: better.get(name) for name in scores})),
        groups,
        consistencies(known),
    )


def _vote(line: str, where: str) -> Vote:
    expected = "a vote as the report saves it: {row_id, seed, left, right, winner}"
    try:
        found = json.loads(line)
        vote = Vote(
            str(found["row_id"]),
            int(found["seed"]),
            str(found["left"]),
            str(found["right"]),
            found["winner"],
            None if found.get("p_left") is None else _probability(found["p_left"]),
            tuple(map(_probability, found.get("answers", ()))),
            found.get("judge"),
            found.get("settings"),
        )
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        raise UsageError(where, f"a line that is not a vote ({error})", expected) from None
    if vote.winner not in (None, vote.left, vote.right):
        raise UsageError(where, f"winner {vote.winner!r}", f"{vote.left!r}, {vote.right!r} or null")
    if vote.left == vote.right:
        raise UsageError(where, f"{vote.left!r} on both sides", "two different models")
    return vote


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"{value!r}; expected a number from 0 to 1")
    return float(value)


def _sides(vote: Vote) -> tuple[str, str]:
    return vote.left, vote.right


def _places(table: pa.Table) -> dict[tuple[str, int], int]:
    keys = zip(table["row_id"].to_pylist(), table["seed"].to_pylist(), strict=True)
    return {key: position for position, key in enumerate(keys)}


def _valid(table: pa.Table) -> frozenset[tuple[str, int]]:
    """Row and seed of the videos that neither failed nor are degenerate."""
    return frozenset(_places(table.filter(pc.equal(table["status"], "ok"))))


def _counted(vote: Vote, valid: Mapping[str, Collection[tuple[str, int]]]) -> Vote | None:
    """The vote as it counts: a failed or degenerate video loses; None for a vote on two of these."""
    left, right = ((vote.row_id, vote.seed) in valid[name] for name in _sides(vote))
    if left and right:
        return vote
    winner = vote.left if left else vote.right
    return replace(vote, winner=winner, left_share=None, answers=()) if left or right else None


def _win_rates(votes: Sequence[Vote], names: Sequence[str]) -> Iterator[WinRate]:
    for first, second in combinations(names, 2):
        shared = [vote for vote in votes if {first, second} == set(_sides(vote))]
        if shared:
            values = np.array([vote.share_of(first) for vote in shared])
            wins, losses = (sum(vote.winner == name for vote in shared) for name in (first, second))
            ties = len(shared) - wins - losses
            rate = share_interval(values, clusters(shared))
            yield WinRate(first, second, wins, ties, losses, rate)


def _agreements(
    votes: Sequence[Vote],
    models: Mapping[str, pa.Table],
    places: Mapping[str, Mapping[tuple[str, int], int]],
    better: Mapping[str, Better],
) -> Iterator[Agreement]:
    scores = {name: scores_of(table) for name, table in models.items()}
    decided = [vote for vote in votes if vote.winner is not None]
    for score, direction in better.items():
        if direction is None:
            continue
        sides = [
            [scores[name].scores_named(score)[places[name][vote.row_id, vote.seed]] for name in _sides(vote)]
            for vote in decided
        ]
        left, right = np.array(sides, float).reshape(-1, 2).T
        ahead = without_rounding(left, right) * (1 if direction == "higher" else -1)
        # A missing score makes the difference NaN.
        differ = np.flatnonzero(np.abs(ahead) > 0)
        if len(differ):
            agreed = [float((ahead[at] > 0) == (decided[at].winner == decided[at].left)) for at in differ]
            share = share_interval(np.array(agreed), clusters(decided[at] for at in differ))
            yield Agreement(score, direction, len(differ), share)


def _connected(votes: Sequence[Vote], names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The sets of models that chains of votes connect."""
    group = {name: {name} for name in names}
    for vote in votes:
        joined = group[vote.left] | group[vote.right]
        for name in joined:
            group[name] = joined
    return tuple(
        tuple(name for name in names if name in one)
        for one in {id(one): one for one in group.values()}.values()
    )
