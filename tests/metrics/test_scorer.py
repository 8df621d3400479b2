"""The scores of a video when a metric fails."""

import math
import pickle
from collections.abc import Mapping

import numpy as np
import pytest

from t2vbatch.media.video import Video
from t2vbatch.metrics.protocol import Column, Evidence, UnscorableError, Weights
from t2vbatch.metrics.scorer import Scorer

VIDEO = Video(np.zeros((2, 8, 8, 3), np.uint8), fps=8)


class Given:
    """A metric that returns a given value or raises a given error."""

    weights: tuple[Weights, ...] = ()

    def __init__(self, answer: float | Exception, *columns: str) -> None:
        self.answer = answer
        self.columns = dict.fromkeys(columns, Column("higher"))

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return {next(iter(self.columns)): self.answer}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (UnscorableError("too short"), "too short"),
        (KeyError("x"), "KeyError: 'x'"),
        (math.nan, "the metric returned nan"),
        (math.inf, "the metric returned inf"),
    ],
)
def test_a_failing_metric_costs_only_its_own_score(answer: float | Exception, reason: str) -> None:
    """The columns of a failing metric are None with the reason, and the next metric is computed."""
    scores = Scorer({"bad": Given(answer, "bad"), "good": Given(0.5, "good")}, {}).score(VIDEO)
    assert scores.values == {"bad": None, "good": 0.5}
    assert scores.errors == {"bad": reason}


def test_a_missing_column_is_an_error_of_that_column() -> None:
    """A metric that omits one of its columns gets None there and keeps its other columns."""
    scores = Scorer({"metric": Given(0.5, "given", "forgotten")}, {}).score(VIDEO)
    assert scores.values == {"given": 0.5, "forgotten": None}
    assert list(scores.errors) == ["forgotten"]


def test_scores_cross_process_boundaries() -> None:
    """Scores survive pickling, because workers send them to the driver."""
    scores = Scorer({"metric": Given(0.5, "given")}, {}).score(VIDEO)
    assert pickle.loads(pickle.dumps(scores)) == scores
