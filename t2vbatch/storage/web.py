"""Reading one file from the web, without being led to private addresses.

Owns HTTP. Anybody may write a manifest, and a URL in it may name a machine that only this one can reach: a
cloud's metadata service, a database on the loopback. The check is made for every connection, on the address
that the name resolved to, so that neither a redirect nor a name that changes its address gets around it.

One host may have a private address: the host of a URL that the user wrote, such as a manifest on an intranet.
Its redirects to other hosts are checked like all others.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from types import TracebackType
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit

from t2vbatch import __version__
from t2vbatch.errors import StoreError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Permits = Callable[[Address], bool]
Origin = tuple[str, int]
"""Host and port."""

MAX_BYTES = 4 << 30
"""Most bytes of one URL."""

STALL_S = 30.0
"""Longest silence of a server, in seconds."""

TOTAL_S = 1800.0
"""Longest time for one file with its redirects, in seconds: a server that sends a byte now and then must not
hold a process for days. The headers of a proxy's answer have no such limit."""

_CHUNK_BYTES = 1 << 20
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
"""zlib finds out which of the two the data are."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            # IANA's special-purpose registries, and addresses of clouds' own services among public ones.
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
            "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            "2001::/23", "2001:db8::/32", "3fff::/20",
        ),
    )
)  # fmt: skip
_ISATAP = (0x00005EFE, 0x02005EFE)


def fetch(url: str, permits: Permits | None = None, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes at an ``http://`` or ``https://`` URL; redirects are followed.

    Args and errors: see ``fetch_to``.
    """
    data = bytearray()
    fetch_to(data.extend, url, permits, max_bytes)
    return bytes(data)


def fetch_to(
    take: Callable[[bytes], object], url: str, permits: Permits | None = None, max_bytes: int = MAX_BYTES
) -> None:
    """Pass the bytes at a URL to ``take``, a part at a time.

    Args:
        url: blanks and letters beyond ASCII need no quoting.
        permits: whether an address may be connected to, such as ``is_public``. Proxies of the environment are
            then not used, because they would connect for us. None: the user wrote the URL, so its own host
            may have any address, and every other host needs a public one.
        max_bytes: a longer body is refused.

    Raises:
        FileNotFoundError: the server has no such file.
        StoreError: every other failure, with the reason.
    """
    try:
        with (
            _Deadline(TOTAL_S) as deadline,
            _opener(url, permits, deadline).open(_request(url), timeout=STALL_S) as response,
        ):
            _body(response, url, max_bytes, deadline, take)
    except HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise FileNotFoundError(url) from error
        raise StoreError(f"cannot read {url}: the server answers {error.code} {error.reason}") from error
    except URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise StoreError(f"cannot read {url}: {reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise StoreError(f"cannot read {url}: {error or type(error).__name__}") from error


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, also if IPv6 only wraps an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if address in _NAT64 or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(wrapped)
        if address not in _GLOBAL_UNICAST:
            return False
    special = any(address.version == network.version and address in network for network in _SPECIAL)
    return address.is_global and not address.is_multicast and not special


def names_private_host(url: str) -> bool:
    """Whether a URL names a private host by itself, without looking up a name."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith((".localhost", ".localdomain", ".internal", ".local")):
        return True
    host = host.partition("%")[0]  # The zone of an IPv6 address names a network of this machine.
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return not all(is_public(_address(entry[4][0])) for entry in found)


def _request(url: str) -> urllib.request.Request:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http:// or https:// URL")
    if "@" in parts.netloc:
        raise ValueError("a URL with a user name or a password, which is not supported")
    safe = "/%:@!$&'()*+,;=~?"
    plain = parts._replace(path=quote(parts.path, safe), query=quote(parts.query, safe), fragment="")
    agent = f"t2vbatch/{__version__}"  # some hosts refuse the name of the library
    return urllib.request.Request(urlunsplit(plain), headers={"User-Agent": agent})


def _body(
    response: http.client.HTTPResponse,
    url: str,
    max_bytes: int,
    deadline: "_Deadline",
    take: Callable[[bytes], object],
) -> None:
    size = 0
    for part in _decoded(response):
        take(part)
        size += len(part)
        if size > max_bytes:
            raise StoreError(f"cannot read {url}: it is longer than {max_bytes:,} bytes")
        deadline.check()
    if response.length:  # read1 raises nothing if a connection breaks
        raise StoreError(f"cannot read {url}: it ended {response.length:,} bytes early")


def _decoded(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body in parts, without the encoding that some servers use though none is asked for.

    Raises:
        ValueError: an encoding that is not read, or a damaged body.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        while chunk := response.read1(_CHUNK_BYTES):
            yield chunk
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"the server sends it with the encoding {encoding[:40]!r}; expected none, or gzip")
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        while chunk := response.read1(_CHUNK_BYTES):
            while chunk:
                if decoder.eof:  # The data may be several files of gzip, one after the other.
                    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
                yield decoder.decompress(chunk, _CHUNK_BYTES)
                chunk = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    except zlib.error as error:
        raise ValueError(f"the server sends a damaged {encoding} encoding ({error})") from error
    if not decoder.eof and not response.length:
        raise ValueError(f"the {encoding} encoding of the server ended early")


class _Deadline:
    """A context in which connections are ended when the time is over, also while their headers drip in."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._until = seconds, time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self.check()  # A connection that was ended gives half an answer, or errors of many kinds.

    def watch(self, connection: socket.socket) -> None:
        """End this connection too."""
        self._sockets.append(connection)
        self.check()

    def check(self) -> None:
        """Raise TimeoutError when the time is over."""
        if time.monotonic() >= self._until:
            raise TimeoutError(f"it takes longer than {self._seconds:.0f} s")

    def _end(self) -> None:
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                # Not the method of a TLS socket, which another thread may be reading.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _opener(url: str, permits: Permits | None, deadline: _Deadline) -> urllib.request.OpenerDirector:
    """An opener for http and https alone: urllib's usual opener follows a redirect to ftp."""
    opener = urllib.request.OpenerDirector()
    origin = None if permits else _origin(url)
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ]
    if permits is None and _proxied(url):
        handlers += [
            _CheckedRedirects(origin),
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
        ]
    else:
        handlers += [
            urllib.request.HTTPRedirectHandler(),
            _GuardedHandler(permits or is_public, origin, deadline),
        ]
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def _is_own(host: str, port: int, origin: Origin | None) -> bool:
    """Whether a host is the origin's; a server may redirect from http to https."""
    same = origin is not None and host.lower() == origin[0]
    return same and origin is not None and (port == origin[1] or {port, origin[1]} == {80, 443})


