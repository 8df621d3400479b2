"""The standard streams of the process, which a shell, a scheduler or a full disk may have broken."""

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO, cast

_MOST_DIGITS = 6
"""Of a terminal's width or height; libraries fail on numbers of thousands of digits."""


def secure_streams() -> None:
    """Give the process three open standard streams. A stdout without a reader, as after ``| head``, any error
    of stderr, and a character that the terminal's encoding lacks end nothing.

    A closed stream's number would go to the next file that is opened, such as a video, and a library that
    prints to the stream would write into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest free number is this one.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")
    sys.stdout = cast(TextIO, _BestEffort(sys.stdout, BrokenPipeError))
    sys.stderr = cast(TextIO, _BestEffort(sys.stderr, OSError, ValueError))
    for name in ("COLUMNS", "LINES"):
        if len(os.environ.get(name, "")) > _MOST_DIGITS:
            del os.environ[name]


class _BestEffort:
    """A text stream that drops what these errors prevent: a run does not end because its text is not read."""

    def __init__(self, stream: TextIO, *errors: type[Exception]) -> None:
        self._stream, self._errors = stream, errors

    def write(self, text: str) -> int:
        with contextlib.suppress(*self._errors):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(*self._errors):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
