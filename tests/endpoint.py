"""Stand-ins for what judges need: an OpenAI-like endpoint, and an environment without an installation."""

import base64
import io
import json
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from t2vbatch.metrics.environments import environment
from t2vbatch.metrics.program_file import read_program


class Endpoint(ThreadingHTTPServer):
    """Keeps the requests, and answers each with the next of the given texts.

    Attributes:
        at_once: how many requests are answered before ``released`` is set.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Any] = []
        self.keys: list[str | None] = []
        self.answers: list[str] = ["4"]
        self.at_once = sys.maxsize
        self.released = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.server.requests.append(json.loads(self.rfile.read(size)))
        self.server.keys.append(self.headers["Authorization"])
        if len(self.server.requests) > self.server.at_once:
            self.server.released.wait()
        answers = self.server.answers
        said = answers[(len(self.server.requests) - 1) % len(answers)]
        if said == "refused":
            said = f"Incorrect key: {str(self.headers['Authorization']).removeprefix('Bearer ')}"
            self._send(said.encode(), 401)
            return
        body = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
        self._send(body, 200 if said != "broken" else 500)

    def _send(self, body: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def use_this_python(program: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an environment for the program out of the Python that runs the tests, which has its packages."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    folder = environment(read_program(program))
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    (folder / "complete").touch()


@contextmanager
def running_endpoint() -> Iterator[Endpoint]:
    """An endpoint that answers until the block ends."""
    server = Endpoint()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()


def pictures(request: Any) -> list[Image.Image]:
    """The pictures of a request."""
    parts = request["messages"][0]["content"]
    data = [part["image_url"]["url"].partition(",")[2] for part in parts if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in data]


def shades(request: Any) -> list[int]:
    """The mean shade of each picture of a request."""
    return [round(float(np.asarray(image).mean())) for image in pictures(request)]
