"""Tiny networks in their authors' layouts: the inverse of the conversion by diffusers.

Each function takes a network or its parts and returns its weights under the names in the authors' files.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch

Weights = dict[str, torch.Tensor]
Names = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]
"""Pairs of a pattern in diffusers' names and its replacement in a file, applied in this order."""

_WAN: Names = (
    (r"\.norm2\.", ".norm."),
    (r"\.norm3\.", ".norm2."),
    (r"\.norm\.", ".norm3."),
    (r"condition_embedder\.time_embedder\.linear_1", "time_embedding.0"),
    (r"condition_embedder\.time_embedder\.linear_2", "time_embedding.2"),
    (r"condition_embedder\.text_embedder\.linear_1", "text_embedding.0"),
    (r"condition_embedder\.text_embedder\.linear_2", "text_embedding.2"),
    (r"condition_embedder\.time_proj", "time_projection.1"),
    (r"attn2", "cross_attn"),
    (r"attn1", "self_attn"),
    (r"\.to_out\.0\.", ".o."),
    (r"\.to_([qkv])\.", r".\1."),
    (r"proj_out", "head.head"),
    (r"ffn\.net\.0\.proj", "ffn.0"),
    (r"ffn\.net\.2", "ffn.2"),
    (r"^scale_shift_table", "head.modulation"),
    (r"scale_shift_table", "modulation"),
)

_LTX: Names = (
    (r"proj_in", "patchify_proj"),
    (r"time_embed", "adaln_single"),
    (r"norm_([qk])", r"\1_norm"),
    (r"^", "model.diffusion_model."),
)

_LTX_VAE: Names = (
    (r"decoder\.mid_block", "decoder.up_blocks.-"),
    (r"up_blocks\.3\.resnets", "up_blocks.9.res_blocks"),
    (r"up_blocks\.3\.upsamplers\.0", "up_blocks.8"),
    (r"up_blocks\.2\.resnets", "up_blocks.6.res_blocks"),
    (r"up_blocks\.2\.upsamplers\.0", "up_blocks.5"),
    (r"up_blocks\.1\.resnets", "up_blocks.3.res_blocks"),
    (r"up_blocks\.1\.upsamplers\.0", "up_blocks.2"),
    (r"up_blocks\.0\.resnets", "up_blocks.1.res_blocks"),
    (r"up_blocks\.-\.resnets", "up_blocks.0.res_blocks"),
    (r"encoder\.mid_block\.resnets", "encoder.down_blocks.9.res_blocks"),
    (r"down_blocks\.3\.resnets", "down_blocks.8.res_blocks"),
    (r"down_blocks\.2\.downsamplers\.0", "down_blocks.7"),
    (r"down_blocks\.2\.resnets", "down_blocks.6.res_blocks"),
    (r"down_blocks\.1\.downsamplers\.0", "down_blocks.4"),
    (r"down_blocks\.1\.resnets", "down_blocks.3.res_blocks"),
    (r"down_blocks\.0\.downsamplers\.0", "down_blocks.1"),
    (r"down_blocks\.0\.resnets", "down_blocks.0.res_blocks"),
    (r"latents_mean", "per_channel_statistics.mean-of-means"),
    (r"latents_std", "per_channel_statistics.std-of-means"),
    (r"^", "vae."),
)

_MOTION: Names = (
    (r"\.norm([12])\.", lambda found: f".norms.{int(found[1]) - 1}."),
    (r"\.norm3\.", ".ff_norm."),
    (r"\.attn([12])\.", lambda found: f".attention_blocks.{int(found[1]) - 1}."),
    (r"(motion_modules\.\d+)", r"\1.temporal_transformer"),
)

_RESNET: Names = (
    (r"norm1", "in_layers.0"),
    (r"conv1", "in_layers.2"),
    (r"norm2", "out_layers.0"),
    (r"conv2", "out_layers.3"),
    (r"time_emb_proj", "emb_layers.1"),
    (r"conv_shortcut", "skip_connection"),
)

_UNET: Names = (
    (r"time_embedding\.linear_1", "time_embed.0"),
    (r"time_embedding\.linear_2", "time_embed.2"),
    (r"^conv_in", "input_blocks.0.0"),
    (r"conv_norm_out", "out.0"),
    (r"conv_out", "out.2"),
    (r"down_blocks\.0\.resnets\.0", "input_blocks.1.0"),
    (r"down_blocks\.0\.attentions\.0", "input_blocks.1.1"),
    (r"down_blocks\.0\.downsamplers\.0\.conv", "input_blocks.2.0.op"),
    (r"down_blocks\.1\.resnets\.0", "input_blocks.3.0"),
    (r"mid_block\.resnets\.0", "middle_block.0"),
    (r"mid_block\.attentions\.0", "middle_block.1"),
    (r"mid_block\.resnets\.1", "middle_block.2"),
    (r"up_blocks\.0\.resnets\.(\d)", r"output_blocks.\1.0"),
    (r"up_blocks\.0\.upsamplers\.0", "output_blocks.1.1"),
    (r"up_blocks\.1\.resnets\.0", "output_blocks.2.0"),
    (r"up_blocks\.1\.resnets\.1", "output_blocks.3.0"),
    (r"up_blocks\.1\.attentions\.0", "output_blocks.2.1"),
    (r"up_blocks\.1\.attentions\.1", "output_blocks.3.1"),
    (r"^", "model.diffusion_model."),
)
"""For a UNet with two levels of one layer, with attention in the outer level."""

_VAE: Names = (
    (r"conv_norm_out", "norm_out"),
    (r"down_blocks\.(\d)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.(\d)\.resnets", lambda found: f"up.{1 - int(found[1])}.block"),
    (r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{1 - int(found[1])}.upsample"),
    (r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}"),
    (r"mid_block\.attentions\.0", "mid.attn_1"),
    (r"group_norm", "norm"),
    (r"to_([qkv])\.", r"\1."),
    (r"to_out\.0", "proj_out"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"^", "first_stage_model."),
)
"""For an autoencoder with two levels."""

_CLIP: Names = ((r"^(text_model\.)?", "cond_stage_model.transformer.text_model."),)


def wan(transformer: Any) -> Weights:
    """A Wan transformer in the layout of its authors and of ComfyUI."""
    return _renamed(transformer.state_dict(), _WAN)


def ltx(parts: Mapping[str, Any]) -> Weights:
    """An LTX checkpoint: transformer and autoencoder, without the text encoder."""
    return {
        **_renamed(parts["transformer"].state_dict(), _LTX),
        **_renamed(parts["vae"].state_dict(), _LTX_VAE),
    }


def motion_module(adapter: Any) -> Weights:
    """An AnimateDiff motion module."""
    return _renamed(adapter.state_dict(), _MOTION)


def stable_diffusion(parts: Mapping[str, Any]) -> Weights:
    """A Stable Diffusion 1.5 checkpoint: UNet, autoencoder and text encoder."""
    return {
        **_renamed(parts["unet"].state_dict(), _UNET, resnets=True),
        **_renamed(parts["vae"].state_dict(), _VAE),
        **_renamed(parts["text_encoder"].state_dict(), _CLIP),
    }


def _renamed(weights: Mapping[str, torch.Tensor], names: Names, resnets: bool = False) -> Weights:
    found: Weights = {}
    for name, value in weights.items():
        for own, original in (*(_RESNET if resnets and ".resnets." in name else ()), *names):
            name = re.sub(own, original, name)
        found[name] = value.contiguous().clone()
    return found
