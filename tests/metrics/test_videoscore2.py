"""VideoScore2: the parts that need no model, and the whole program where its environment is made.

``t2vbatch metrics videoscore2 --install`` makes the environment.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from t2vbatch.metrics.environments import is_made, python_of
from t2vbatch.metrics.process import RunningProgram
from t2vbatch.metrics.program_file import find_program
from t2vbatch.metrics.programs.videoscore2 import LABELS, QUESTION, combined, score_position
from t2vbatch.metrics.protocol import UnscorableError

PROGRAM = find_program("videoscore2")


class Pieces:
    """A tokenizer whose tokens are positions in a list of texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def decode(self, tokens: Sequence[int], skip_special_tokens: bool) -> str:
        return "".join(self._texts[token] for token in tokens)


def test_the_scores_of_the_probabilities() -> None:
    """The official score is the likeliest times its share; the expected one is the mean."""
    shares = [0.0, 0.1, 0.1, 0.5, 0.1]
    assert combined(shares, "official") == pytest.approx(4 * 0.5 / 0.8)
    assert combined(shares, "expected") == pytest.approx((0.2 + 0.3 + 2.0 + 0.5) / 0.8)


def test_each_score_is_found_after_its_label() -> None:
    """The digits of the last part are found, not those of the reasons before it."""
    texts = ["I see 2 balls. (1) Visual", " quality:", " ", "4", ";\n(2) text-to-video alignment: ", "3", ","]
    texts += [" physical/common-sense consistency:", "5"]
    tokens = list(range(len(texts)))
    found = [score_position(label, tokens, Pieces(texts)) for label in LABELS.values()]
    assert found == [3, 5, 8]
    assert score_position("visual quality:", tokens[:3], Pieces(texts)) is None


def test_the_question_names_every_label() -> None:
    """The model was trained on this text, so that it writes these labels."""
    for label in LABELS.values():
        assert re.search(rf"^    {re.escape(label)} <", QUESTION.template, re.M)


@pytest.mark.skipif(not is_made(PROGRAM), reason="the environment of videoscore2 is not made")
@pytest.mark.parametrize(("kind", "expected"), [("official", 0.75), ("expected", None), ("integer", 1.0)])
def test_a_tiny_model_of_the_same_classes_is_read(tmp_path: Path, kind: str, expected: float | None) -> None:
    """It writes 4, 3 and 5, each with a probability of 75% among 1 to 5."""
    python = str(python_of(PROGRAM))
    builder = Path(__file__).with_name("tiny_videoscore2.py")
    subprocess.run([python, str(builder), str(tmp_path / "tiny")], check=True, capture_output=True)
    np.save(tmp_path / "f.npy", np.random.default_rng(0).integers(0, 256, (9, 60, 81, 3)).astype(np.uint8))
    options = ["--model", str(tmp_path / "tiny"), "--score", kind, "--tokens", "12"]
    process = RunningProgram("videoscore2", [python, str(PROGRAM.path), *options])
    request = {"frames": str(tmp_path / "f.npy"), "fps": 8.0, "prompt": "a red ball"}
    answer = process.ask(request, 240)
    mean = {score: 0.75 * score + 0.0625 * (15 - score) for score in (4, 3, 5)}
    for column, score in zip(LABELS, (4, 3, 5), strict=True):
        assert answer[column] == pytest.approx(
            mean[score] if expected is None else expected * score, abs=0.01
        )
    with pytest.raises(UnscorableError, match="no prompt"):
        process.ask(request | {"prompt": None}, 240)
    process.close()
