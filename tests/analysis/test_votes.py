"""Votes: win rates, Bradley-Terry strengths and the agreement of scores with people."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.optimize

from t2vbatch.analysis.consistency import Vote
from t2vbatch.analysis.strengths import PRIOR, fit_strengths
from t2vbatch.analysis.votes import parse_votes, summarize_votes
from t2vbatch.analysis.votes_text import render_votes
from t2vbatch.errors import UsageError
from t2vbatch.output.records import results_schema
from tests.benchmarks.statistics import strength_coverage

BETTER: dict[str, Any] = {"good": "higher", "bad": "higher"}


def tables(models: str, prompts: int) -> dict[str, pa.Table]:
    """Results of models named by one letter: ``good`` ranks them by the alphabet, ``bad`` the other way."""
    schema = results_schema(["good", "bad"], pa.schema([]))
    found = {}
    for place, model in enumerate(models):
        rows = [
            {
                "row_id": f"row{row}",
                "seed": row,
                "model": model,
                "status": "ok",
                "good": float(place),
                "bad": float(-place),
            }
            for row in range(prompts)
        ]
        found[model] = pa.Table.from_pylist(rows, schema)
    return found


def vote(row: int, left: str, right: str, winner: str | None) -> Vote:
    """A vote on the prompt with this number."""
    return Vote(f"row{row}", row, left, right, winner)


def test_win_rates_count_ties_as_half() -> None:
    """Two wins, one tie and one loss are a rate of 62.5%."""
    votes = [vote(0, "a", "b", "a"), vote(1, "b", "a", "a"), vote(2, "a", "b", None), vote(3, "b", "a", "b")]
    (rate,) = summarize_votes(votes, tables("ab", 4), BETTER).win_rates
    assert (rate.first, rate.second, rate.wins, rate.ties, rate.losses) == ("a", "b", 2, 1, 1)
    assert rate.rate.mean == 0.625
    assert rate.rate.low is not None
    assert 0 <= rate.rate.low < 0.625


def test_a_failed_or_degenerate_video_loses() -> None:
    """A vote for a degenerate video, or a tie with a failed one, counts against it; of two, none counts."""
    models = tables("ab", 3)
    status = pa.array(["degenerate", "failed", "failed"])
    models["a"] = models["a"].set_column(models["a"].column_names.index("status"), "status", status)
    other = pa.array(["ok", "ok", "degenerate"])
    models["b"] = models["b"].set_column(models["b"].column_names.index("status"), "status", other)
    found = summarize_votes(
        [vote(0, "a", "b", "a"), vote(1, "b", "a", None), vote(2, "a", "b", "a")], models, BETTER
    )
    (rate,) = found.win_rates
    assert (rate.wins, rate.ties, rate.losses, found.votes, found.unmatched) == (0, 0, 2, 2, 1)


def test_strengths_recover_the_odds_that_made_the_votes() -> None:
    """From 20,000 votes per pair, the fitted differences are the log odds of the simulation to 0.05."""
    truth = np.array([0.0, 0.7, -0.4])
    random, wins = np.random.default_rng(0), np.zeros((3, 3))
    for left in range(3):
        for right in range(left + 1, 3):
            won = random.binomial(20_000, 1 / (1 + np.exp(truth[right] - truth[left])))
            wins[left, right], wins[right, left] = won, 20_000 - won
    (fitted,) = fit_strengths(wins[None])
    assert fitted == pytest.approx(truth - truth.mean(), abs=0.05)


@pytest.mark.parametrize(
    "wins",
    [
        [[0, 50, 50], [0, 0, 50], [0, 0, 0]],
        [[0, 100, 0, 0], [1, 0, 100, 0], [0, 1, 0, 100], [0, 0, 1, 0]],
        [[0, 1e6], [10, 0]],
    ],
)
def test_strengths_are_the_maximum_of_the_likelihood(wins: list[list[float]]) -> None:
    """At the strengths, each model has as many wins as they predict, also if one model wins every vote."""
    counts = np.array(wins) + PRIOR / 2 * (1 - np.eye(len(wins)))
    (fitted,) = fit_strengths(np.array(wins, float)[None])
    predicted = (counts + counts.T) / (1 + np.exp(fitted[None] - fitted[:, None]))
    assert predicted.sum(1) == pytest.approx(counts.sum(1), rel=1e-6)
    assert fitted.sum() == pytest.approx(0, abs=1e-9)


def test_two_models_have_the_closed_form() -> None:
    """For one pair the difference is the log of wins over losses, with the virtual ties added."""
    (fitted,) = fit_strengths(np.array([[[0.0, 30.0], [10.0, 0.0]]]))
    assert fitted[0] - fitted[1] == pytest.approx(np.log(30.05 / 10.05), abs=1e-5)


def test_intervals_hold_the_strength_and_shrink_with_votes() -> None:
    """The interval contains the strength; with ten times the prompts it is narrower."""
    widths = []
    for prompts in (20, 200):
        votes = [vote(row, "a", "b", "a" if row % 3 else "b") for row in range(prompts)]
        strongest = summarize_votes(votes, tables("ab", prompts), BETTER).strengths[0]
        assert strongest.model == "a"
        assert strongest.low is not None
        assert strongest.high is not None
        assert strongest.low < strongest.strength < strongest.high
        widths.append(strongest.high - strongest.low)
    assert widths[1] < widths[0] / 2


def test_a_model_that_wins_every_vote_has_a_finite_strength() -> None:
    """The virtual ties bound a strength that maximum likelihood would make infinite."""
    votes = [vote(row, "a", "b", "a") for row in range(30)]
    assert np.isfinite(
        [one.strength for one in summarize_votes(votes, tables("ab", 30), BETTER).strengths]
    ).all()


def test_scores_agree_or_disagree_with_people() -> None:
    """A score that ranks as people do agrees always, its opposite never; ties are not counted."""
    votes = [vote(row, "a", "b", "b") for row in range(8)] + [vote(8, "a", "b", None)]
    found = {one.score: one for one in summarize_votes(votes, tables("ab", 9), BETTER).agreements}
    assert {score: (one.share.mean, one.votes) for score, one in found.items()} == {
        "good": (1, 8),
        "bad": (0, 8),
    }


@pytest.mark.parametrize("change", [{"good": None}, {"good": float("nan")}, {"status": "degenerate"}])
def test_videos_without_a_score_have_no_agreement(change: dict[str, Any]) -> None:
    """A vote on a video whose score is missing, not a number, or that of a degenerate video is left out."""
    models = tables("ab", 6)
    rows = models["b"].to_pylist()
    models["b"] = pa.Table.from_pylist([rows[0] | change, *rows[1:]], models["b"].schema)
    votes = [vote(row, "a", "b", "b") for row in range(6)]
    found = {one.score: one for one in summarize_votes(votes, models, BETTER).agreements}
    assert (found["good"].votes, found["good"].share.mean) == (5, 1)


def test_equal_scores_but_for_rounding_have_no_agreement() -> None:
    """Scores that differ in the last digit prefer no video."""
    models = tables("ab", 6)
    rows = [row | {"good": 0.1 + 0.2} for row in models["a"].to_pylist()]
    others = [row | {"good": 0.3} for row in models["b"].to_pylist()]
    models = {
        name: pa.Table.from_pylist(found, models["a"].schema)
        for name, found in zip("ab", (rows, others), strict=True)
    }
    found = summarize_votes([vote(row, "a", "b", "b") for row in range(6)], models, BETTER)
    assert "good" not in {one.score for one in found.agreements}


def test_a_model_that_wins_every_vote_has_the_interval_of_clopper_and_pearson() -> None:
    """12 wins of 12 prompts exclude win rates below 0.025 ** (1 / 12)."""
    votes = [vote(row, "a", "b", "b") for row in range(12)]
    (rate,) = summarize_votes(votes, tables("ab", 12), BETTER).win_rates
    assert (rate.rate.low, rate.rate.high) == pytest.approx((0, 1 - 0.025 ** (1 / 12)))


def test_votes_on_other_videos_are_counted_apart() -> None:
    """A vote on a model, row or seed that the outputs lack is not matched."""
    votes = [
        vote(0, "a", "b", "a"),
        vote(0, "a", "z", "a"),
        vote(99, "a", "b", "a"),
        Vote("row1", 5, "a", "b", "a"),
    ]
    found = summarize_votes(votes, tables("ab", 2), BETTER)
    assert (found.votes, found.unmatched) == (1, 3)
    assert "3 votes not counted" in render_votes(found)


def test_models_without_a_chain_of_votes_are_reported() -> None:
    """Strengths of two separate pairs are not comparable, and the note names both."""
    found = summarize_votes([vote(0, "a", "b", "a"), vote(1, "c", "d", "d")], tables("abcd", 2), BETTER)
    assert found.groups == (("a", "b"), ("c", "d"))
    assert "(a, b) and (c, d)" in render_votes(found)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("no json", "not a vote"),
        ('{"row_id": "r"}', "seed"),
        ('{"row_id": "r", "seed": 1, "left": "a", "right": "b", "winner": "c"}', "winner 'c'"),
        ('{"row_id": "r", "seed": 1, "left": "a", "right": "a", "winner": null}', "both sides"),
        ("[1]", "not a vote"),
    ],
)
def test_a_line_that_is_not_a_vote_is_refused(line: str, found: str) -> None:
    """The message has file and line."""
    good = json.dumps(
        {"row_id": "r", "seed": "4611686018427387905", "left": "a", "right": "b", "winner": None}
    )
    assert parse_votes(f"{good}\n\n", "v.jsonl")[0].seed == 4611686018427387905
    with pytest.raises(UsageError, match=r"v\.jsonl:2") as raised:
        parse_votes(f"{good}\n{line}\n", "v.jsonl")
    assert found in str(raised.value)


def test_a_rate_of_probabilities_is_not_the_share_of_wins() -> None:
    """The rate of a judge that gives probabilities is their mean, and a note says so."""
    votes = [Vote(f"row{row}", row, "a", "b", "a", 0.6 + row / 100) for row in range(8)]
    found = summarize_votes(votes, tables("ab", 8), BETTER)
    (rate,) = found.win_rates
    assert rate.rate.mean == pytest.approx(0.635)
    assert rate.share_of_wins == 1
    assert "count the probabilities" in render_votes(found)
    people = summarize_votes([vote(row, "a", "b", "a") for row in range(8)], tables("ab", 8), BETTER)
    assert "count the probabilities" not in render_votes(people)


@pytest.mark.parametrize(("prompts", "trusted"), [(1, False), (4, False), (5, True)])
def test_intervals_of_strengths_from_few_prompts_have_a_caution(prompts: int, trusted: bool) -> None:
    """Below 5 prompts a note says that the intervals of strengths are not reliable."""
    votes = [vote(row, "a", "b", "a" if row % 3 else "b") for row in range(prompts)]
    found = summarize_votes(votes, tables("ab", prompts), BETTER)
    assert found.prompts == prompts
    assert ("too few for reliable intervals" in render_votes(found)) != trusted


@pytest.mark.parametrize(("prompts", "apart"), [(5, 0.6), (10, 1.2), (20, 0.6)])
def test_intervals_of_strengths_cover_the_strengths(prompts: int, apart: float) -> None:
    """At least 92% of intervals hold the strength that made the votes, from 5 prompts on."""
    assert strength_coverage(apart, prompts, 100) >= 0.92


def test_a_model_that_wins_every_vote_is_above_the_average() -> None:
    """The lower end of 30 wins of 30 is where they have the likelihood of the limit; more wins move it up."""
    lows = []
    for prompts in (10, 30, 100):
        votes = [vote(row, "a", "b", "a") for row in range(prompts)]
        strongest = summarize_votes(votes, tables("ab", prompts), BETTER).strengths[0]
        assert strongest.low is not None
        lows.append(strongest.low)
    assert 0 < lows[0] < lows[1] < lows[2]
    # Without virtual ties: 30 log(1 + exp(-2 s)) = 1.96^2 / 2.
    assert lows[1] == pytest.approx(-np.log(np.expm1(1.96**2 / 60)) / 2, abs=0.1)


def test_ends_of_strengths_are_those_of_the_profile_likelihood() -> None:
    """With many prompts both ends lose 1.92 of the log-likelihood, the other strengths at their best."""
    random = np.random.default_rng(0)
    votes = [
        vote(row, *pair, pair[random.random() < 0.4])
        for row in range(400)
        for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    found = {one.model: one for one in summarize_votes(votes, tables("abc", 400), BETTER).strengths}
    wins = np.zeros((3, 3))
    for one in votes:
        winner, loser = (one.winner, one.right if one.winner == one.left else one.left)
        wins["abc".index(str(winner)), "abc".index(loser)] += 1
    wins += PRIOR / 2 * (1 - np.eye(3))

    def loss(strengths: list[float]) -> float:
        s = np.array(strengths)
        return float((wins * np.log1p(np.exp(s[None, :] - s[:, None]))).sum())

    best = loss([found[name].strength for name in "abc"])
    for end in (found["a"].low, found["a"].high):
        assert end is not None
        others = scipy.optimize.minimize_scalar(lambda b, a=end: loss([a, b, -a - b]))
        assert others.fun - best == pytest.approx(1.92, rel=0.25)


def test_equal_votes_show_no_spread() -> None:
    """Ties alone give strengths without an interval, as one prompt does."""
    for votes in ([vote(row, "a", "b", None) for row in range(9)], [vote(0, "a", "b", "a")]):
        found = summarize_votes(votes, tables("ab", 9), BETTER)
        assert [(one.low, one.high) for one in found.strengths] == [(None, None)] * 2
