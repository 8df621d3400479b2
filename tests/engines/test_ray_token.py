"""A cluster that rejects every connection without its token."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.engines.fakes import notes
from tests.engines.jobs import driver

_PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of one node, which ends with the process that started it."""
    log = tmp_path_factory.mktemp("head") / "log"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ray = str(Path(sys.executable).parent / "ray")
    node = "--block --num-cpus=1 --include-dashboard=false --disable-usage-stats"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [ray, "start", "--head", f"--port={port}", *node.split()],
            env=_environment(token="the cluster's"),
            stdout=said,
            stderr=said,
        )
    try:
        until = time.monotonic() + _PATIENCE_S
        while b"Ray runtime started" not in log.read_bytes():
            assert time.monotonic() < until, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _environment(token: str | None = None, **more: str) -> Mapping[str, str]:
    """This process's environment, with this token only."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH_")}
    return own | ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}) | more


def test_the_token_comes_from_rays_own_environment(head: str, tmp_path: Path) -> None:
    """With the cluster's token in the environment, a job without a token runs there."""
    environment = _environment(token="the cluster's")
    with driver("ray", "RayEngine", tmp_path, ["ok", "ok"], head, environment) as process:
        output, errors = process.communicate(timeout=_PATIENCE_S)
    assert output == "finished [0, 1]\n", errors


def test_without_the_token_a_message_says_where_it_goes(head: str, tmp_path: Path) -> None:
    """Nothing is started, and the message names the variables that Ray reads."""
    with driver("ray", "RayEngine", tmp_path, ["ok"], head, _environment()) as process:
        _, errors = process.communicate(timeout=_PATIENCE_S)
    assert "ray.address" in errors
    assert "sent no token" in errors
    assert "set RAY_AUTH_MODE=token and put the token into RAY_AUTH_TOKEN" in errors
    assert notes(tmp_path, "loads") == []


def test_a_token_that_is_promised_has_to_be_there(head: str, tmp_path: Path) -> None:
    """RAY_AUTH_MODE without a token has a message of its own."""
    environment = _environment(RAY_AUTH_MODE="token", HOME=str(tmp_path))
    with driver("ray", "RayEngine", tmp_path, ["ok"], head, environment) as process:
        _, errors = process.communicate(timeout=_PATIENCE_S)
    assert "RAY_AUTH_MODE is token, but no token was found" in errors
