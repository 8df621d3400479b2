"""An S3 server whose every answer takes some milliseconds longer, as over a network.

``python -m tests.benchmarks.slow_s3 FOLDER DELAY_S`` serves the files of a folder in the bucket ``bucket``
and prints its port. In a process of its own, its memory and CPU do not count as those of the client.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

DELAY_S = 0.02


@dataclass(frozen=True)
class SlowS3:
    """A server that runs; ``environment`` has the variables with which a client finds it."""

    environment: Mapping[str, str]
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """CPU seconds of the server so far: moto looks at every key of the bucket for each listing."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def slow_s3(folder: Path) -> Iterator[SlowS3]:
    """The server of a folder's files, with ``DELAY_S`` per request."""
    command = [sys.executable, "-m", "tests.benchmarks.slow_s3", str(folder), str(DELAY_S)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{int(server.stdout.readline())}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
        yield SlowS3(environment, psutil.Process(server.pid))
    finally:
        server.kill()
        server.wait()


def _serve(folder: Path, delay_s: float) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from moto.s3.models import s3_backends
    from werkzeug.serving import WSGIRequestHandler, make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # It logs every request.
    moto = DomainDispatcherApplication(create_backend_app)

    def slow(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(delay_s)
        answer: Iterable[bytes] = moto(environ, start)
        return answer

    backend = s3_backends["123456789012"]["aws"]
    backend.create_bucket("bucket", "us-east-1")
    for file in folder.rglob("*"):
        if file.is_file():
            backend.put_object("bucket", file.relative_to(folder).as_posix(), file.read_bytes())
    WSGIRequestHandler.protocol_version = "HTTP/1.1"  # A connection serves many requests, as with S3.
    server = make_server("127.0.0.1", 0, slow, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), float(sys.argv[2]))
