"""The bundled model `bundled:shapes`: a tiny text-to-video diffusion model trained here, from scratch.

This module says where the weights lie and how the model is called; it imports nothing heavy. world.py is
what the model knows, checker.py judges it, train.py makes it, evaluate.py measures it, CARD.md says how good
it is.
"""

from pathlib import Path
from typing import Any

PIPELINE: Path = Path(__file__).parent / "weights" / "pipeline"
"""The folder for `DiffusionPipeline.from_pretrained` (a WanPipeline, float16 safetensors)."""

CLIP: Path = Path(__file__).parent / "weights" / "clip"
"""The folder of the scorer: a CLIPModel with its CLIPProcessor, trained on frames of the same world."""

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
"""The call arguments that a user gets by default, and that the card's figures were measured with."""
