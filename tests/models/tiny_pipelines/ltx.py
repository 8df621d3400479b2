"""Tiny pipelines of LTX-Video, LTX-2 and SANA-WM, which decodes with LTX-2's autoencoder."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tests.models.tiny_parts import (
    TinyPipeline,
    diffusers,
    flow,
    gemma2_encoder,
    gemma3,
    gemma_tokenizer,
    t5_text,
)


def ltx() -> dict[str, Any]:
    transformer = diffusers.LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=32,
    )
    return {
        **t5_text(),
        "vae": ltx_vae(),
        "transformer": transformer,
        "scheduler": flow(),
    }


def ltx_long() -> dict[str, Any]:
    return {**ltx(), "scheduler": diffusers.LTXEulerAncestralRFScheduler()}


def ltx_vae() -> Any:
    return diffusers.AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True, False),
        decoder_spatio_temporal_scaling=(True, True, True, False),
        decoder_inject_noise=(False, False, False, False, False),
        upsample_residual=(False, False, False, False),
        upsample_factor=(1, 1, 1, 1),
        timestep_conditioning=False,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )


def ltx_upsampler() -> dict[str, Any]:
    module: Any = import_module("diffusers.pipelines.ltx.modeling_latent_upsampler")
    upsampler = module.LTXLatentUpsamplerModel(
        in_channels=8,
        mid_channels=32,
        num_blocks_per_stage=1,
        dims=3,
        spatial_upsample=True,
        temporal_upsample=False,
    )
    return {"vae": ltx_vae(), "latent_upsampler": upsampler}


def ltx2(*left_out: str, keyframes: bool = False) -> dict[str, Any]:
    """LTX-2's parts; ``left_out`` names the optional parts that stay None."""
    ltx2_module: Any = import_module("diffusers.pipelines.ltx2")
    connector: Mapping[str, Any] = {
        "num_attention_heads": 4,
        "attention_head_dim": 8,
        "num_layers": 1,
        "num_learnable_registers": None,
    }
    connectors = ltx2_module.LTX2TextConnectors(
        caption_channels=32,
        text_proj_in_factor=3,
        **{f"video_connector_{name}": value for name, value in connector.items()},
        **{f"audio_connector_{name}": value for name, value in connector.items()},
        connector_rope_base_seq_len=32,
        rope_double_precision=False,
        rope_type="split",
    )
    transformer = diffusers.LTX2VideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        audio_in_channels=4,
        audio_out_channels=4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=2,
        qk_norm="rms_norm_across_heads",
        caption_channels=32,
        rope_double_precision=False,
        rope_type="split",
        use_keyframes_abs_pos_embedding=keyframes,
    )
    audio_vae = diffusers.AutoencoderKLLTX2Audio(
        base_channels=4,
        output_channels=2,
        ch_mult=(1,),
        num_res_blocks=1,
        attn_resolutions=None,
        in_channels=2,
        resolution=32,
        latent_channels=2,
        norm_type="pixel",
        causality_axis="height",
        dropout=0.0,
        mid_block_add_attention=False,
        sample_rate=16000,
        mel_hop_length=160,
        is_causal=True,
        mel_bins=8,
    )
    # As in the released checkpoints, the vocoder's rate is one and a half times the autoencoder's.
    vocoder = ltx2_module.LTX2Vocoder(
        in_channels=16,
        hidden_channels=32,
        out_channels=2,
        upsample_kernel_sizes=[31, 32],
        upsample_factors=[15, 16],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]],
        leaky_relu_negative_slope=0.1,
        output_sampling_rate=24000,
    )
    return {
        "tokenizer": gemma_tokenizer(),
        "text_encoder": gemma3(),
        "connectors": connectors,
        "transformer": transformer,
        "vae": ltx2_vae(),
        "audio_vae": audio_vae,
        "vocoder": vocoder,
        "scheduler": flow(),
        **dict.fromkeys(left_out),
    }


def ltx2_vae(**changes: Any) -> Any:
    config: dict[str, Any] = {
        "latent_channels": 4,
        "block_out_channels": (8, 8, 8),
        "decoder_block_out_channels": (8, 8, 8),
        "layers_per_block": (1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1, 1),
        "spatio_temporal_scaling": (True, True, True),
        "decoder_spatio_temporal_scaling": (True, True, True),
        "decoder_inject_noise": (False, False, False, False),
        "downsample_type": ("spatiotemporal", "spatiotemporal", "spatiotemporal"),
        "upsample_residual": (False, False, False),
        "upsample_factor": (1, 1, 1),
        "timestep_conditioning": False,
        "patch_size": 1,
        "patch_size_t": 1,
        "encoder_causal": True,
        "decoder_causal": False,
    }
    return diffusers.AutoencoderKLLTX2Video(**{**config, **changes})


def ltx2_upsampler() -> dict[str, Any]:
    module: Any = import_module("diffusers.pipelines.ltx2")
    upsampler = module.LTX2LatentUpsamplerModel(in_channels=4, mid_channels=32, num_blocks_per_stage=1)
    return {"vae": ltx2_vae(), "latent_upsampler": upsampler}


