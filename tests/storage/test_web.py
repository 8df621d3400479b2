"""Reading from the web: real servers, redirects, broken answers, and addresses that are not public."""

import contextlib
import gzip
import ipaddress
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from t2vbatch.errors import StoreError
from t2vbatch.storage import web
from t2vbatch.storage.files import read_uri
from t2vbatch.storage.web import Address, fetch, is_public, names_private_host


class Site(ThreadingHTTPServer):
    """A web site on this machine. ``paths``: its requests; ``encoded``: an encoding and a body in it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.paths: list[str] = []
        self.redirect = ""
        self.encoded = ("", b"")

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    server: Site

    def do_GET(self) -> None:
        """Send what the path asks for."""
        self.server.paths.append(self.path)
        kind = self.path.rpartition("/")[2].partition("?")[0]
        if kind == "missing":
            self.send_error(404)
        elif kind == "broken":
            self.send_error(500)
        elif kind == "away":
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.end_headers()
        elif kind in ("drip", "trickle"):
            self._send_slowly(headers=kind == "drip")
        elif kind == "encoded":
            encoding, body = self.server.encoded
            self.send_response(200)
            self.send_header("Content-Encoding", encoding)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)
        elif kind == "round":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        else:
            body = b"x" * 1000 if kind == "long" else self.path.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + (100 if kind == "short" else 0)))
            self.end_headers()
            self.wfile.write(body)

    def _send_slowly(self, headers: bool) -> None:
        """Send headers or a body without an end, a byte at a time."""
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX: " if headers else b"HTTP/1.0 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(600):
                self.wfile.write(b"x")
                time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    """A running site."""
    server = Site()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def only(text: str) -> Callable[[Address], bool]:
    """Permits one address."""
    return lambda address: address == ipaddress.ip_address(text)


def test_query_and_letters_arrive(site: Site) -> None:
    """Queries are sent, and blanks and letters beyond ASCII are quoted, but not twice."""
    assert read_uri(f"{site.url}/a b/ü%20.png?sig=a%2Fb&x=1#part") == b"/a%20b/%C3%BC%20.png?sig=a%2Fb&x=1"


def test_redirects_are_followed(site: Site) -> None:
    """A redirect leads to the file."""
    site.redirect = "/file"
    assert fetch(f"{site.url}/away") == b"/file"


@pytest.mark.parametrize(
    ("path", "says"),
    [("broken", "answers 500"), ("short", "100 bytes early"), ("long", "longer than 999 bytes")],
)
def test_answers_that_are_no_file(site: Site, path: str, says: str) -> None:
    """Refusals, connections that break and bodies without end are errors that say so."""
    with pytest.raises(StoreError, match=says):
        fetch(f"{site.url}/{path}", max_bytes=999)


def test_missing(site: Site) -> None:
    """What the server does not have is a missing file, not a failing server."""
    with pytest.raises(FileNotFoundError):
        fetch(f"{site.url}/missing")


def test_no_server_and_no_url() -> None:
    """A closed port, an unknown name and text that is not a URL are StoreErrors."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for url in (
        f"http://127.0.0.1:{port}/",
        "http://no-such-host.invalid/",
        "http://",
        "ftp://x/y",
        "http://[x/",
    ):
        with pytest.raises(StoreError, match="cannot read"):
            fetch(url)


def test_private_addresses_are_not_connected_to(site: Site) -> None:
    """If only public addresses are permitted, the loopback gets no request, by number or by name."""
    for host in ("127.0.0.1", "localhost", "2130706433"):
        with pytest.raises(StoreError, match="not a public address"):
            fetch(f"http://{host}:{site.server_port}/", permits=is_public)
    assert site.paths == []


def test_redirects_are_checked_too(site: Site) -> None:
    """A permitted server cannot send us on to an address that is not permitted."""
    site.redirect = f"http://127.0.0.2:{site.server_port}/secret"
    with pytest.raises(StoreError, match=r"127\.0\.0\.2"):
        fetch(f"{site.url}/away", permits=only("127.0.0.1"))
    assert site.paths == ["/away"]


def test_the_users_own_host_may_be_private_and_no_other(site: Site) -> None:
    """A URL that the user wrote is read at any address; its redirects to other hosts are checked."""
    assert fetch(f"{site.url}/file") == b"/file"
    for target in (
        f"http://127.0.0.2:{site.server_port}/secret",
        f"http://localhost:{site.server_port}/secret",
        f"http://127.0.0.1:{site.server_port + 1}/secret",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]/secret",
    ):
        site.redirect = target
        with pytest.raises(StoreError, match="not a public address"):
            fetch(f"{site.url}/away")
    assert set(site.paths) == {"/file", "/away"}


