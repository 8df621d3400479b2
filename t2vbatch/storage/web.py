"""Reading one file from the web, and refusing to be sent to addresses that are not the web.

Owns HTTP. A manifest is written by anybody, and a URL in it may point at a machine that only this one can
reach: a cloud's metadata service, a database on the loopback. The address is therefore checked where the
connection is made, on what the name resolved to, so that neither a redirect nor a name that changes its
address between the check and the use leads there.
"""

import http.client
import ipaddress
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit

from t2vbatch import __version__
from t2vbatch.errors import StoreError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Permits = Callable[[Address], bool]

MAX_BYTES = 4 << 30
"""Most bytes that one URL may give."""

STALL_S = 30.0
"""Longest silence of a server, in seconds."""

TOTAL_S = 1800.0
"""Longest time that one file may take, in seconds: a server that drips may not hold a worker for days."""

_CHUNK_BYTES = 1 << 20
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def fetch(url: str, permits: Permits | None = None, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes at an ``http://`` or ``https://`` URL, redirects followed.

    Args:
        url: blanks and letters beyond ASCII may be written as they are.
        permits: whether an address may be connected to, such as ``is_public``. With it, proxies of the
            environment are not used, because they would connect in our place. None: any address.
        max_bytes: a longer body is refused.

    Raises:
        FileNotFoundError: when the server says that nothing is there.
        StoreError: for everything else that can go wrong, with the reason.
    """
    try:
        with _opener(permits).open(_request(url), timeout=STALL_S) as response:
            return _body(response, url, max_bytes)
    except HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise FileNotFoundError(url) from error
        raise StoreError(f"cannot read {url}: the server answers {error.code} {error.reason}") from error
    except URLError as error:
        raise StoreError(f"cannot read {url}: {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise StoreError(f"cannot read {url}: {error or type(error).__name__}") from error


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, also when IPv6 only wraps an IPv4 one."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(wrapped)
    return address.is_global and not address.is_multicast


def names_private_host(url: str) -> bool:
    """Whether a URL says by itself, with no name to look up, that it is not of the public internet."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return not all(is_public(_address(entry[4][0])) for entry in found)


def _request(url: str) -> urllib.request.Request:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("this is no http:// or https:// URL")
    safe = "/%:@!$&'()*+,;=~?"
    plain = parts._replace(path=quote(parts.path, safe), query=quote(parts.query, safe), fragment="")
    agent = f"t2vbatch/{__version__}"  # some hosts refuse the library's own name
    return urllib.request.Request(urlunsplit(plain), headers={"User-Agent": agent})


def _body(response: http.client.HTTPResponse, url: str, max_bytes: int) -> bytes:
    until = time.monotonic() + TOTAL_S
    data = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        data += chunk
        if len(data) > max_bytes:
            raise StoreError(f"cannot read {url}: it is longer than {max_bytes:,} bytes")
        if time.monotonic() > until:
            raise StoreError(f"cannot read {url}: it takes longer than {TOTAL_S:.0f} s")
    if response.length:  # read1 ends in silence where a connection breaks
        raise StoreError(f"cannot read {url}: it ended {response.length:,} bytes early")
    return bytes(data)


def _opener(permits: Permits | None) -> urllib.request.OpenerDirector:
    """An opener for http and https alone: urllib's usual one would follow a redirect to ftp."""
    opener = urllib.request.OpenerDirector()
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ]
    if permits is None:
        handlers += [
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
        ]
    else:
        handlers += [_GuardedHandler(permits)]
    for handler in handlers:
        opener.add_handler(handler)
    return opener


class _GuardedHandler(urllib.request.AbstractHTTPHandler):
    """Opens http and https over connections that check where they go."""

    def __init__(self, permits: Permits) -> None:
        super().__init__()
        self._permits = permits

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_guarded(http.client.HTTPConnection, self._permits), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_guarded(http.client.HTTPSConnection, self._permits), request)

    http_request = urllib.request.AbstractHTTPHandler.do_request_
    https_request = urllib.request.AbstractHTTPHandler.do_request_


def _guarded(
    base: type[http.client.HTTPConnection], permits: Permits
) -> Callable[..., http.client.HTTPConnection]:
    class Guarded(base):  # type: ignore[misc, valid-type]
        def connect(self) -> None:
            self.sock = _connected(self.host, self.port, self.timeout, permits)
            if base is http.client.HTTPSConnection:
                context = ssl.create_default_context()
                self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    return Guarded


def _connected(host: str, port: int, timeout_s: float, permits: Permits) -> socket.socket:
    """A connection to an address of ``host`` that is permitted: to that very address, not to the name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    refused: Exception = OSError(f"{host} has no address")
    for _, _, _, _, place in found:
        address = _address(place[0])
        if not permits(address):
            raise OSError(f"{host} is at {address}, which is not a public address")
        try:
            return socket.create_connection((str(address), port), timeout_s)
        except OSError as error:
            refused = error
    raise refused


def _address(text: str | int) -> Address:
    return ipaddress.ip_address(str(text).partition("%")[0])
