"""Tiny pipelines of HunyuanVideo, of the models derived from it, and of Kandinsky 5."""

from collections.abc import Mapping
from typing import Any

from tests.models.tiny_parts import (
    TinyPipeline,
    byt5_tokenizer,
    clip_processor,
    clip_text,
    clip_tokenizer,
    diffusers,
    flow,
    llama,
    llama_tokenizer,
    llava,
    qwen2_5_text,
    qwen2_vl,
    qwen_tokenizer,
    siglip_processor,
    siglip_vision,
    t5_encoder,
)


def hunyuan(**changes: Any) -> dict[str, Any]:
    return {
        "text_encoder": llama(),
        "tokenizer": llama_tokenizer(),
        "text_encoder_2": clip_text(8),
        "tokenizer_2": clip_tokenizer(),
        "vae": hunyuan_vae(),
        "transformer": diffusers.HunyuanVideoTransformer3DModel(**{**_HUNYUAN, **changes}),
        "scheduler": flow(shift=7.0),
    }


def hunyuan_image() -> dict[str, Any]:
    changes = {"in_channels": 9, "guidance_embeds": False, "image_condition_type": "latent_concat"}
    return {**hunyuan(**changes), "text_encoder": llava(), "image_processor": clip_processor(image=224)}


def framepack() -> dict[str, Any]:
    transformer = diffusers.HunyuanVideoFramepackTransformer3DModel(
        **{**_HUNYUAN, "patch_size": 2},
        image_condition_type=None,
        has_image_proj=True,
        image_proj_dim=32,
        has_clean_x_embedder=True,
    )
    image = {"feature_extractor": siglip_processor(), "image_encoder": siglip_vision()}
    return {**hunyuan(), **image, "transformer": transformer}


def hunyuan15(image: bool = False) -> dict[str, Any]:
    transformer = diffusers.HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        patch_size=1,
        patch_size_t=1,
        text_embed_dim=16,
        text_embed_2_dim=32,
        image_embed_dim=32,
        rope_axes_dim=(2, 2, 4),
        target_size=16,
        task_type="i2v" if image else "t2v",
    )
    vae = diffusers.AutoencoderKLHunyuanVideo15(
        latent_channels=4,
        block_out_channels=(16, 16),
        layers_per_block=1,
        spatial_compression_ratio=4,
        temporal_compression_ratio=2,
        downsample_match_channel=False,
        upsample_match_channel=False,
    )
    parts = {
        "text_encoder": qwen2_5_text(),
        "tokenizer": qwen_tokenizer(),
        "text_encoder_2": t5_encoder(vocabulary=384),
        "tokenizer_2": byt5_tokenizer(),
        "vae": vae,
        "transformer": transformer,
        "scheduler": flow(shift=7.0),
        "guider": diffusers.guiders.ClassifierFreeGuidance(guidance_scale=1.0),
    }
    if image:
        parts |= {"image_encoder": siglip_vision(), "feature_extractor": siglip_processor()}
    return parts


def kandinsky5(image: bool = False) -> dict[str, Any]:
    transformer = diffusers.Kandinsky5Transformer3DModel(
        **KANDINSKY, model_dim=16, axes_dims=(1, 1, 2), visual_cond=image, attention_type="regular"
    )
    return {**kandinsky_text(), "transformer": transformer, "scheduler": flow(shift=7.0)}


def kandinsky_text() -> dict[str, Any]:
    """The text encoders and the autoencoder of the Kandinsky pipelines."""
    return {
        "text_encoder": qwen2_vl(32, "Qwen2_5_VL"),
        "tokenizer": qwen_tokenizer(),
        "text_encoder_2": clip_text(16),
        "tokenizer_2": clip_tokenizer(),
        "vae": hunyuan_vae(),
    }


def hunyuan_vae() -> Any:
    return diffusers.AutoencoderKLHunyuanVideo(
        latent_channels=4,
        down_block_types=("HunyuanVideoDownBlock3D",) * 4,
        up_block_types=("HunyuanVideoUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        spatial_compression_ratio=8,
        temporal_compression_ratio=4,
    )


_HUNYUAN: Mapping[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "num_attention_heads": 2,
    "attention_head_dim": 10,
    "num_layers": 1,
    "num_single_layers": 1,
    "num_refiner_layers": 1,
    "patch_size": 1,
    "patch_size_t": 1,
    "guidance_embeds": True,
    "text_embed_dim": 16,
    "pooled_projection_dim": 8,
    "rope_axes_dim": (2, 4, 4),
}
KANDINSKY: Mapping[str, Any] = {
    "in_visual_dim": 4,
    "out_visual_dim": 4,
    "in_text_dim": 32,
    "in_text_dim2": 16,
    "time_dim": 16,
    "patch_size": (1, 2, 2),
    "ff_dim": 32,
    "num_text_blocks": 1,
    "num_visual_blocks": 2,
}
_FIVE: Mapping[str, Any] = {"height": 16, "width": 16, "num_inference_steps": 2, "num_frames": 5}
_PLAIN: Mapping[str, Any] = {
    **_FIVE,
    "max_sequence_length": 16,
    "prompt_template": {"template": "{}", "crop_start": 0},
}
_IMAGE_TEMPLATE: Mapping[str, Any] = {
    "template": "{}",
    "crop_start": 0,
    "image_emb_len": 16,
    "image_emb_start": 5,
    "image_emb_end": 21,
    "double_return_token_id": 3,
}

TINY_PIPELINES: Mapping[str, TinyPipeline] = {
    "HunyuanVideoPipeline": TinyPipeline(hunyuan, _PLAIN),
    "HunyuanVideoImageToVideoPipeline": TinyPipeline(
        # The first latent frame holds the image, and the pipeline cuts it off: 9 frames asked, 5 made.
        hunyuan_image,
        {**_FIVE, "num_frames": 9, "max_sequence_length": 64, "prompt_template": _IMAGE_TEMPLATE},
    ),
    "HunyuanSkyreelsImageToVideoPipeline": TinyPipeline(lambda: hunyuan(in_channels=8), _PLAIN),
    "HunyuanVideoFramepackPipeline": TinyPipeline(
        framepack,
        {**_PLAIN, "num_frames": 9, "height": 32, "width": 32, "latent_window_size": 3},
        frames=13,
        size=(32, 32),
    ),
    "HunyuanVideo15Pipeline": TinyPipeline(hunyuan15, _FIVE),
    "HunyuanVideo15ImageToVideoPipeline": TinyPipeline(
        lambda: hunyuan15(image=True), {"num_frames": 5, "num_inference_steps": 2}, size=(12, 16)
    ),
    "Kandinsky5T2VPipeline": TinyPipeline(
        kandinsky5, {**_FIVE, "height": 32, "width": 32, "max_sequence_length": 16}, size=(32, 32)
    ),
    "Kandinsky5I2VPipeline": TinyPipeline(
        # The pipeline normalises the image's latents by those of the frames after them: 5 frames are too few.
        lambda: kandinsky5(image=True),
        {**_FIVE, "num_frames": 17, "height": 32, "width": 32, "max_sequence_length": 16},
        frames=17,
        size=(32, 32),
    ),
}
