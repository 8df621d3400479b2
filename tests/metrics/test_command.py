"""A metric of an external program, with programs that answer, fail, crash and hang."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2vbatch.errors import MetricError
from t2vbatch.job import Clip
from t2vbatch.media.audio import Audio
from t2vbatch.media.video import Video
from t2vbatch.metrics.command import CommandScore
from t2vbatch.metrics.process import RunningProgram
from t2vbatch.metrics.protocol import Evidence, ProgramError, UnscorableError
from t2vbatch.metrics.registry import build_metric
from t2vbatch.metrics.scorer import Scorer, is_lost
from tests.endpoint import use_this_python

LOOP = (
    "import json, os, sys, time\nimport numpy as np\nfor line in sys.stdin:\n    asked = json.loads(line)\n"
)
ANSWER = "    print(json.dumps({answer}), flush=True)\n"


@pytest.fixture
def metric(tmp_path: Path) -> Callable[..., Any]:
    """Builds the metric of a program, given the body of its loop."""

    def build(body: str, **options: Any) -> Any:
        program = tmp_path / "program.py"
        program.write_text(LOOP + body)
        options = {"yields": {"light": "higher"}, "command": [sys.executable, str(program)]} | options
        return build_metric("light", options, Clip(path="unused"))

    return build


def evidence(shade: int = 100, prompt: str | None = "a grey wall") -> Evidence:
    """A video of one shade."""
    return Evidence(Video(np.full((2, 8, 6, 3), shade, np.uint8), fps=8), prompt)


def test_a_program_sees_the_decoded_frames(metric: Callable[..., Any]) -> None:
    """The program receives frames, frame rate and prompt, and one process answers for all videos."""
    seen = "{'light': float(np.load(asked['frames']).mean()) + len(asked['prompt']) + asked['fps'] / 100}"
    built = metric(ANSWER.replace("{answer}", seen))
    assert built.columns["light"].better == "higher"
    assert [built.score(evidence(shade)) for shade in (10, 20)] == [{"light": 21.08}, {"light": 31.08}]
    pids = metric(ANSWER.replace("{answer}", "{'light': os.getpid()}"))
    assert pids.score(evidence()) == pids.score(evidence())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (ANSWER.replace("{answer}", "{'error': 'too dark'}"), "too dark"),
        ("    raise RuntimeError('no weights')\n", "exited with code 1: RuntimeError: no weights"),
        ("    print('hello', flush=True)\n", "answered with invalid JSON"),
        ("    print('[]', flush=True)\n", "expected a JSON object"),
        ("    time.sleep(60)\n", "did not answer within the time limit of 2 s"),
        (ANSWER.replace("{answer}", "{'light': 'bright'}"), "answered 'bright' for light; expected a number"),
        (
            ANSWER.replace("{answer}", "{'light': 1, 'id': 7}"),
            "answered with id 7; expected the id of the request",
        ),
    ],
)
def test_a_program_that_fails_costs_one_score(metric: Callable[..., Any], body: str, reason: str) -> None:
    """Only this video loses its score, with the reason; the program is restarted for the next video."""
    built = metric(body, timeout_s=2 if "sleep" in body else 60)
    for _ in range(2):
        with pytest.raises((ProgramError, UnscorableError), match=reason):
            built.score(evidence())


def test_a_program_that_ended_before_the_question_is_named(tmp_path: Path) -> None:
    """The question cannot be sent; the reason has the exit code and the last line of the errors."""
    program = tmp_path / "once.py"
    program.write_text("import sys\nprint('{}', flush=True)\nsys.exit('one is enough')\n")
    process = RunningProgram("once", [sys.executable, str(program)])
    assert process.ask({}, 60) == {}
    while process.alive():
        time.sleep(0.05)
    with pytest.raises(ProgramError, match="once exited with code 1: one is enough"):
        process.ask({"frames": "x" * 100_000}, 60)


def test_only_a_failure_of_the_program_is_tried_again(metric: Callable[..., Any]) -> None:
    """A video that the program cannot score stays without a score; another failure is scored again later."""
    verdicts = {
        "{'error': 'too dark'}": False,
        "{'error': 'the endpoint is down', 'retry': True}": True,
        "{'light': float('nan')}": False,
        "{'light': None}": False,
        "'rubbish'": True,
    }
    for answer, lost in verdicts.items():
        scorer = Scorer({"light": metric(ANSWER.replace("{answer}", answer))}, {})
        scores = scorer.score(evidence().video, "a grey wall")
        assert scores.values == {"light": None}
        assert is_lost(scores.errors["light"]) is lost, answer


def test_a_program_that_reads_the_sound_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``audio = true`` the request names a WAV file with the video's samples, or null without sound."""
    program = tmp_path / "loud.py"
    program.write_text(
        "# /// script\n# [tool.t2vbatch]\n# audio = true\n# yields = {loud = 'higher'}\n# ///\n"
        "import json, sys, wave\nfor line in sys.stdin:\n    path = json.loads(line)['audio']\n"
        "    print(json.dumps({'loud': -1 if path is None else wave.open(path).getnframes()}), flush=True)\n"
    )
    use_this_python(program, tmp_path / "cache", monkeypatch)
    built: Any = build_metric("loud", {"program": str(program)}, Clip(path="unused"))
    assert built.needs_audio
    sound = Audio(np.zeros((1, 1234), np.int16), 8000)
    frames = np.zeros((2, 8, 6, 3), np.uint8)
    assert built.score(Evidence(Video(frames, 8, sound))) == {"loud": 1234}
    assert built.score(Evidence(Video(frames, 8))) == {"loud": -1}


def test_a_missing_program_is_named(metric: Callable[..., Any]) -> None:
    """The reason names the program that does not start."""
    with pytest.raises(ProgramError, match="nowhere did not start"):
        metric("", command=["nowhere"]).score(evidence())


def test_a_command_needs_valid_yields(metric: Callable[..., Any]) -> None:
    """Missing yields, or an unknown direction, is a MetricError."""
    with pytest.raises(MetricError, match="yields"):
        build_metric("light", {"command": ["true"]}, Clip(path="unused"))
    with pytest.raises(MetricError, match="yields"):
        metric("", yields={"light": "brighter"})
    assert isinstance(metric(""), CommandScore)
