"""Tiny pipelines of Kandinsky 6: text or image to video with sound, and super-resolution."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tests.models.tiny_parts import TinyPipeline, diffusers, flow
from tests.models.tiny_pipelines.hunyuan import KANDINSKY, kandinsky_text


def kandinsky6() -> dict[str, Any]:
    transformer = diffusers.Kandinsky6Transformer3DModel(
        **KANDINSKY,
        model_dim=32,
        axes_dims=(4, 6, 6),
        visual_cond=True,
        in_audio_dim=4,
        out_audio_dim=4,
        model_dim_a=32,
        time_dim_a=16,
        ff_dim_a=32,
        axes_dims_a=(4, 6, 6),
    )
    audio_vae = diffusers.MMAudioVAE(
        mel_bins=16,
        latent_channels=4,
        hidden_channels=16,
        channel_multipliers=(1, 2),
        layers_per_block=1,
        sample_rate=44_100,
        n_fft=256,
        hop_length=128,
    )
    vocoder = diffusers.MMAudioVocoder(
        num_mels=16,
        upsample_initial_channel=16,
        upsample_rates=(16, 8),
        upsample_kernel_sizes=(32, 16),
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1, 3, 5),),
    )
    return {
        **kandinsky_text(),
        "transformer": transformer,
        "scheduler": flow(shift=5.0),
        "audio_vae": audio_vae,
        "vocoder": vocoder,
    }


def kandinsky6_sr() -> dict[str, Any]:
    transformer = diffusers.Kandinsky6SRTransformer3DModel(
        in_visual_dim=4,
        out_visual_dim=4,
        time_dim=16,
        model_dim=32,
        ff_dim=32,
        num_visual_blocks=1,
        axes_dims=(4, 6, 6),
        tile_sizes=((32, 32),),
    )
    module: Any = import_module("diffusers.models.autoencoders.autoencoder_kandinsky6_sr")
    vae = module.Kandinsky6SRVAE(
        latent_channels=4,
        encoder_block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        layers_per_block=1,
        temporal_compression_start_level=0,
    )
    return {"vae": vae, "transformer": transformer, "scheduler": flow(), "latent_upscaler": None}


_FIVE: Mapping[str, Any] = {
    "height": 32,
    "width": 32,
    "num_inference_steps": 2,
    "num_frames": 5,
    "max_sequence_length": 16,
}

TINY_PIPELINES: Mapping[str, TinyPipeline] = {
    "Kandinsky6TI2VAPipeline": TinyPipeline(kandinsky6, _FIVE, size=(32, 32)),
    "Kandinsky6SRPipeline": TinyPipeline(
        kandinsky6_sr, {"resolution_scale": 2, "num_inference_steps": 2}, frames=9, size=(32, 32)
    ),
}
