"""Tiny pipelines with a UNet: ModelScope, AnimateDiff, Text2Video-Zero, SVD, I2VGen-XL."""

from collections.abc import Mapping
from typing import Any

import torch

from tests.models.tiny_parts import (
    TinyPipeline,
    clip_processor,
    clip_text,
    clip_tokenizer,
    clip_vision,
    ddim,
    diffusers,
    motion_adapter,
    sd_unet,
    sd_vae,
)

_UNET_3D: Mapping[str, Any] = {
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
    "cross_attention_dim": 32,
    "norm_num_groups": 2,
}
_CONTROL: Mapping[str, Any] = {
    "block_out_channels": (8, 8),
    "layers_per_block": 1,
    "in_channels": 4,
    "attention_head_dim": 4,
    "conditioning_embedding_out_channels": (8, 8),
    "norm_num_groups": 2,
}
_XL: Mapping[str, Any] = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 32,
}
"""Networks of Stable Diffusion XL read the size of the picture and a pooled prompt besides."""


def modelscope() -> dict[str, Any]:
    unet = diffusers.UNet3DConditionModel(**_UNET_3D, attention_head_dim=4)
    return {**_text(), "vae": sd_vae(), "unet": unet, "scheduler": ddim()}


def stable_diffusion() -> dict[str, Any]:
    return {
        **_text(),
        "vae": sd_vae(),
        "unet": sd_unet(),
        "scheduler": ddim(),
        "safety_checker": None,
        "feature_extractor": None,
    }


def stable_diffusion_xl() -> dict[str, Any]:
    unet = sd_unet(
        **_XL,
        cross_attention_dim=64,
        # As in the full model, only the deepest level has attention.
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    return {
        **_text(),
        "text_encoder_2": clip_text(projection=True),
        "tokenizer_2": clip_tokenizer(),
        "vae": sd_vae(),
        "unet": unet,
        "scheduler": ddim(),
    }


def animatediff(**parts: Any) -> dict[str, Any]:
    return {
        **_text(),
        "vae": sd_vae(),
        "unet": sd_unet(),
        "motion_adapter": motion_adapter(),
        "scheduler": ddim(),
        "feature_extractor": None,
        "image_encoder": None,
        **parts,
    }


def animatediff_xl() -> dict[str, Any]:
    return {
        **stable_diffusion_xl(),
        "motion_adapter": motion_adapter(use_motion_mid_block=False),
        "feature_extractor": None,
        "image_encoder": None,
    }


def controlnet() -> dict[str, Any]:
    control = diffusers.ControlNetModel(
        **_CONTROL, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), cross_attention_dim=32
    )
    return animatediff(controlnet=_with_effect(control))


def image_controlnet() -> dict[str, Any]:
    return {**stable_diffusion(), "controlnet": controlnet()["controlnet"]}


def image_controlnet_xl() -> dict[str, Any]:
    control = diffusers.ControlNetModel(
        **_CONTROL,
        **_XL,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        cross_attention_dim=64,
    )
    return {**stable_diffusion_xl(), "controlnet": _with_effect(control)}


def instruct() -> dict[str, Any]:
    return {**stable_diffusion(), "unet": sd_unet(in_channels=8)}


def sparse_controlnet() -> dict[str, Any]:
    control = diffusers.SparseControlNetModel(
        **_CONTROL,
        conditioning_channels=3,
        down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
        cross_attention_dim=32,
        use_simplified_condition_embedding=False,
    )
    return animatediff(controlnet=_with_effect(control))


def pia() -> dict[str, Any]:
    return animatediff(motion_adapter=motion_adapter(conv_in_channels=9))


