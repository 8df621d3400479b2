"""The first request to an object store: what a user reads where it does not answer or denies access."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from t2vbatch.errors import JobError, StoreError, UsageError
from t2vbatch.storage import access
from t2vbatch.storage.access import check_access
from t2vbatch.storage.object_folder import ObjectFolder


@pytest.fixture(autouse=True)
def _asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    vars(access)["_check"].cache_clear()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class _Denying(BaseHTTPRequestHandler):
    status, body = 403, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def denying() -> Iterator[str]:
    """The address of a server that denies every request."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Denying) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _error(uri: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        check_access(uri, "lease.json")
    return caught.value


def test_a_refused_connection_names_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no server listens, the message has the URI, and the variable with the address."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    error = _error("s3://bucket/out")
    assert (error.where, error.found) == ("s3://bucket/out", "the storage does not answer")
    assert "AWS_ENDPOINT_URL (http://127.0.0.1:9)" in error.fix


def test_a_silent_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, silent: str) -> None:
    """A server that never answers is an error when the deadline is over."""
    monkeypatch.setattr(access, "_DEADLINE_S", 0.5)
    monkeypatch.setenv("AWS_ENDPOINT_URL", silent)
    assert _error("s3://bucket/out").found == "the storage does not answer"


def test_denied_access_names_the_credentials(monkeypatch: pytest.MonkeyPatch, denying: str) -> None:
    """A request that the storage denies is an error with the variables of the credentials."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", denying)
    error = _error("s3://bucket/out")
    assert error.found == "the storage denied access"
    assert "AWS_ACCESS_KEY_ID" in error.fix


@pytest.mark.parametrize("status", [400, 403])
def test_the_answer_of_the_storage_is_quoted(
    status: int, monkeypatch: pytest.MonkeyPatch, denying: str
) -> None:
    """Messages name an expired token or a wrong clock, before a run and in its middle."""
    answer = b"<Error>\n<Code>ExpiredToken</Code>\n<Message>The token has expired.</Message></Error>"
    monkeypatch.setattr(_Denying, "status", status)
    monkeypatch.setattr(_Denying, "body", answer)
    monkeypatch.setenv("AWS_ENDPOINT_URL", denying)
    assert "ExpiredToken: The token has expired." in _error("s3://bucket/out").found
    with pytest.raises(StoreError) as caught:
        ObjectFolder("s3://bucket/out").read("a")
    said = "the storage answered ExpiredToken: The token has expired."
    assert str(caught.value) == f"cannot read s3://bucket/out/a: {said}"


def test_a_server_that_fails_is_a_storage_without_an_answer(
    monkeypatch: pytest.MonkeyPatch, denying: str
) -> None:
    """A status of 500 and more is repeated for some seconds, and is then the storage's failure."""
    monkeypatch.setattr(_Denying, "status", 503)
    monkeypatch.setenv("AWS_ENDPOINT_URL", denying)
    assert _error("s3://bucket/out").found == "the storage does not answer"


@pytest.mark.parametrize(
    ("scheme", "variable"), [("s3", "AWS_ACCESS_KEY_ID"), ("az", "AZURE_STORAGE_ACCOUNT_NAME")]
)
def test_missing_credentials_are_named(
    monkeypatch: pytest.MonkeyPatch, denying: str, scheme: str, variable: str
) -> None:
    """Without credentials in the environment, the message says which variables to set."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", denying)
    error = _error(f"{scheme}://bucket/out")
    assert error.found == "no credentials for this storage"
    assert variable in error.fix


def test_a_missing_bucket_is_named(s3: str) -> None:
    """A bucket that does not exist is an error before anything is written; a missing file is none."""
    check_access(f"{s3}/out", "lease.json")
    assert _error("s3://another/out").found == "no bucket of this name"


def test_an_error_names_the_key_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a job, the message begins with the key and shows the URI."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(JobError) as caught:
        check_access("s3://bucket/out", "lease.json", "output", JobError)
    assert (caught.value.where, caught.value.found) == (
        "output",
        "s3://bucket/out: the storage does not answer",
    )


def test_a_local_path_needs_no_request() -> None:
    """Nothing is asked about local paths and web addresses."""
    for uri in ("/nowhere", "relative", "file:///nowhere", "https://host/x"):
        check_access(uri, "lease.json")
