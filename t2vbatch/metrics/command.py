"""Scores computed by an external program, which may use its own Python environment.

In a job: ``metrics: {image_reward: {command: [python, score.py], yields: {image_reward: higher}}}``. Each
worker starts the program once. The program answers each line of its input with one JSON line.
"""

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, PrivateAttr

from t2vbatch.metrics.options import Options
from t2vbatch.metrics.protocol import Column, Evidence, UnscorableError, Weights


class CommandScore(Options):
    """The score that your own program computes for each video.

    Definition: the program's. It reads lines ``{"frames": "/tmp/x.npy", "fps": 8.0, "prompt": "..."}`` from
        its input; the file holds the decoded frames as uint8 of shape (T, H, W, 3). For each line it writes
        one line ``{"COLUMN": 0.5, ...}``, or ``{"error": "reason"}`` if it cannot score the video.
    Source: the program's.
    Range: the program's.
    Direction: as ``yields`` says.
    Cost: the program's; each worker starts one process.
    Weights: the program's. The scorer's identity does not include them.
    """

    command: list[str] = Field(min_length=1, description="program and its arguments, run without a shell")
    yields: dict[str, Literal["higher", "lower", "none"]] = Field(
        min_length=1, description="column: which direction is better: higher, lower or none"
    )
    timeout_s: float = Field(600.0, gt=0, strict=False, description="time limit for one answer, in seconds")
    weights: ClassVar[tuple[Weights, ...]] = ()
    _program: "_Program | None" = PrivateAttr(None)

    @property
    def columns(self) -> Mapping[str, Column]:
        return {name: Column(None if end == "none" else end) for name, end in self.yields.items()}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        if self._program is None or not self._program.alive():
            self._program = _Program(self.command)
        with tempfile.TemporaryDirectory() as folder:
            frames = Path(folder) / "frames.npy"
            np.save(frames, evidence.video.frames)
            request = {"frames": str(frames), "fps": evidence.video.fps, "prompt": evidence.prompt}
            answer = self._program.ask(request, self.timeout_s)
        if "error" in answer:
            raise UnscorableError(str(answer["error"]))
        return {name: float(answer[name]) for name in self.yields if name in answer}


class _Program:
    """A running program. Its input is closed whenever this process ends, even if this process crashes."""

    def __init__(self, command: list[str]) -> None:
        self._name = command[0]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - the file stays open as long as the program runs
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
            )
        except OSError as error:
            raise UnscorableError(f"{self._name} did not start: {error}") from error
        self._rest = b""

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Mapping[str, Any], timeout_s: float) -> Mapping[str, Any]:
        """The program's answer. Raises UnscorableError if it does not answer within ``timeout_s``."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._line(time.monotonic() + timeout_s)
            answer = json.loads(line)
        except BrokenPipeError:
            raise UnscorableError(self._exit_message()) from None
        except ValueError:
            self.stop()
            raise UnscorableError(f"{self._name} answered with invalid JSON: {line[:200]!r}") from None
        if not isinstance(answer, dict):
            raise UnscorableError(f"{self._name} answered {answer!r}; expected a JSON object")
        return answer

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        source = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            if not select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
                # A late answer would be read as the answer for the next video.
                self.stop()
                raise UnscorableError(f"{self._name} did not answer within the time limit")
            part = os.read(source, 1 << 16)
            if not part:
                raise UnscorableError(self._exit_message())
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _exit_message(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"{self._name} exited with code {code}: {lines[-1] if lines else 'no error output'}"
