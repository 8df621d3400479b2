"""Tiny pipelines of Cosmos.

A Cosmos denoiser resizes a padding mask with torchvision unless its config disables the mask; the tiny
pipelines disable it. The real safety checker is a package of gigabytes; a checker that accepts everything
replaces it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tests.models.tiny_parts import (
    TinyPipeline,
    diffusers,
    flow,
    qwen2_vl,
    qwen_tokenizer,
    t5_text,
    wan_vae,
)


class AcceptingChecker(diffusers.ModelMixin, diffusers.ConfigMixin):  # type: ignore[misc]
    """A safety checker that accepts every prompt and every frame."""

    config_name = "config.json"

    @diffusers.configuration_utils.register_to_config  # type: ignore[untyped-decorator]
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def check_text_safety(self, prompt: str) -> bool:
        return True

    def check_video_safety(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return frames


def cosmos(channels: int = 4) -> dict[str, Any]:
    vae = diffusers.AutoencoderKLCosmos(
        latent_channels=4,
        encoder_block_out_channels=(8, 8, 8, 8),
        decode_block_out_channels=(8, 8, 8, 8),
        attention_resolutions=(8,),
        resolution=64,
        num_layers=2,
        patch_size=4,
        patch_type="haar",
        scaling_factor=1.0,
        spatial_compression_ratio=4,
        temporal_compression_ratio=4,
    )
    scheduler = diffusers.EDMEulerScheduler(
        sigma_min=0.002, sigma_max=80, sigma_data=0.5, sigma_schedule="karras", final_sigmas_type="sigma_min"
    )
    return {**_t5(), "vae": vae, "transformer": _transformer(channels, 4), "scheduler": scheduler}


def cosmos2() -> dict[str, Any]:
    return {
        **_t5(),
        "vae": wan_vae(),
        "transformer": _transformer(17, 16),
        "scheduler": flow(use_karras_sigmas=True),
    }


def cosmos2_5() -> dict[str, Any]:
    return {
        "tokenizer": qwen_tokenizer(),
        "text_encoder": qwen2_vl(16, "Qwen2_5_VL"),
        "vae": wan_vae(),
        "transformer": _transformer(17, 16),
        "scheduler": diffusers.UniPCMultistepScheduler(),
        "safety_checker": AcceptingChecker(),
    }


def cosmos2_5_transfer() -> dict[str, Any]:
    context = {"img_context_dim_in": 32, "img_context_dim_out": 32}
    control = diffusers.CosmosControlNetModel(
        n_controlnet_blocks=2,
        in_channels=18,
        latent_channels=18,
        model_channels=32,
        num_attention_heads=2,
        attention_head_dim=16,
        mlp_ratio=2,
        text_embed_dim=32,
        adaln_lora_dim=4,
        patch_size=(1, 2, 2),
        max_size=(4, 32, 32),
        rope_scale=(2.0, 1.0, 1.0),
        extra_pos_embed_type="learnable",
        use_crossattn_projection=False,
        **context,
    )
    transformer = _transformer(17, 16, controlnet_block_every_n=1, img_context_num_tokens=4, **context)
    return {**cosmos2_5(), "transformer": transformer, "controlnet": control}


def cosmos3() -> dict[str, Any]:
    transformer = diffusers.Cosmos3OmniTransformer(
        head_dim=6,
        hidden_act="relu2",
        hidden_size=6,
        intermediate_size=12,
        latent_channel=16,
        latent_patch_size=1,
        num_attention_heads=1,
        num_hidden_layers=1,
        num_key_value_heads=1,
        patch_latent_dim=16,
        qk_norm_for_text=False,
        rope_axes_dim=[1, 1, 1],
        vocab_size=256,
        sound_gen=True,
        sound_dim=4,
    )
    # 48,000 values a second; one latent stands for 1920 of them, and the denoiser makes 25 latents a second.
    sounds = diffusers.Cosmos3AVAEAudioTokenizer(
        vocoder_input_dim=4,
        dec_dim=4,
        dec_c_mults=(1, 2, 2, 2, 2),
        dec_strides=(2, 4, 5, 6, 8),
        encoder_enabled=False,
    )
    return {
        "transformer": transformer,
        "text_tokenizer": qwen_tokenizer(),
        "vae": wan_vae(),
        "scheduler": diffusers.UniPCMultistepScheduler(),
        "sound_tokenizer": sounds,
        "safety_checker": AcceptingChecker(),
    }


def _transformer(in_channels: int, out_channels: int, **changes: Any) -> Any:
    config: dict[str, Any] = {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "num_layers": 2,
        "mlp_ratio": 2,
        "text_embed_dim": 32,
        "adaln_lora_dim": 4,
        "max_size": (4, 32, 32),
        "patch_size": (1, 2, 2),
        "rope_scale": (2.0, 1.0, 1.0),
        "concat_padding_mask": False,
        "extra_pos_embed_type": "learnable",
    }
    return diffusers.CosmosTransformer3DModel(
        in_channels=in_channels, out_channels=out_channels, **{**config, **changes}
    )


def _t5() -> dict[str, Any]:
    return {**t5_text(), "safety_checker": AcceptingChecker()}


_SMALL: Mapping[str, Any] = {
    "height": 32,
    "width": 32,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}
_NINE: Mapping[str, Any] = {**_SMALL, "num_frames": 9}
_CHECKER: Mapping[str, str] = {"safety_checker": f"{__name__}:AcceptingChecker"}
_SIZE: Mapping[str, Any] = {"frames": 9, "size": (32, 32), "components": _CHECKER}

TINY_PIPELINES: Mapping[str, TinyPipeline] = {
    "CosmosTextToWorldPipeline": TinyPipeline(cosmos, _NINE, **_SIZE),
    "CosmosVideoToWorldPipeline": TinyPipeline(lambda: cosmos(5), _NINE, also=frozenset({"image"}), **_SIZE),
    "Cosmos2VideoToWorldPipeline": TinyPipeline(cosmos2, _NINE, also=frozenset({"image"}), **_SIZE),
    "Cosmos2_5_PredictBasePipeline": TinyPipeline(cosmos2_5, _NINE, **_SIZE),
    "Cosmos2_5_TransferPipeline": TinyPipeline(
        cosmos2_5_transfer, {**_NINE, "num_frames_per_chunk": 9}, **_SIZE
    ),
    "Cosmos3OmniPipeline": TinyPipeline(
        cosmos3,
        {
            "height": 16,
            "width": 16,
            "num_frames": 5,
            "num_inference_steps": 2,
            "use_system_prompt": False,
            "enable_safety_check": False,
            "enable_sound": True,
        },
        components=_CHECKER,
    ),
}
