"""Image pipelines that make videos by Text2Video-Zero's method, with ControlNet or InstructPix2Pix.

The frames of a control sequence or a video are one batch of images. All have the same prompt and noise, and
each attends to the first frame, which keeps them consistent (Khachatryan et al. 2023, arXiv:2303.13439).
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.pipelines.deprecated.text_to_video_synthesis.pipeline_text_to_video_zero import (
    CrossFrameAttnProcessor2_0,
)
from diffusers.utils.torch_utils import randn_tensor

from t2vbatch.job import Model
from t2vbatch.media.reading import DEFAULT, Reading
from t2vbatch.models.calls.diffusers_model import DiffusersModel
from t2vbatch.models.determinism import generators
from t2vbatch.models.protocol import ModelFacts, Request


class FramewiseModel(DiffusersModel):
    """An image pipeline that is called once for all frames of a video."""

    def __init__(
        self, pipeline: Any, spec: Model, facts: ModelFacts, device: str, how: Reading = DEFAULT
    ) -> None:
        super().__init__(pipeline, spec, facts, device, how)
        # Guidance puts its passes into the batch: without prompt and with prompt; for edits also with image.
        passes = 2 if hasattr(pipeline, "controlnet") else 3
        for part in (pipeline.unet, getattr(pipeline, "controlnet", None)):
            if part is not None:
                part.set_attn_processor(CrossFrameAttnProcessor2_0(batch_size=passes))

    def _arguments(self, requests: Sequence[Request]) -> dict[str, Any]:
        arguments = super()._arguments(requests)
        frames = arguments["image"]
        for text in ("prompt", "negative_prompt"):
            if text in arguments:
                arguments[text] = [arguments[text]] * len(frames)
        width, height = frames[0].size
        arguments["latents"] = self._noise(width, height, requests[0].seed).repeat(len(frames), 1, 1, 1)
        return arguments

    def _noise(self, width: int, height: int, seed: int) -> torch.Tensor:
        """The noise that all frames share."""
        pipeline = self._pipeline
        scale = pipeline.vae_scale_factor
        shape = (1, pipeline.vae.config.latent_channels, height // scale, width // scale)
        noise: torch.Tensor = randn_tensor(
            shape, generator=generators([seed])[0], device=self._device, dtype=pipeline.unet.dtype
        )
        return noise
