"""The VLM judge as a command metric, against a stand-in of an OpenAI-like endpoint."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2vbatch.job import Clip
from t2vbatch.media.video import Video
from t2vbatch.metrics.process import RunningProgram
from t2vbatch.metrics.program_file import find_program
from t2vbatch.metrics.protocol import Evidence, ProgramError, UnscorableError
from t2vbatch.metrics.registry import build_metric
from tests.endpoint import Endpoint, pictures, running_endpoint, shades


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A running stand-in endpoint."""
    with running_endpoint() as server:
        yield server


@pytest.fixture
def score(endpoint: Endpoint) -> Callable[..., Any]:
    """Scores a video of six shades by the judge."""

    def scored(
        prompt: str | None = "a red ball",
        votes: int = 4,
        retries: int = 0,
        shape: tuple[int, int, int] = (6, 40, 60),
    ) -> Any:
        program = [sys.executable, str(find_program("vlm_judge").path)]
        url = f"http://127.0.0.1:{endpoint.server_port}/v1"
        command = [*program, "--url", url, "--model", "judge", "--frames", "3", "--votes", str(votes)]
        command += ["--retries", str(retries), "--wait", "0.01"]
        yields = {"vlm_judge": "higher", "vlm_judge_agreement": "none"}
        metric: Any = build_metric("vlm_judge", {"command": command, "yields": yields}, Clip(path="unused"))
        count, height, width = shape
        frames = np.stack([np.full((height, width, 3), 40 * shade, np.uint8) for shade in range(count)])
        return metric.score(Evidence(Video(frames, 8), prompt))

    return scored


def test_the_judge_averages_its_answers_and_reports_its_agreement(
    endpoint: Endpoint, score: Callable[..., Any]
) -> None:
    """Four answers 4, 5, 4, 4 have the mean 4.25, and three of six pairs agree."""
    endpoint.answers = ["4", "5", "4.", " 4 "]
    assert score() == {"vlm_judge": 4.25, "vlm_judge_agreement": 0.5}


def test_the_judge_sees_spread_frames_in_both_orders(
    endpoint: Endpoint, score: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames are evenly spread, every second request has them in reverse and says so, with the key."""
    monkeypatch.setenv("VLM_JUDGE_KEY", "secret")
    score(votes=2)
    first, second = endpoint.requests
    assert shades(first) == pytest.approx([0, 80, 200], abs=2)
    assert shades(second) == shades(first)[::-1]
    assert "reverse order" in second["messages"][0]["content"][0]["text"]
    assert "a red ball" in first["messages"][0]["content"][0]["text"]
    assert set(endpoint.keys) == {"Bearer secret"}


@pytest.mark.parametrize(
    ("shape", "size", "seen"),
    [
        ((6, 540, 960), (512, 288), [0, 80, 200]),
        ((5, 33, 47), (47, 33), [0, 80, 160]),
        ((2, 33, 47), (47, 33), [0, 40]),
        ((1, 90, 160), (160, 90), [0]),
    ],
    ids=["16:9", "odd sides", "two frames", "one frame"],
)
def test_the_judge_sees_whole_frames_of_any_shape(
    endpoint: Endpoint,
    score: Callable[..., Any],
    shape: tuple[int, int, int],
    size: tuple[int, int],
    seen: list[int],
) -> None:
    """Frames keep their aspect ratio within 512 pixels, and fewer frames than asked for are all shown."""
    endpoint.answers = ["2", "5"]
    assert score(votes=2, shape=shape) == {"vlm_judge": 3.5, "vlm_judge_agreement": 0}
    for request, expected in zip(endpoint.requests, (seen, seen[::-1]), strict=True):
        assert shades(request) == pytest.approx(expected, abs=2)
        assert {picture.size for picture in pictures(request)} == {size}


@pytest.mark.parametrize("answer", ["a fine video", "7", "broken", "4 or 5"])
def test_an_answer_that_is_no_number_gives_no_score(
    endpoint: Endpoint, score: Callable[..., Any], answer: str
) -> None:
    """Free text, numbers out of range and errors of the endpoint are a reason, never a score."""
    endpoint.answers = [answer]
    with pytest.raises((ProgramError, UnscorableError), match="the endpoint gave no number"):
        score()


def test_a_row_without_a_prompt_is_not_judged(endpoint: Endpoint, score: Callable[..., Any]) -> None:
    """Without a prompt there is no request."""
    with pytest.raises(UnscorableError, match="no prompt"):
        score(prompt=None)
    assert endpoint.requests == []


def test_a_request_that_may_succeed_later_is_repeated(
    endpoint: Endpoint, score: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two errors of the server the third request counts; a refused key is not repeated, nor shown."""
    endpoint.answers = ["broken", "broken", "4"]
    assert score(votes=1, retries=2) == {"vlm_judge": 4, "vlm_judge_agreement": 1}
    monkeypatch.setenv("VLM_JUDGE_KEY", "sk-secret")
    endpoint.answers, before = ["refused"], len(endpoint.requests)
    with pytest.raises(ProgramError, match="401") as raised:
        score(votes=1, retries=2)
    assert len(endpoint.requests) == before + 1
    assert "Incorrect key: ***" in str(raised.value)


@pytest.mark.parametrize(
    ("said", "expected"), [("A", "a"), ("**b**", "b"), (" Tie.", "tie"), ("both", None), ("broken", None)]
)
def test_the_judge_compares_two_videos(
    endpoint: Endpoint, tmp_path: Path, said: str, expected: str | None
) -> None:
    """It shows A's frames before B's, in order of time, and answers a preference or an error."""
    endpoint.answers = [said]
    request: dict[str, Any] = {"prompt": "a red ball"}
    for name, start in (("a", 0), ("b", 100)):
        np.save(
            tmp_path / f"{name}.npy",
            np.stack([np.full((40, 60, 3), start + 20 * k, np.uint8) for k in (0, 1)]),
        )
        request[name] = {"frames": str(tmp_path / f"{name}.npy"), "fps": 8.0}
    url = f"http://127.0.0.1:{endpoint.server_port}/v1"
    program = [sys.executable, str(find_program("vlm_judge").path), "--url", url, "--model", "judge"]
    process = RunningProgram("vlm_judge", [*program, "--retries", "0"])
    if expected is None:
        with pytest.raises((ProgramError, UnscorableError), match="gave no preference"):
            process.ask(request, 60, same_id=True)
    else:
        assert process.ask(request, 60, same_id=True)["preference"] == expected
    process.close()
    assert shades(endpoint.requests[0]) == pytest.approx([0, 20, 100, 120], abs=2)
