"""Checkpoints of five architectures in their published sizes, with random weights, built from their configs.

The denoisers and the autoencoders have the published sizes. Text and image encoders have the published width
but two layers, and the tokenizers know single letters: a prompt is encoded once, so the encoders hardly count
in a measurement. Schedulers are those of the tiny pipelines of the tests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.models import tiny
from tests.models.tiny_parts import clip_processor, diffusers, transformers

Parts = Mapping[str, Callable[[], Any]]


@dataclass(frozen=True)
class Architecture:
    """One pipeline.

    Attributes:
        pipeline: its class, which the tiny pipelines of the tests have too.
        parts: builds the parts that replace those of the tiny pipeline.
        call: of one video of the published size.
        columns: manifest columns of its row besides the prompt.
    """

    pipeline: str
    parts: Parts
    call: Mapping[str, Any]
    columns: frozenset[str] = field(default_factory=frozenset)


def _kl(kind: str) -> Any:
    config: dict[str, Any] = {
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
    }
    config["down_block_types"] = ("DownEncoderBlock2D",) * 4
    if kind == "AutoencoderKL":
        config["up_block_types"] = ("UpDecoderBlock2D",) * 4
    return getattr(diffusers, kind)(**config)


_XXL: Mapping[str, Any] = {
    "vocab_size": 128,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_heads": 64,
    "num_layers": 2,
    "feed_forward_proj": "gated-gelu",
}


def umt5_xxl(**changes: Any) -> Any:
    """Wan's text encoder with two layers."""
    return transformers.UMT5EncoderModel(transformers.UMT5Config(**{**_XXL, **changes}))


def _t5_xxl() -> Any:
    return transformers.T5EncoderModel(transformers.T5Config(**_XXL))


def _clip_text() -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=256, hidden_size=1024, intermediate_size=4096, num_hidden_layers=2, num_attention_heads=16
    )
    return transformers.CLIPTextModel(config)


def _clip_vision() -> Any:
    config = transformers.CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=5120,
        num_hidden_layers=2,
        num_attention_heads=16,
        patch_size=14,
        projection_dim=1024,
    )
    return transformers.CLIPVisionModelWithProjection(config)


def _wan() -> Any:
    return diffusers.WanTransformer3DModel(num_attention_heads=12, ffn_dim=8960, num_layers=30)


def _modelscope() -> Any:
    return diffusers.UNet3DConditionModel(sample_size=32, cross_attention_dim=1024, attention_head_dim=64)


def _svd() -> Any:
    return diffusers.UNetSpatioTemporalConditionModel(num_attention_heads=(5, 10, 20, 20), num_frames=25)


ARCHITECTURES: Mapping[str, Architecture] = {
    "Wan 2.1 1.3B": Architecture(
        "WanPipeline",
        {
            "transformer": _wan,
            "transformer_2": lambda: None,
            "vae": lambda: diffusers.AutoencoderKLWan(),
            "text_encoder": umt5_xxl,
        },
        {"height": 480, "width": 832, "num_frames": 33, "num_inference_steps": 50, "guidance_scale": 5.0},
    ),
    "ModelScope 1.7B": Architecture(
        "TextToVideoSDPipeline",
        {"unet": _modelscope, "vae": lambda: _kl("AutoencoderKL"), "text_encoder": _clip_text},
        {"height": 256, "width": 256, "num_frames": 16, "num_inference_steps": 25},
    ),
    "SVD-XT": Architecture(
        "StableVideoDiffusionPipeline",
        {
            "unet": _svd,
            "vae": lambda: _kl("AutoencoderKLTemporalDecoder"),
            "image_encoder": _clip_vision,
            "feature_extractor": clip_processor,
        },
        {"height": 576, "width": 1024, "num_frames": 25, "num_inference_steps": 10, "decode_chunk_size": 8},
        frozenset({"image"}),
    ),
    "CogVideoX 2B": Architecture(
        "CogVideoXPipeline",
        {
            "transformer": lambda: diffusers.CogVideoXTransformer3DModel(num_layers=30),
            "vae": lambda: diffusers.AutoencoderKLCogVideoX(scaling_factor=1.15258426),
            "text_encoder": _t5_xxl,
        },
        {"height": 480, "width": 720, "num_frames": 49, "num_inference_steps": 10},
    ),
    "LTX": Architecture(
        "LTXPipeline",
        {
            "transformer": lambda: diffusers.LTXVideoTransformer3DModel(),
            "vae": lambda: diffusers.AutoencoderKLLTXVideo(),
            "text_encoder": _t5_xxl,
        },
        {"height": 480, "width": 704, "num_frames": 121, "num_inference_steps": 20},
    ),
}


def save(name: str, folder: Path, is_tiny: bool, device: str) -> Path:
    """Write the checkpoint, in bfloat16 unless it is tiny; returns its folder."""
    architecture = ARCHITECTURES[name]
    if is_tiny:
        return tiny.save(architecture.pipeline, folder)
    parts = tiny.TINY_PIPELINES[architecture.pipeline].parts()
    parts.pop("boundary_ratio", None)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        torch.manual_seed(0)
        with torch.device(device):
            parts |= {part: build() for part, build in architecture.parts.items()}
    finally:
        torch.set_default_dtype(before)
    getattr(diffusers, architecture.pipeline)(**parts).to(torch.bfloat16).save_pretrained(folder)
    return folder


def call(name: str, is_tiny: bool) -> dict[str, Any]:
    """Arguments of a call."""
    architecture = ARCHITECTURES[name]
    return dict(tiny.TINY_PIPELINES[architecture.pipeline].call if is_tiny else architecture.call)
