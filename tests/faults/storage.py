"""An S3 server that fails at times: moto's, behind a proxy that refuses requests and loses answers."""

import http.client
import logging
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
from moto.server import ThreadedMotoServer
from obstore.store import from_url

SLOW_S = 2.0
"""How much later a slow answer comes."""

_HOP = {"connection", "transfer-encoding", "content-length"}


class Faulty(ThreadingHTTPServer):
    """Passes requests on to ``upstream``, and fails at a given rate.

    Attributes:
        refused: share of the requests that are answered with 503 and not passed on.
        lost: share of the writing requests that are passed on, and whose answers are lost.
        reset: share of the requests whose connection is reset, and which are not passed on.
        torn: share of the reading requests whose answers break off in the middle.
        slow: share of the requests that are answered ``SLOW_S`` later.
        injected: number of failures so far.
        requests: number of requests so far.
    """

    daemon_threads = True

    def __init__(self, upstream: tuple[str, int], seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.refused = self.lost = self.reset = self.torn = self.slow = 0.0
        self.injected = self.requests = 0
        self._random, self._lock = random.Random(seed), threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: a client that was killed resets its connections."""

    def fails(self, share: float) -> bool:
        """Whether this one fails."""
        with self._lock:
            fails = self._random.random() < share
            self.injected += fails
        return fails


class _Handler(BaseHTTPRequestHandler):
    server: Faulty
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests += 1
        if self.server.fails(self.server.reset):
            self._reset()
            return
        if self.server.fails(self.server.slow):
            time.sleep(SLOW_S)
        if self.server.fails(self.server.refused):
            self._answer(503, {}, b"")
            return
        upstream = http.client.HTTPConnection(*self.server.upstream, timeout=60)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        if self.command != "GET" and self.server.fails(self.server.lost):
            self.close_connection = True
            return
        torn = self.command == "GET" and len(data) > 1 and self.server.fails(self.server.torn)
        self._answer(answer.status, dict(answer.getheaders()), data, len(data) // 2 if torn else 0)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 - http.server's names

    def _reset(self) -> None:
        """Close the connection with RST: without lingering, unsent data is dropped."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _answer(self, status: int, headers: Mapping[str, str], data: bytes, cut: int = 0) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) - cut])
            self.close_connection = cut > 0

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def faulty_s3(seed: int) -> Iterator[tuple[Faulty, Mapping[str, str]]]:
    """A server with an empty bucket ``bucket``, and the environment in which it is found."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # It logs every request.
    behind = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    behind.start()
    proxy = Faulty(behind.get_host_and_port(), seed)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    host, port = proxy.server_address[:2]
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host!s}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    bucket = http.client.HTTPConnection(str(host), port)
    bucket.request("PUT", "/bucket")
    bucket.getresponse().read()
    bucket.close()
    # All servers of a process share one storage, so the bucket may hold the files of an earlier test.
    store = from_url(
        "s3://bucket",
        endpoint=environment["AWS_ENDPOINT_URL"],
        access_key_id="id",
        secret_access_key="secret",
        region="us-east-1",
        client_options={"allow_http": True},
    )
    obstore.delete(store, [entry["path"] for page in obstore.list(store) for entry in page])
    try:
        yield proxy, environment
    finally:
        proxy.shutdown()
        proxy.server_close()
        behind.stop()