def stable_video_diffusion() -> dict[str, Any]:
    unet = diffusers.UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=8,
        in_channels=8,
        out_channels=4,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=32,
        num_attention_heads=4,
        projection_class_embeddings_input_dim=96,
        addition_time_embed_dim=32,
    )
    vae = diffusers.AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32), down_block_types=("DownEncoderBlock2D",) * 2, latent_channels=4
    )
    return {
        "unet": unet,
        "vae": vae,
        "image_encoder": clip_vision(),
        "feature_extractor": clip_processor(),
        "scheduler": diffusers.EulerDiscreteScheduler(
            prediction_type="v_prediction", timestep_type="continuous", use_karras_sigmas=True
        ),
    }


def i2vgen_xl() -> dict[str, Any]:
    unet = diffusers.I2VGenXLUNet(**_UNET_3D, attention_head_dim=4, num_attention_heads=None)
    return {
        **_text(),
        "vae": sd_vae(),
        "unet": unet,
        "image_encoder": clip_vision(),
        "feature_extractor": clip_processor(),
        "scheduler": ddim(),
    }


def _with_effect(control: Any) -> Any:
    """The ControlNet with its zero weights randomised: untrained, it would change no pixel."""
    for weight in control.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.5)
    return control


def _text() -> dict[str, Any]:
    return {"text_encoder": clip_text(), "tokenizer": clip_tokenizer()}


_SMALL: Mapping[str, Any] = {"height": 16, "width": 16, "num_inference_steps": 2}
_FOUR: Mapping[str, Any] = {**_SMALL, "num_frames": 4}

TINY_PIPELINES: Mapping[str, TinyPipeline] = {
    "TextToVideoSDPipeline": TinyPipeline(modelscope, _FOUR, frames=4),
    "VideoToVideoSDPipeline": TinyPipeline(modelscope, {"num_inference_steps": 4, "strength": 0.5}, frames=9),
    "TextToVideoZeroPipeline": TinyPipeline(
        lambda: {**stable_diffusion(), "safety_checker": None},
        {**_SMALL, "video_length": 3, "t0": 1, "t1": 2, "num_inference_steps": 4},
        frames=3,
    ),
    "TextToVideoZeroSDXLPipeline": TinyPipeline(
        stable_diffusion_xl,
        {**_SMALL, "video_length": 3, "t0": 1, "t1": 2, "num_inference_steps": 4},
        frames=3,
    ),
    "AnimateDiffPipeline": TinyPipeline(animatediff, _FOUR, frames=4),
    "AnimateDiffPAGPipeline": TinyPipeline(animatediff, _FOUR, frames=4),
    "AnimateDiffSDXLPipeline": TinyPipeline(animatediff_xl, _FOUR, frames=4),
    "AnimateDiffControlNetPipeline": TinyPipeline(controlnet, {**_SMALL, "num_frames": 9}, frames=9),
    "AnimateDiffSparseControlNetPipeline": TinyPipeline(
        sparse_controlnet, {**_FOUR, "controlnet_frame_indices": [0, 1, 2]}, frames=4
    ),
    "AnimateDiffVideoToVideoPipeline": TinyPipeline(animatediff, {**_SMALL, "strength": 0.5}, frames=9),
    "AnimateDiffVideoToVideoControlNetPipeline": TinyPipeline(
        controlnet, {**_SMALL, "strength": 0.5}, frames=9
    ),
    "PIAPipeline": TinyPipeline(pia, _FOUR, frames=4),
    "StableVideoDiffusionPipeline": TinyPipeline(
        stable_video_diffusion, {**_SMALL, "num_frames": 3, "decode_chunk_size": 2}, frames=3
    ),
    "I2VGenXLPipeline": TinyPipeline(i2vgen_xl, _FOUR, frames=4),
    "StableDiffusionControlNetPipeline": TinyPipeline(image_controlnet, _SMALL, frames=9),
    "StableDiffusionXLControlNetPipeline": TinyPipeline(image_controlnet_xl, _SMALL, frames=9),
    "StableDiffusionInstructPix2PixPipeline": TinyPipeline(instruct, {"num_inference_steps": 2}, frames=9),
    "StableDiffusionPipeline": TinyPipeline(stable_diffusion),
}
