"""Scores computed by an external program, which may use its own Python environment.

In a job: ``metrics: {sharp: {command: [python, score.py], yields: {sharp: higher}}}``, or a program of this
package: ``metrics: {clap: {program: clap_score}}``. Each worker starts the program once. The program answers
each line of its input with one JSON line.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from pydantic import Field, PrivateAttr, field_validator, model_validator

from t2vbatch.media.audio import write_wav
from t2vbatch.media.video import Video
from t2vbatch.metrics.options import MetricOptions
from t2vbatch.metrics.process import RunningProgram, start
from t2vbatch.metrics.program_file import Direction, ProgramFile, find_program
from t2vbatch.metrics.protocol import Column, Evidence, ProgramError, Weights


class CommandScore(MetricOptions):
    """The score that a program computes for each video: your own command, or a program with its environment.

    Definition: the program's. It reads lines ``{"id": 1, "frames": "/tmp/x.npy", "fps": 8.0, "prompt": "...",
        "columns": [...]}`` from its input; the file holds the decoded frames as uint8 of shape (T, H, W, 3).
        For each line it writes one line ``{"COLUMN": 0.5, ...}``, or ``{"error": "reason"}`` if it cannot
        score the video; null leaves out one column. ``"retry": true`` beside an error says that another try
        may succeed. With ``audio = true`` in its metadata a program also gets ``"audio"``: a 16-bit WAV file,
        or null without sound. With ``images: true`` it also gets ``"image"`` and ``"last_image"``: the row's
        input images as PNG files, or null; with ``texts: [style]`` also ``"texts": {"style": "..."}``, the
        cells of these manifest columns, or null.
    Source: the program's.
    Range: the program's.
    Direction: as ``yields`` says.
    Cost: the program's; each worker starts one process.
    Weights: the program's. The scorer's identity does not include them.
    """

    command: list[str] | None = Field(
        None, min_length=1, description="program and its arguments, run without a shell"
    )
    program: str | None = Field(
        None,
        description="a program of t2vbatch, or a Python file with PEP 723 metadata, in its own environment",
    )
    arguments: list[str | int | float] = Field([], description="arguments of program")
    yields: dict[str, Direction] = Field(
        {}, description="column: which direction is better: higher, lower or none; default: as program says"
    )
    images: bool = Field(False, description="give the row's input images to the program")
    texts: list[str] = Field([], description="manifest columns whose cells the program gets")
    timeout_s: float = Field(600.0, gt=0, strict=False, description="time limit for one answer, in seconds")
    weights: ClassVar[tuple[Weights, ...]] = ()
    _file: ProgramFile | None = PrivateAttr(None)
    _process: RunningProgram | None = PrivateAttr(None)
    _not_started: ProgramError | None = PrivateAttr(None)

    @field_validator("program")
    @classmethod
    def _exists(cls, name: str | None) -> str | None:
        if name is not None:
            find_program(name)
        return name

    def model_post_init(self, context: Any) -> None:
        """Read the metadata of the program once."""
        self._file = None if self.program is None else find_program(self.program)

    @model_validator(mode="after")
    def _complete(self) -> "CommandScore":
        if (self.command is None) == (self.program is None):
            raise ValueError("either command or program")
        if self.command is not None and self.arguments:
            raise ValueError("arguments beside program; write those of a command into command itself")
        if not self._directions:
            raise ValueError("yields: {COLUMN: higher, lower or none}")
        return self

    @property
    def needs_audio(self) -> bool:
        """Whether the program reads the sound of a video."""
        return self._file is not None and self._file.audio

    @property
    def needs_images(self) -> bool:
        """Whether the program reads the input images of a row."""
        return self.images or (self._file is not None and self._file.images)

    @property
    def needs_texts(self) -> tuple[str, ...]:
        """The manifest columns that the program reads."""
        return (*self.texts, *(() if self._file is None else self._file.texts))

    @property
    def columns(self) -> Mapping[str, Column]:
        return directed(self._directions)

    @property
    def _directions(self) -> Mapping[str, Direction]:
        return self.yields or ({} if self._file is None else self._file.yields)

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        process = self._running()
        with tempfile.TemporaryDirectory(prefix="t2vbatch-") as folder:
            request = {
                **video_files(evidence.video, Path(folder), "video", self.needs_audio),
                "prompt": evidence.prompt,
                "columns": list(self._directions),
            }
            if self.needs_images:
                images = {"image": evidence.image, "last_image": evidence.row.last_image}
                request |= image_files(images, Path(folder))
            if self.needs_texts:
                request["texts"] = {name: evidence.row.texts.get(name) for name in self.needs_texts}
            answer = process.ask(request, self.timeout_s)
        given = {name: answer[name] for name in self._directions if answer.get(name) is not None}
        return {name: self._number(name, value) for name, value in given.items()}

    def _running(self) -> RunningProgram:
        if self._process is None or not self._process.alive():
            if self._not_started is not None:
                # An installation that failed would fail, and take as long, for every video.
                raise self._not_started
            try:
                self._process = start(self.command, self.program, [str(one) for one in self.arguments])
            except ProgramError as error:
                self._not_started = error
                raise
        return self._process

    def _number(self, column: str, value: Any) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        name = self.program or " ".join(self.command or [])
        raise ProgramError(f"{name} answered {value!r} for {column}; expected a number")


def image_files(images: Mapping[str, Image.Image | None], folder: Path) -> dict[str, str | None]:
    """Write input images for a program: name: its PNG file, None if the row has no such image."""
    files: dict[str, str | None] = {}
    for name, image in images.items():
        file = folder / f"{name}.png"
        files[name] = None if image is None else str(file)
        if image is not None:
            image.convert("RGB").save(file, compress_level=1)
    return files


def directed(yields: Mapping[str, Direction]) -> dict[str, Column]:
    """The columns of a program, by its ``yields``."""
    return {name: Column(None if end == "none" else end) for name, end in yields.items()}


def video_files(video: Video, folder: Path, name: str, audio: bool = False) -> dict[str, Any]:
    """Write a video for a program, and return the part of the request that names its files.

    Args:
        audio: whether the program reads the sound.
    """
    frames = folder / f"{name}.npy"
    np.save(frames, video.frames)
    if not audio:
        return {"frames": str(frames), "fps": video.fps}
    sound = None
    if video.audio is not None:
        sound = folder / f"{name}.wav"
        write_wav(video.audio, sound)
    return {"frames": str(frames), "fps": video.fps, "audio": sound and str(sound)}
