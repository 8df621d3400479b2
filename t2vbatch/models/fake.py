"""A fake model for tests: it needs no weights, takes no time, and fails on request.

Use it as ``pipeline: t2vbatch.models.fake:FakeModel``; ``path`` may be any text. The call argument ``fault``
or the prompt requests a fault, as in ``a red ball [fault:raise]``. With ``[fault:raise x2]`` (or the call
argument ``fault_times: 2``) only the first two attempts of a request fail; attempts are counted, across
processes, in the folder ``path``. With ``path: fault:NAME`` the fault happens while the model is loaded.
"""

import ctypes
import os
import re
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from t2vbatch.canonical import digest
from t2vbatch.errors import DegenerateError, MemoryExceededError, RowError
from t2vbatch.job import Model
from t2vbatch.media.video import Video
from t2vbatch.models.protocol import Request
from t2vbatch.models.steps import step_done

FAULTS: Mapping[str, str] = {
    "raise": "a RowError, like an error in a pipeline's call",
    "type_error": "a TypeError, like a wrong signature",
    "exit": "the process ends with code 9",
    "segfault": "the process dies of a segmentation fault",
    "hang": "the call never returns",
    "slow": "the call takes fault_seconds longer, in num_inference_steps steps",
    "oom": "the device is always out of memory",
    "oom_unless_offload": "the device is out of memory, unless memory: has an offload",
    "nan": "a DegenerateError, like frames with NaN",
    "black": "all frames are black",
}
"""Fault: its effect."""

_IN_PROMPT = re.compile(r"\[fault:(\w+)(?: x(\d+))?\]")


class FakeModel:
    """Draws a square that moves over noise; both depend on the request alone."""

    NAME: ClassVar[str] = "t2vbatch:fake"
    VERSION: ClassVar[str] = "1"
    CALL: ClassVar[Mapping[str, Any]] = {
        "num_frames": 8,
        "height": 64,
        "width": 64,
        "num_inference_steps": 2,
        "fault": None,
        "fault_times": None,
        "fault_seconds": 1.0,
    }
    ACCEPTS: ClassVar[frozenset[str]] = frozenset(
        {"prompt", "negative_prompt", "image", "last_image", "video", "control"}
    )
    BATCHABLE: ClassVar[bool] = True
    FPS: ClassVar[float] = 8.0

    def __init__(self, spec: Model, device: str = "cpu") -> None:
        self._spec = spec
        self._fps = spec.fps or self.FPS
        if spec.path.startswith("fault:"):
            _strike(spec.path.removeprefix("fault:"), spec)

    @classmethod
    def identity(cls, spec: Model) -> Mapping[str, Any]:
        """Only NAME and VERSION decide the pixels; ``path`` is the folder in which faults are counted."""
        return {}

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """See VideoModel."""
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Video:
        call = {**self.CALL, **request.call}
        fault, times = _fault(request, call)
        if fault and (times is None or self._attempts(request, fault) <= times):
            _strike(fault, self._spec, float(call["fault_seconds"]), call["num_inference_steps"])
            if fault == "black":
                shape = (call["num_frames"], call["height"], call["width"], 3)
                return Video(np.zeros(shape, dtype=np.uint8), self._fps)
        return Video(draw(request, call["num_frames"], call["height"], call["width"]), self._fps)

    def _attempts(self, request: Request, fault: str) -> int:
        """How many times this request has failed, this time included; counted in files, across processes."""
        folder = Path(self._spec.path)
        folder.mkdir(parents=True, exist_ok=True)
        name = digest([request.prompt, request.seed, fault])[:16]
        attempt = 1
        while True:
            try:
                (folder / f"{name}-{attempt}").touch(exist_ok=False)
                return attempt
            except FileExistsError:
                attempt += 1


def draw(request: Request, num_frames: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Frames (T, H, W, 3): dim noise, and a square whose colour and path the whole request decides."""
    media = {name: item.sha256() for name, item in sorted(request.media.items())}
    said = digest([request.prompt, request.negative_prompt, media, dict(request.call)])
    rng = np.random.default_rng([*sha256(said.encode()).digest(), request.seed])
    frames = np.broadcast_to(
        rng.integers(0, 96, (height, width, 3), dtype=np.uint8), (num_frames, height, width, 3)
    ).copy()
    side = max(1, min(height, width) // 4)
    start, stop = rng.integers(0, [height - side + 1, width - side + 1], (2, 2))
    colour = rng.integers(128, 256, 3, dtype=np.uint8)
    for time_index, frame in enumerate(frames):
        top, left = start + (stop - start) * time_index // num_frames
        frame[top : top + side, left : left + side] = colour
    return frames


def _fault(request: Request, call: Mapping[str, Any]) -> tuple[str | None, int | None]:
    if found := _IN_PROMPT.search(request.prompt or ""):
        return found[1], int(found[2]) if found[2] else None
    return call["fault"], call["fault_times"]


def _strike(fault: str, spec: Model, seconds: float = 1.0, steps: int = 1) -> None:
    match fault:
        case "raise":
            raise RowError("RuntimeError: this fault was requested")
        case "type_error":
            raise TypeError("this fault was requested")
        case "exit":
            os._exit(9)
        case "segfault":
            ctypes.string_at(0)
        case "hang":
            while True:
                time.sleep(3600)
        case "slow":
            for _ in range(steps):
                time.sleep(seconds / steps)
                step_done()
        case "oom":
            raise MemoryExceededError("out of memory, as requested")
        case "oom_unless_offload":
            if not any("offload" in str(saving) for saving in spec.memory):
                raise MemoryExceededError("out of memory, as requested")
        case "nan":
            raise DegenerateError("frames with NaN, as requested")
        case "black":
            pass
        case _:
            raise RowError(f"unknown fault {fault!r}; known: {', '.join(FAULTS)}")
