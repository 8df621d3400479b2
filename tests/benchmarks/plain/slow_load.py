"""The bundled model with a load of ``LOAD_S`` more seconds, like that of a model for a large GPU.

``python -m tests.benchmarks.plain.slow_load VIDEO`` loads it, calls it once and writes the video.
``SlowShapes`` is the same model as a plug-in of t2vbatch.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from t2vbatch.job import Model
from t2vbatch.media.video import Video
from t2vbatch.models import shapes
from t2vbatch.models.protocol import Request

LOAD_S = 10.0


def load() -> Any:
    """The pipeline. Imports torch and diffusers here, as a worker does, and not where a job is checked."""
    import torch
    from diffusers import DiffusionPipeline

    time.sleep(LOAD_S)
    pipeline = DiffusionPipeline.from_pretrained(shapes.PIPELINE, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def call(pipeline: Any, prompt: str, seed: int) -> Any:
    """Frames, float32 from 0 to 1, shape (T, H, W, 3)."""
    import torch

    generator = torch.Generator("cpu").manual_seed(seed)
    return pipeline(prompt, generator=generator, **shapes.CALL).frames[0]


class SlowShapes:
    """See ``t2vbatch.models.plugins``."""

    CALL: ClassVar[Mapping[str, Any]] = {}
    FPS: ClassVar[float] = shapes.FPS

    def __init__(self, spec: Model, device: str = "cpu") -> None:
        self._pipeline = load()

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """See VideoModel."""
        made = (call(self._pipeline, request.prompt or "", request.seed) for request in requests)
        return [Video((frames * 255).round().astype("uint8"), self.FPS) for frames in made]


def main(video: str) -> None:
    """Load, call and write one video."""
    from diffusers.utils import export_to_video

    export_to_video(call(load(), "a red circle moves left", 0), video, fps=shapes.FPS)


if __name__ == "__main__":
    main(*sys.argv[1:])
