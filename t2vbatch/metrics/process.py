"""A running program that answers JSON lines: one request per line, one answer per line.

A request has an ``id``; an answer may repeat it, and must for a pair. The program ends when its input is
closed, so it never outlives the process that started it.
"""

import contextlib
import itertools
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from t2vbatch.metrics.environments import OWN_PATHS, python_of
from t2vbatch.metrics.program_file import find_program
from t2vbatch.metrics.protocol import ArgumentsError, ProgramError, UnscorableError

_REFUSED_ARGUMENTS = 2
_STOP_S = 10.0
_LONGEST = 500
"""Characters of a reason that are kept; a reason is stored with each video."""


def start(command: Sequence[str] | None, program: str | None, arguments: Sequence[str]) -> "RunningProgram":
    """Start a command, or a program in its environment, which is made if it does not exist.

    Raises:
        ProgramError: it did not start, or its environment could not be made.
    """
    if program is None:
        assert command is not None
        return RunningProgram(command[0], command)
    file = find_program(program)
    clean = {name: value for name, value in os.environ.items() if name not in OWN_PATHS}
    return RunningProgram(file.name, [str(python_of(file)), str(file.path), *arguments], clean)


class RunningProgram:
    """A running program. Its input is closed whenever this process ends, even if this process crashes."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._name, self._ids = name, itertools.count(1)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the program runs
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=env
            )
        except OSError as error:
            raise ProgramError(f"{name} did not start: {error}") from error
        self._rest = b""

    def alive(self) -> bool:
        """Whether the program still runs."""
        return self._process.poll() is None

    def ask(self, request: Mapping[str, Any], timeout_s: float, same_id: bool = False) -> Mapping[str, Any]:
        """The program's answer.

        Args:
            same_id: whether the answer must repeat the id of the request.

        Raises:
            UnscorableError: the program answered that it cannot score this video, with the reason.
            ProgramError: it gave no valid answer within ``timeout_s``, or it answered with a failure that
                another try may not have.
        """
        number = next(self._ids)
        answer = self._answer({"id": number, **request}, timeout_s)
        if answer.get("id", None if same_id else number) != number:
            # Every later answer may belong to another request too.
            self.stop()
            found = f"with id {answer['id']!r}" if "id" in answer else "without an id"
            raise ProgramError(f"{self._name} answered {found}; expected the id of the request, {number}")
        if "error" in answer:
            kind = ProgramError if answer.get("retry") else UnscorableError
            raise kind(str(answer["error"])[:_LONGEST])
        return answer

    def stop(self) -> None:
        """End the program now."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close the input, at which the program ends; kill it if it does not end in time."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            # Closing sends what a program that ended did not read.
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.stop()

    def _answer(self, request: Mapping[str, Any], timeout_s: float) -> Mapping[str, Any]:
        assert self._process.stdin is not None
        line = b""
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._line(time.monotonic() + timeout_s, timeout_s)
            answer = json.loads(line)
        except BrokenPipeError:
            raise self._exit_error() from None
        except (ValueError, RecursionError):
            self.stop()
            raise ProgramError(f"{self._name} answered with invalid JSON: {line[:200]!r}") from None
        if not isinstance(answer, dict):
            self.stop()
            raise ProgramError(f"{self._name} answered {answer!r}; expected a JSON object")
        return answer

    def _line(self, deadline: float, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        source = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            if not select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
                # A late answer would be read as the answer for the next video.
                self.stop()
                raise ProgramError(f"{self._name} did not answer within the time limit of {timeout_s:g} s")
            part = os.read(source, 1 << 16)
            if not part:
                raise self._exit_error()
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _exit_error(self) -> ProgramError:
        self.close()
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        kind = ArgumentsError if code == _REFUSED_ARGUMENTS else ProgramError
        return kind(f"{self._name} exited with code {code}: {lines[-1] if lines else 'no error output'}")