def test_redirects_through_a_proxy_are_checked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy connects for us, so its redirects are checked before they are followed."""
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.setenv("no_proxy", "")
    site.redirect = "http://127.0.0.2/secret"
    with pytest.raises(StoreError, match=r"127\.0\.0\.2"):
        fetch("http://files.example/away")
    assert len(site.paths) == 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_redirects_stay_on_the_web(site: Site, target: str) -> None:
    """A redirect to a file or to another protocol is not followed."""
    site.redirect = target
    with pytest.raises(StoreError):
        fetch(f"{site.url}/away", permits=only("127.0.0.1"))


def test_a_name_is_checked_where_it_is_connected(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes its address between look-ups is connected to at the one that was checked."""
    answers = iter(["127.0.0.1", "127.0.0.2"])

    def look_up(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    connected: list[str] = []

    def connect(place: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(place[0])
        raise OSError("refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(StoreError, match="refused"):
        fetch("http://rebinding.test/", permits=only("127.0.0.1"))
    assert connected == ["127.0.0.1"]


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "192.0.0.192",
        "192.0.0.9",
        "168.63.129.16",
        "100.100.100.200",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.5",
        "240.0.0.1",
        "::127.0.0.1",
        "::1.1.1.1",
        "::ffff:0:127.0.0.1",
        "::ffff:0:1.1.1.1",
        "fec0::1",
        "feb0::1",
        "64:ff9b:1::1",
        "64:ff9b:1::a9fe:a9fe",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "ff02::1",
        "2002:a9fe:a9fe::1",
        "2606:4700::5efe:7f00:1",
        "fd00:ec2::254",
    ],
)
def test_addresses_that_are_not_public(text: str) -> None:
    """Loopback, private, link-local, shared and multicast addresses, also inside IPv6, are not public."""
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_that_are_public(text: str) -> None:
    """Addresses of the internet are public, also inside IPv6."""
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://localhost/x", True),
        ("http://LOCALHOST./x", True),
        ("http://a.localhost/", True),
        ("http://127.1/", True),
        ("http://0x7f000001/", True),
        ("http://[::1]:80/", True),
        ("http://user@127.0.0.1/", True),
        ("https://1.1.1.1/", False),
        ("https://example.org/", False),
    ],
)
def test_hosts_that_say_it_themselves(url: str, private: bool) -> None:
    """A URL with a private address in any spelling is known without looking anything up."""
    assert names_private_host(url) is private


@pytest.mark.parametrize("kind", ["drip", "trickle"])
def test_a_server_that_sends_a_byte_now_and_then(
    site: Site, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole answer, its headers included, has a deadline."""
    monkeypatch.setattr(web, "TOTAL_S", 1.0)
    with pytest.raises(StoreError, match="it takes longer than 1 s"):
        fetch(f"{site.url}/{kind}")


def test_a_redirect_without_an_end(site: Site) -> None:
    """Redirects in a circle are refused."""
    with pytest.raises(StoreError, match="infinite loop"):
        fetch(f"{site.url}/round")


TEXT = bytes(range(256)) * 20_000


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("GZIP", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:1_000_000]) + gzip.compress(b"") + gzip.compress(TEXT[1_000_000:])),
        ("deflate", zlib.compress(TEXT)),
    ],
)
def test_the_encoding_of_a_server_is_removed(site: Site, encoding: str, body: bytes) -> None:
    """Stores that hold files in gzip send them so to every program."""
    site.encoded = (encoding, body)
    assert fetch(f"{site.url}/encoded") == TEXT
    assert fetch(f"{site.url}/encoded", max_bytes=len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("encoding", "body", "says"),
    [
        ("gzip", gzip.compress(TEXT)[:-20], "the gzip encoding of the server ended early"),
        ("gzip", TEXT, "a damaged gzip encoding"),
        ("gzip", gzip.compress(TEXT) + b"no gzip", "a damaged gzip encoding"),
        ("br", TEXT, "the encoding 'br'; expected none, or gzip"),
        ("gzip", gzip.compress(bytes(50 << 20)), "it is longer than 9,000,000 bytes"),
    ],
)
def test_a_bad_encoding_is_refused(site: Site, encoding: str, body: bytes, says: str) -> None:
    """Cut, damaged and unknown encodings are refused, and small bodies that expand beyond the limit."""
    site.encoded = (encoding, body)
    with pytest.raises(StoreError, match=says):
        fetch(f"{site.url}/encoded", max_bytes=9_000_000)
