"""Tiny pipelines with Wan's autoencoder: Wan, SkyReels, AnyFlow, Helios, Sana-Video, Motif."""

from collections.abc import Mapping
from typing import Any

from tests.models.tiny_parts import (
    TinyPipeline,
    clip_processor,
    clip_vision,
    diffusers,
    flow,
    gemma2_encoder,
    gemma_tokenizer,
    siglip_processor,
    t5_tokenizer,
    t5gemma2_encoder,
    umt5_encoder,
    unipc_flow,
    wan_vae,
)

_TRANSFORMER: Mapping[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": 32,
    "freq_dim": 32,
    "ffn_dim": 32,
    "num_layers": 2,
}


def wan(**changes: Any) -> dict[str, Any]:
    transformer = diffusers.WanTransformer3DModel(**{**_TRANSFORMER, "rope_max_seq_len": 32, **changes})
    return {**_around(umt5_encoder()), "transformer": transformer, "transformer_2": None}


def wan_experts() -> dict[str, Any]:
    """Like Wan 2.2: one transformer for the noisy steps, another one for the rest."""
    return {**wan(), "transformer_2": wan()["transformer"], "boundary_ratio": 0.875}


def wan_image(last: bool = False) -> dict[str, Any]:
    places = {"pos_embed_seq_len": 2 * (4 * 4 + 1)} if last else {}
    return {**wan(in_channels=36, image_dim=32, **places), **_image()}


def wan_video() -> dict[str, Any]:
    parts = wan()
    del parts["transformer_2"]
    return parts


def wan_lucy() -> dict[str, Any]:
    return wan(in_channels=32)


def wan_vace() -> dict[str, Any]:
    transformer = diffusers.WanVACETransformer3DModel(
        **{**_TRANSFORMER, "num_layers": 3, "vace_layers": [0, 2], "vace_in_channels": 96}
    )
    return {**_around(umt5_encoder()), "transformer": transformer, "transformer_2": None}


def wan_animate() -> dict[str, Any]:
    transformer = diffusers.WanAnimateTransformer3DModel(
        **{**_TRANSFORMER, "in_channels": 36},
        latent_channels=16,
        image_dim=32,
        motion_encoder_channel_sizes={"4": 16, "8": 16, "16": 16},
        motion_encoder_size=16,
        motion_style_dim=8,
        motion_dim=4,
        motion_encoder_dim=16,
        face_encoder_hidden_dim=16,
        face_encoder_num_heads=2,
        inject_face_latents_blocks=2,
    )
    return {**_around(umt5_encoder()), **_image(), "transformer": transformer}


def chrono_edit() -> dict[str, Any]:
    transformer = diffusers.ChronoEditTransformer3DModel(**{**_TRANSFORMER, "in_channels": 36}, image_dim=32)
    return {**_around(umt5_encoder()), **_image(), "transformer": transformer, "scheduler": flow(shift=7.0)}


def skyreels(**changes: Any) -> dict[str, Any]:
    transformer = diffusers.SkyReelsV2Transformer3DModel(**{**_TRANSFORMER, **changes})
    return {**_around(umt5_encoder()), "transformer": transformer, "scheduler": unipc_flow(8.0)}


def skyreels_image() -> dict[str, Any]:
    return {**skyreels(in_channels=36, image_dim=32), **_image()}


def anyflow(far: bool = False) -> dict[str, Any]:
    config = {**_TRANSFORMER, "gate_value": 0.25, "deltatime_type": "r"}
    if far:
        transformer = diffusers.AnyFlowFARTransformer3DModel(
            **config, compressed_patch_size=(1, 4, 4), full_chunk_limit=3, chunk_partition=(1, 1, 1)
        )
    else:
        transformer = diffusers.AnyFlowTransformer3DModel(**config)
    scheduler = diffusers.FlowMapEulerDiscreteScheduler(num_train_timesteps=1000, shift=5.0)
    return {**_around(umt5_encoder()), "transformer": transformer, "scheduler": scheduler}


def helios(stages: int = 1) -> dict[str, Any]:
    transformer = diffusers.HeliosTransformer3DModel(
        **_TRANSFORMER,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_dim=(4, 4, 4),
        has_multi_term_memory_patch=True,
        guidance_cross_attn=True,
        zero_history_timestep=True,
        is_amplify_history=False,
    )
    # With the default gamma, 1/3, the covariance of the pyramid's noise is singular, and LAPACK fails.
    ranges = {"stage_range": [index / stages for index in range(stages + 1)], "stages": stages}
    scheduler = diffusers.HeliosScheduler(**ranges, use_dynamic_shifting=stages == 1, gamma=0.3)
    return {**_around(umt5_encoder()), "transformer": transformer, "scheduler": scheduler}