def ltx2_refine() -> dict[str, Any]:
    module: Any = import_module("diffusers.pipelines.ltx2")
    upsampler = module.LTX2LatentUpsamplerModel(
        in_channels=4, mid_channels=32, num_blocks_per_stage=1, spatial_upsample=False, temporal_upsample=True
    )
    return {
        **ltx2(keyframes=True),
        "scheduler": diffusers.LTXEulerAncestralRFScheduler(),
        "temporal_latent_upsampler": upsampler,
    }


def ltx2_decoder() -> dict[str, Any]:
    decoder = diffusers.LTX2VideoDiffusionDecoderModel(
        latent_channels=4,
        patch_size=2,
        decoder_head_dim=8,
        decoder_stage_channels=(64, 32, 16, 16, 8),
        decoder_stage_depths=(1, 1, 1, 1, 1),
        # On a CPU its attention computes all pairs of pixels: one latent a frame keeps the video small.
        decoder_stage_kernels=((3, 1, 1),) * 4,
        decoder_stage5_kernel=(3, 1, 1),
        decoder_t_emb_dim=16,
    )
    return {"diffusion_decoder": decoder, "scheduler": flow(), "vae": None}


def sana_wm() -> dict[str, Any]:
    transformer = diffusers.SanaWMTransformer3DModel(
        in_channels=4,
        num_layers=2,
        hidden_size=32,
        num_attention_heads=2,
        linear_head_dim=16,
        softmax_every_n=2,
        caption_channels=16,
        chunk_plucker_post_attn_blocks=2,
        image_size=32,
    )
    return {
        "tokenizer": gemma_tokenizer(),
        "text_encoder": gemma2_encoder(),
        "vae": ltx2_vae(),
        "transformer": transformer,
        "scheduler": flow(),
    }


_SMALL: Mapping[str, Any] = {
    "height": 32,
    "width": 32,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}
_NINE: Mapping[str, Any] = {**_SMALL, "num_frames": 9}
# The default, layer 28, does not exist in a tiny transformer.
_LTX2: Mapping[str, Any] = {**_NINE, "spatio_temporal_guidance_blocks": [1]}
_OPTIONAL = ("processor", "prompt_enhancer", "duration_head")


def _nine(parts: Any, call: Mapping[str, Any] = _NINE, also: frozenset[str] = frozenset()) -> TinyPipeline:
    return TinyPipeline(parts, call, frames=9, size=(32, 32), also=also)


TINY_PIPELINES: Mapping[str, TinyPipeline] = {
    "LTXPipeline": _nine(ltx),
    "LTXImageToVideoPipeline": _nine(ltx),
    "LTXConditionPipeline": _nine(ltx, also=frozenset({"image", "last_image"})),
    "LTXI2VLongMultiPromptPipeline": _nine(ltx_long, also=frozenset({"image"})),
    "LTXLatentUpsamplePipeline": TinyPipeline(
        ltx_upsampler, {"height": 16, "width": 16}, frames=9, size=(32, 32)
    ),
    "LTX2Pipeline": _nine(lambda: ltx2(*_OPTIONAL), _LTX2),
    "LTX2ImageToVideoPipeline": _nine(lambda: ltx2(*_OPTIONAL), {**_LTX2, "image_crf": 0}),
    "LTX2ConditionPipeline": _nine(lambda: ltx2(*_OPTIONAL, "audio_scheduler"), _LTX2, frozenset({"video"})),
    "LTX2InContextPipeline": _nine(
        lambda: ltx2("audio_scheduler", "processor", "prompt_enhancer"), _LTX2, frozenset({"control"})
    ),
    "LTX2HDRPipeline": _nine(lambda: ltx2("audio_scheduler"), _LTX2, frozenset({"video"})),
    "LTX2DFRPipeline": _nine(
        lambda: ltx2(*_OPTIONAL, keyframes=True),
        {name: value for name, value in _NINE.items() if name != "num_inference_steps"},
    ),
    "LTX2LatentUpsamplePipeline": TinyPipeline(
        ltx2_upsampler, {"height": 16, "width": 16, "num_frames": 9}, frames=9, size=(32, 32)
    ),
    "LTX2DFRTemporalRefinePipeline": TinyPipeline(
        ltx2_refine,
        {
            "height": 32,
            "width": 32,
            "num_frames": 17,
            "keyframe_positions": [8, 16],
            "sigmas": [0.9, 0.4],
            "max_sequence_length": 16,
        },
        frames=33,
        size=(32, 32),
        arrays={
            "latents": (1, 4, 3, 4, 4),
            "keyframes_latents": (1, 4, 2, 4, 4),
            "audio_latents": (1, 2, 17, 2),
        },
    ),
    "LTX2VideoDiffusionDecodePipeline": TinyPipeline(
        ltx2_decoder, {"denormalize": False}, frames=17, arrays={"latents": (1, 4, 3, 1, 1)}
    ),
    "SanaWMPipeline": _nine(sana_wm, {**_NINE, "action": "w-8", "intrinsics": [16.0, 16.0, 16.0, 12.0]}),
}
