"""Tiny pipelines of CogVideoX, ConsisID, Allegro, EasyAnimate, Latte and Mochi."""

from collections.abc import Mapping
from typing import Any

from tests.models.tiny_parts import (
    TinyPipeline,
    ddim,
    diffusers,
    flow,
    qwen2_vl,
    qwen_tokenizer,
    sd_vae,
    t5_text,
)


def cogvideox(**changes: Any) -> dict[str, Any]:
    transformer = diffusers.CogVideoXTransformer3DModel(**{**_COGVIDEOX, **changes})
    return {
        **t5_text(),
        "vae": cogvideox_vae(),
        "transformer": transformer,
        "scheduler": diffusers.CogVideoXDDIMScheduler(),
    }


def cogvideox_image() -> dict[str, Any]:
    return cogvideox(
        in_channels=8, use_rotary_positional_embeddings=True, use_learned_positional_embeddings=True
    )


def cogvideox_vae() -> Any:
    return diffusers.AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )


def consisid() -> dict[str, Any]:
    transformer = diffusers.ConsisIDTransformer3DModel(
        **{**_COGVIDEOX, "in_channels": 8},
        use_rotary_positional_embeddings=True,
        use_learned_positional_embeddings=True,
        cross_attn_interval=1,
        cross_attn_dim_head=1,
        cross_attn_num_heads=1,
        LFE_id_dim=2,
        LFE_vit_dim=2,
        LFE_depth=5,
        LFE_dim_head=8,
        LFE_num_heads=2,
        LFE_num_id_token=1,
        LFE_num_querie=1,
        LFE_output_dim=21,
        LFE_ff_mult=1,
        LFE_num_scale=1,
    )
    return {**cogvideox(), "transformer": transformer}


def allegro() -> dict[str, Any]:
    transformer = diffusers.AllegroTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        cross_attention_dim=24,
        sample_width=8,
        sample_height=8,
        sample_frames=8,
        caption_channels=32,
    )
    vae = diffusers.AutoencoderKLAllegro(
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        # Tiles are 24 frames long and overlap by 120 pixels: the autoencoder decodes nothing smaller.
        sample_size=128,
    )
    return {**t5_text(), "vae": vae, "transformer": transformer, "scheduler": ddim()}


def latte() -> dict[str, Any]:
    transformer = diffusers.LatteTransformer3DModel(
        sample_size=8,
        video_length=4,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=24,
        out_channels=8,
        attention_bias=True,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
    )
    return {**t5_text(), "vae": sd_vae(), "transformer": transformer, "scheduler": ddim()}


def mochi() -> dict[str, Any]:
    transformer = diffusers.MochiTransformer3DModel(
        patch_size=2,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        pooled_projection_dim=16,
        in_channels=12,
        qk_norm="rms_norm",
        text_embed_dim=32,
        time_embed_dim=4,
        max_sequence_length=16,
    )
    # diffusers creates it with torch.full and leaves it uninitialised until weights are loaded.
    transformer.pos_frequencies.data.zero_()
    vae = diffusers.AutoencoderKLMochi(
        latent_channels=12,
        encoder_block_out_channels=(32, 32, 32, 32),
        decoder_block_out_channels=(32, 32, 32, 32),
        layers_per_block=(1, 1, 1, 1, 1),
    )
    return {**t5_text(), "vae": vae, "transformer": transformer, "scheduler": flow()}


def easyanimate(**changes: Any) -> dict[str, Any]:
    config = {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "in_channels": 4,
        "out_channels": 4,
        "time_embed_dim": 2,
        "text_embed_dim": 16,
        "num_layers": 1,
        "sample_width": 16,
        "sample_height": 16,
        "patch_size": 2,
    }
    levels = ("Spatial", "SpatialTemporal", "SpatialTemporal", "SpatialTemporal")
    vae = diffusers.AutoencoderKLMagvit(
        down_block_types=tuple(f"{level}DownBlock3D" for level in levels),
        up_block_types=tuple(f"{level}UpBlock3D" for level in levels),
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        spatial_group_norm=False,
    )
    return {
        "vae": vae,
        "text_encoder": qwen2_vl(),
        "tokenizer": qwen_tokenizer(),
        "transformer": diffusers.EasyAnimateTransformer3DModel(**{**config, **changes}),
        "scheduler": flow(),
    }


_COGVIDEOX: Mapping[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "in_channels": 4,
    "out_channels": 4,
    "time_embed_dim": 2,
    "text_embed_dim": 32,
    "num_layers": 1,
    "sample_width": 2,
    "sample_height": 2,
    "sample_frames": 9,
    "patch_size": 2,
    "temporal_compression_ratio": 4,
    "max_text_seq_length": 16,
}
_SMALL: Mapping[str, Any] = {"height": 16, "width": 16, "num_inference_steps": 2}
_NINE: Mapping[str, Any] = {**_SMALL, "num_frames": 9, "max_sequence_length": 16}

TINY_PIPELINES: Mapping[str, TinyPipeline] = {
    "CogVideoXPipeline": TinyPipeline(cogvideox, _NINE, frames=9),
    "CogVideoXImageToVideoPipeline": TinyPipeline(cogvideox_image, _NINE, frames=9),
    "CogVideoXVideoToVideoPipeline": TinyPipeline(
        cogvideox, {**_SMALL, "strength": 0.8, "max_sequence_length": 16}, frames=9
    ),
    "CogVideoXFunControlPipeline": TinyPipeline(
        lambda: cogvideox(in_channels=8), {**_SMALL, "max_sequence_length": 16}, frames=9
    ),
    "ConsisIDPipeline": TinyPipeline(consisid, _NINE, frames=9),
    "AllegroPipeline": TinyPipeline(
        allegro,
        {
            "height": 128,
            "width": 128,
            "num_frames": 24,
            "num_inference_steps": 2,
            "max_sequence_length": 16,
        },
        frames=24,
        size=(128, 128),
    ),
    "LattePipeline": TinyPipeline(latte, {**_SMALL, "video_length": 4}, frames=4),
    "MochiPipeline": TinyPipeline(mochi, {**_SMALL, "num_frames": 7, "max_sequence_length": 16}, frames=7),
    "EasyAnimatePipeline": TinyPipeline(easyanimate, {**_SMALL, "num_frames": 5}),
    "EasyAnimateControlPipeline": TinyPipeline(
        lambda: easyanimate(in_channels=12), {**_SMALL, "num_frames": 9}, frames=9
    ),
    # With resize_inpaint_mask_directly, as by default, it reads a config entry that no autoencoder has.
    "EasyAnimateInpaintPipeline": TinyPipeline(
        lambda: easyanimate(in_channels=12, resize_inpaint_mask_directly=False),
        {**_SMALL, "num_frames": 9, "strength": 1.0},
        frames=9,
        also=frozenset({"video", "control"}),
    ),
}