def _proxied(url: str) -> bool:
    """Whether the environment sets a proxy for the URL."""
    parts = urlsplit(url)
    wanted = parts.scheme in urllib.request.getproxies()
    return wanted and not urllib.request.proxy_bypass(parts.hostname or "")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to the origin and to public hosts; for proxies, which connect for us."""

    def __init__(self, origin: Origin | None) -> None:
        self._own = origin

    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        host, port = _origin(newurl)
        if not _is_own(host, port, self._own):
            for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                if not is_public(_address(entry[4][0])):
                    raise URLError(f"{host} is at {entry[4][0]}, which is not a public address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _GuardedHandler(urllib.request.AbstractHTTPHandler):
    """Opens http and https over connections that check their address."""

    def __init__(self, permits: Permits, origin: Origin | None, deadline: _Deadline) -> None:
        super().__init__()
        self._rules = permits, origin, deadline

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_guarded(http.client.HTTPConnection, *self._rules), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_guarded(http.client.HTTPSConnection, *self._rules), request)

    http_request = urllib.request.AbstractHTTPHandler.do_request_
    https_request = urllib.request.AbstractHTTPHandler.do_request_


def _guarded(
    base: type[http.client.HTTPConnection], permits: Permits, origin: Origin | None, deadline: _Deadline
) -> Callable[..., http.client.HTTPConnection]:
    class Guarded(base):  # type: ignore[misc, valid-type]
        def connect(self) -> None:
            own = _is_own(self.host, self.port, origin)
            self.sock = _connected(self.host, self.port, self.timeout, _any_address if own else permits)
            deadline.watch(self.sock)
            if base is http.client.HTTPSConnection:
                context = ssl.create_default_context()
                self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
                deadline.watch(self.sock)

    return Guarded


def _connected(host: str, port: int, timeout_s: float, permits: Permits) -> socket.socket:
    """A connection to a permitted address of ``host``: to the checked address itself, not to the name."""
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


def _any_address(address: Address) -> bool:
    return True


def _address(text: str | int) -> Address:
    return ipaddress.ip_address(str(text).partition("%")[0])
