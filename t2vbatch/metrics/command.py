"""Scores that another program computes, in an environment of its own.

A job writes ``metrics: {image_reward: {command: [python, score.py], yields: {image_reward: higher}}}``. The
program is started once a worker and answers one JSON line for each that it reads.
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
    """What a program of yours says of each video.

    Definition: the program's. It reads lines ``{"frames": "/tmp/x.npy", "fps": 8.0, "prompt": "..."}`` from
        its input, where the file holds the decoded frames as uint8 of shape (T, H, W, 3), and writes for each
        a line ``{"COLUMN": 0.5, ...}``, or ``{"error": "why there is none"}``.
    Source: the program's.
    Range: the program's.
    Direction: as ``yields`` says.
    Cost: the program's; it runs beside every worker.
    Weights: the program's; they are not part of this scorer's identity.
    """

    command: list[str] = Field(min_length=1, description="program and arguments; no shell reads them")
    yields: dict[str, Literal["higher", "lower", "none"]] = Field(
        min_length=1, description="column: which end is better: higher, lower or none"
    )
    timeout_s: float = Field(600.0, gt=0, strict=False, description="seconds that one answer may take")
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
            question = {"frames": str(frames), "fps": evidence.video.fps, "prompt": evidence.prompt}
            answer = self._program.ask(question, self.timeout_s)
        if "error" in answer:
            raise UnscorableError(str(answer["error"]))
        return {name: float(answer[name]) for name in self.yields if name in answer}


class _Program:
    """A running program. It sees the end of its input when this process ends, however that happens."""

    def __init__(self, command: list[str]) -> None:
        self._name = command[0]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the program
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
            )
        except OSError as error:
            raise UnscorableError(f"{self._name} cannot be started: {error}") from error
        self._rest = b""

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, question: Mapping[str, Any], timeout_s: float) -> Mapping[str, Any]:
        """The answer to one question. Raises UnscorableError where there is none in time."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            line = self._line(time.monotonic() + timeout_s)
            answer = json.loads(line)
        except BrokenPipeError:
            raise UnscorableError(self._ended()) from None
        except ValueError:
            self.stop()
            raise UnscorableError(f"{self._name} answered no JSON: {line[:200]!r}") from None
        if not isinstance(answer, dict):
            raise UnscorableError(f"{self._name} answered {answer!r}, which is no object")
        return answer

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        source = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            if not select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
                # What it answers later would be taken for the answer to the next question.
                self.stop()
                raise UnscorableError(f"{self._name} did not answer in time")
            part = os.read(source, 1 << 16)
            if not part:
                raise UnscorableError(self._ended())
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _ended(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"{self._name} ended with code {code}: {said[-1] if said else 'no word'}"
