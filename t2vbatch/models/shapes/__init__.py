"""The bundled model `bundled:shapes`: a tiny text-to-video diffusion model trained here, from scratch.

This module has the paths of the weights and the default call; it imports nothing heavy. world.py draws the
training videos, checker.py reads videos, train.py trains the model, evaluate.py measures it, and CARD.md has
the results.
"""

from pathlib import Path
from typing import Any

PIPELINE: Path = Path(__file__).parent / "weights" / "pipeline"
"""The folder for `DiffusionPipeline.from_pretrained` (a WanPipeline, float16 safetensors)."""

CLIP: Path = Path(__file__).parent / "weights" / "clip"
"""The folder of the scorer: a CLIPModel with its CLIPProcessor, trained on frames of the same videos."""

FPS: int = 8
"""Frames per second of the videos."""

CALL: dict[str, Any] = {
    "height": 64,
    "width": 64,
    "num_frames": 9,
    "num_inference_steps": 20,
    "guidance_scale": 1.5,
    "max_sequence_length": 24,
}
"""The default call arguments; the figures in CARD.md were measured with them."""
