"""The VLM judge as a command metric, against a stand-in of an OpenAI-like endpoint."""

import base64
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from PIL import Image

from t2vbatch.job import Clip
from t2vbatch.media.video import Video
from t2vbatch.metrics.protocol import Evidence, UnscorableError
from t2vbatch.metrics.registry import build_metric


class Endpoint(ThreadingHTTPServer):
    """Keeps the requests, and answers each with the next of the given texts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Any] = []
        self.keys: list[str | None] = []
        self.answers: list[str] = ["4"]


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.server.requests.append(json.loads(self.rfile.read(size)))
        self.server.keys.append(self.headers["Authorization"])
        answers = self.server.answers
        said = answers[(len(self.server.requests) - 1) % len(answers)]
        body = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
        self.send_response(200 if said != "broken" else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A running stand-in endpoint."""
    server = Endpoint()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def score(endpoint: Endpoint) -> Callable[..., Any]:
    """Scores a video of six shades by the judge."""

    def scored(prompt: str | None = "a red ball", votes: int = 4) -> Any:
        program = [sys.executable, "-m", "t2vbatch.metrics.programs.vlm_judge"]
        url = f"http://127.0.0.1:{endpoint.server_port}/v1"
        command = [*program, "--url", url, "--model", "judge", "--frames", "3", "--votes", str(votes)]
        yields = {"vlm_judge": "higher", "vlm_judge_agreement": "none"}
        metric: Any = build_metric("vlm_judge", {"command": command, "yields": yields}, Clip(path="unused"))
        frames = np.stack([np.full((40, 60, 3), 40 * shade, np.uint8) for shade in range(6)])
        return metric.score(Evidence(Video(frames, 8), prompt))

    return scored


def shades(request: Any) -> list[int]:
    """The mean shade of each picture of a request."""
    parts = request["messages"][0]["content"][1:]
    data = [base64.b64decode(part["image_url"]["url"].partition(",")[2]) for part in parts]
    return [round(float(np.asarray(Image.open(io.BytesIO(one))).mean())) for one in data]


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


@pytest.mark.parametrize("answer", ["a fine video", "7", "broken", "4 or 5"])
def test_an_answer_that_is_no_number_gives_no_score(
    endpoint: Endpoint, score: Callable[..., Any], answer: str
) -> None:
    """Free text, numbers out of range and errors of the endpoint are a reason, never a score."""
    endpoint.answers = [answer]
    with pytest.raises(UnscorableError, match="the endpoint gave no number"):
        score()


def test_a_row_without_a_prompt_is_not_judged(endpoint: Endpoint, score: Callable[..., Any]) -> None:
    """Without a prompt there is no request."""
    with pytest.raises(UnscorableError, match="no prompt"):
        score(prompt=None)
    assert endpoint.requests == []
