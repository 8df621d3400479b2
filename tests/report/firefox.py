"""A headless Firefox, driven by its own remote protocol, Marionette.

Playwright drives only its own builds of Firefox; this drives the one that Debian ships. The protocol is
messages of JSON with their length in front: https://firefox-source-docs.mozilla.org/testing/marionette/.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PREFERENCES = """
user_pref("media.autoplay.default", 0);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", 9);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", 9);
user_pref("network.proxy.allow_hijacking_localhost", true);
"""
"""Play without a click, and reach no network: no server listens on the port of the proxy."""

_STARTS_WITHIN_S = 120


class Firefox:
    """One window of Firefox."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._sent = connection, 0
        self._stream = connection.makefile("rb")
        self._receive()  # the greeting
        self.send("WebDriver:NewSession", {"strictFileInteractability": False})

    def send(self, command: str, parameters: dict[str, Any]) -> Any:
        """Run a command and return its result. Raises RuntimeError with the browser's message."""
        self._sent += 1
        message = json.dumps([0, self._sent, command, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        if error:
            raise RuntimeError(f"{command}: {error['message']}")
        return result

    def open(self, address: str) -> None:
        """Load a page; a change of the part after # alone is loaded too."""
        self.send("WebDriver:Navigate", {"url": "about:blank"})
        self.send("WebDriver:Navigate", {"url": address})

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        script = f"return {expression}"
        return self.send("WebDriver:ExecuteScript", {"script": script, "args": [], "sandbox": None})["value"]

    def run(self, script: str) -> None:
        """Run a script in the page."""
        self.send("WebDriver:ExecuteScript", {"script": script, "args": [], "sandbox": None})

    def resolve(self, promise: str) -> Any:
        """The value that a JavaScript promise resolves to."""
        script = f"const done = arguments[arguments.length - 1]; {promise}.then(done)"
        parameters: dict[str, Any] = {"script": script, "args": [], "sandbox": None}
        return self.send("WebDriver:ExecuteAsyncScript", parameters)["value"]

    def wait_until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true. Raises TimeoutError after 30 s."""
        end = time.monotonic() + 30
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"{expression} stayed false")
            time.sleep(0.1)

    def screenshot(self, width: int, height: int) -> bytes:
        """The window at this size as PNG."""
        self.send("WebDriver:SetWindowRect", {"width": width, "height": height})
        return base64.b64decode(self.send("WebDriver:TakeScreenshot", {"full": False})["value"])

    def _receive(self) -> Any:
        length = b""
        while (char := self._stream.read(1)) != b":":
            if not char:
                raise RuntimeError("Firefox closed its connection")
            length += char
        return json.loads(self._stream.read(int(length)))


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """Start Firefox with an empty profile in this folder. Raises FileNotFoundError if it is not installed."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        raise FileNotFoundError("firefox")
    port = _free_port()
    preferences = f'{PREFERENCES}user_pref("marionette.port", {port});\n'
    (profile / "user.js").write_text(preferences, "utf-8")
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with _connected(port, process) as connection:
                yield Firefox(connection)
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _connected(port: int, process: "subprocess.Popen[bytes]") -> socket.socket:
    end = time.monotonic() + _STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < end:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.2)
    raise RuntimeError(f"Firefox does not answer on port {port}")


def firefox_or_skip(folder: Path) -> Iterator[Firefox]:
    """A window of Firefox for a fixture. Without Firefox the test is skipped; in CI it fails."""
    try:
        with firefox(folder) as opened:
            yield opened
    except FileNotFoundError:
        if os.environ.get("CI"):
            pytest.fail("this test needs a second browser: apt-get install firefox-esr")
        pytest.skip("no Firefox found: apt-get install firefox-esr")
