"""Assembles the parts as a WanPipeline and saves it as a folder for DiffusionPipeline.from_pretrained.

The sampler is diffusers' own: UniPC on flow-matching sigmas.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UniPCMultistepScheduler, WanPipeline
from numpy.typing import NDArray

from t2vbatch.models.shapes import CALL
from t2vbatch.models.shapes.denoiser import SHIFT
from t2vbatch.models.shapes.parts import Autoencoder, Pipeline, TextEncoder, Tokenizer, Transformer


def assemble(
    vae: Autoencoder,
    transformer: Transformer,
    text_encoder: TextEncoder,
    tokenizer: Tokenizer,
) -> Pipeline:
    """A pipeline of the trained parts."""
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=SHIFT, solver_order=2
    )
    pipeline = WanPipeline(
        tokenizer=tokenizer,
        text_encoder=text_encoder.eval(),
        vae=vae.eval(),
        scheduler=scheduler,
        transformer=transformer.eval(),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save(pipeline: Pipeline, folder: Path) -> None:
    """Write float16 weights; the pipeline itself is float16 afterwards."""
    pipeline.to(torch.float16).save_pretrained(folder)
    load_as_float32(folder / "text_encoder")


def load_as_float32(folder: Path) -> None:
    """Let transformers load the float16 file as float32 by default, as diffusers does."""
    path = folder / "config.json"
    config: dict[str, Any] = json.loads(path.read_text())
    config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(folder: Path) -> Pipeline:
    """The saved pipeline in float32, without a progress bar."""
    pipeline = WanPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def generate(
    pipeline: Pipeline, prompts: Sequence[str], seeds: Sequence[int], **call: Any
) -> NDArray[np.uint8]:
    """One video for each prompt and seed: uint8 (N, T, H, W, 3). `call` overrides the default call."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    output = pipeline(prompt=list(prompts), generator=generators, output_type="np", **{**CALL, **call})
    frames: NDArray[np.float32] = output.frames
    return (frames * 255).round().astype(np.uint8)