def sana_video(image: bool = False) -> dict[str, Any]:
    transformer = diffusers.SanaVideoTransformer3DModel(
        in_channels=16,
        out_channels=16,
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=2,
        num_cross_attention_heads=2,
        cross_attention_head_dim=12,
        cross_attention_dim=24,
        caption_channels=16,
        sample_size=8,
        patch_size=(1, 2, 2),
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )
    return {
        "vae": wan_vae(),
        "text_encoder": gemma2_encoder(),
        "tokenizer": gemma_tokenizer(),
        "transformer": transformer,
        "scheduler": flow() if image else diffusers.DPMSolverMultistepScheduler(),
    }


def motif(image: bool = False) -> dict[str, Any]:
    transformer = diffusers.MotifVideoTransformer3DModel(
        in_channels=33,
        out_channels=16,
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=1,
        num_single_layers=1,
        patch_size=1,
        patch_size_t=1,
        qk_norm="rms_norm",
        text_embed_dim=32,
        rope_axes_dim=(4, 4, 4),
        image_embed_dim=32 if image else None,
    )
    return {
        "vae": wan_vae(),
        "text_encoder": t5gemma2_encoder(),
        "tokenizer": t5_tokenizer(),
        "transformer": transformer,
        "scheduler": flow(shift=7.0),
        "feature_extractor": siglip_processor() if image else None,
        "guider": diffusers.guiders.AdaptiveProjectedGuidance(),
    }


def _around(text_encoder: Any) -> dict[str, Any]:
    return {
        "tokenizer": t5_tokenizer(),
        "text_encoder": text_encoder,
        "vae": wan_vae(),
        "scheduler": unipc_flow(),
    }


def _image() -> dict[str, Any]:
    return {"image_encoder": clip_vision(image=32), "image_processor": clip_processor(image=32)}


_SMALL: Mapping[str, Any] = {
    "height": 16,
    "width": 16,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}
_FIVE: Mapping[str, Any] = {**_SMALL, "num_frames": 5}
_NINE: Mapping[str, Any] = {**_SMALL, "num_frames": 9}

_SANA: Mapping[str, Any] = {
    **_SMALL,
    "frames": 5,
    "use_resolution_binning": False,
    "height": 32,
    "width": 32,
}

TINY_PIPELINES: Mapping[str, TinyPipeline] = {
    "WanPipeline": TinyPipeline(wan_experts, _FIVE),
    "WanPipeline:plain": TinyPipeline(wan, _FIVE),
    "WanImageToVideoPipeline": TinyPipeline(wan_image, _FIVE),
    "WanImageToVideoPipeline:last": TinyPipeline(
        lambda: wan_image(last=True), _FIVE, also=frozenset({"last_image"})
    ),
    "WanVACEPipeline": TinyPipeline(wan_vace, _FIVE),
    "WanVideoToVideoPipeline": TinyPipeline(
        wan_video, {**_SMALL, "num_inference_steps": 4, "strength": 0.8}, frames=9
    ),
    "WanAnimatePipeline": TinyPipeline(
        wan_animate, {**_SMALL, "segment_frame_length": 9, "prev_segment_conditioning_frames": 1}, frames=9
    ),
    "LucyEditPipeline": TinyPipeline(wan_lucy, _NINE, frames=9),
    "ChronoEditPipeline": TinyPipeline(chrono_edit, _FIVE),
    "SkyReelsV2Pipeline": TinyPipeline(skyreels, _FIVE),
    "SkyReelsV2ImageToVideoPipeline": TinyPipeline(skyreels_image, _FIVE),
    "SkyReelsV2DiffusionForcingPipeline": TinyPipeline(
        skyreels, {**_NINE, "ar_step": 1, "causal_block_size": 1}, frames=9
    ),
    "SkyReelsV2DiffusionForcingImageToVideoPipeline": TinyPipeline(
        lambda: skyreels(image_dim=4), _NINE, frames=9
    ),
    "SkyReelsV2DiffusionForcingVideoToVideoPipeline": TinyPipeline(
        skyreels,
        {**_SMALL, "num_frames": 17, "base_num_frames": 5, "overlap_history": 3},
        frames=9 + 17,
    ),
    "AnyFlowPipeline": TinyPipeline(anyflow, _NINE, frames=9),
    "AnyFlowFARPipeline": TinyPipeline(lambda: anyflow(far=True), _NINE, frames=9),
    "HeliosPipeline": TinyPipeline(helios, {**_NINE, "guidance_scale": 1.0}, frames=33),
    "HeliosPyramidPipeline": TinyPipeline(
        lambda: helios(stages=3),
        {
            "height": 64,
            "width": 64,
            "num_frames": 9,
            "max_sequence_length": 16,
            "pyramid_num_inference_steps_list": [1, 1, 1],
            "guidance_scale": 1.0,
        },
        frames=33,
        size=(64, 64),
    ),
    "SanaVideoPipeline": TinyPipeline(
        sana_video,
        _SANA,
        size=(32, 32),
    ),
    "SanaImageToVideoPipeline": TinyPipeline(
        lambda: sana_video(image=True),
        _SANA,
        size=(32, 32),
    ),
    "MotifVideoPipeline": TinyPipeline(motif, _FIVE),
    "MotifVideoImage2VideoPipeline": TinyPipeline(lambda: motif(image=True), _FIVE),
}
