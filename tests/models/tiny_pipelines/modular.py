"""Tiny modular pipelines: those with a twin that is not modular have its parts."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from tests.models.tiny_parts import (
    TinyPipeline,
    clip_vision,
    diffusers,
    flow,
    qwen_tokenizer,
    transformers,
)
from tests.models.tiny_pipelines import cosmos, hunyuan, ltx, wan


class TypeIds(diffusers.ModelMixin, diffusers.ConfigMixin):  # type: ignore[misc]
    """Stands in for Qwen3-VL's processor, which exists only with torchvision: all tokens are text."""

    config_name = "config.json"

    @diffusers.configuration_utils.register_to_config  # type: ignore[untyped-decorator]
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def create_mm_token_type_ids(self, token_ids: list[list[int]]) -> list[list[int]]:
        return [[0] * len(ids) for ids in token_ids]


def wan_animate_2() -> dict[str, Any]:
    transformer = diffusers.WanAnimate2Transformer3DModel(
        text_len=16, dim=64, ffn_dim=64, freq_dim=32, text_dim=32, num_heads=2, num_layers=2
    )
    vision = transformers.CLIPVisionModel(clip_vision(width=1280).config)
    parts = {name: part for name, part in wan.wan_video().items() if name != "image_processor"}
    return {**parts, "transformer": transformer, "image_encoder": vision, "scheduler": flow()}


def minimax_h3() -> dict[str, Any]:
    transformer = diffusers.MiniMaxH3Transformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        hidden_size=24,
        num_layers=1,
        num_refiner_layers=1,
        ffn_dim=32,
        in_channels=4,
        audio_in_channels=8,
        text_dim=16,
        freq_dim=8,
        time_embed_hidden_dim=24,
        time_embed_dim=16,
        rope_freq_dim=2,
    )
    vae = diffusers.AutoencoderKLMiniMaxH3(
        latent_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        spatial_downsample_factors=(2, 2),
        temporal_downsample_factors=(2, 2),
        norm_num_groups=8,
        decoder_num_layers=1,
        decoder_num_attention_heads=2,
        decoder_attention_head_dim=8,
        decoder_num_register_tokens=2,
        decoder_ffn_mult=2,
        latents_mean=(0.0,) * 4,
        latents_std=(1.0,) * 4,
    )
    audio_vae = diffusers.AutoencoderKLMiniMaxH3Audio(
        encoder_dim=4,
        encoder_rates=(20, 40),
        latent_dim=32,
        latent_channels=8,
        num_attention_heads=2,
        decoder_dim=16,
        decoder_rates=(20, 40),
        decoder_kernel_sizes=(40, 80),
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1, 3),),
        latents_mean=[0.0] * 8,
        latents_std=[1.0] * 8,
    )
    return {
        "text_encoder": qwen3_vl(),
        "tokenizer": qwen_tokenizer(),
        "processor": TypeIds(),
        "vae": vae,
        "audio_vae": audio_vae,
        "scheduler": diffusers.MiniMaxH3Scheduler(),
        "audio_scheduler": diffusers.MiniMaxH3Scheduler(shift=3.0),
        "transformer": transformer,
    }


def qwen3_vl() -> Any:
    """The pipeline reads the output of the fiftieth layer, so that there are more."""
    rope = {"mrope_section": [2, 1, 1], "rope_type": "default", "rope_theta": 1000000.0}
    config = transformers.Qwen3VLConfig(
        text_config={
            "vocab_size": 256,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 51,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "rope_parameters": rope,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "deepstack_visual_indexes": [0],
        },
    )
    return transformers.Qwen3VLForConditionalGeneration(config)


def wan_experts(**changes: Any) -> dict[str, Any]:
    return {**wan.wan(**changes), "transformer_2": wan.wan(**changes)["transformer"]}


def wan_vace_experts() -> dict[str, Any]:
    return {**wan.wan_vace(), "transformer_2": wan.wan_vace()["transformer"]}


def helios_distilled() -> dict[str, Any]:
    stages = {"stage_range": [0, 1 / 3, 2 / 3, 1], "stages": 3}
    return {**wan.helios(stages=3), "scheduler": diffusers.HeliosDMDScheduler(**stages, gamma=0.3)}


def cosmos_distilled() -> dict[str, Any]:
    return {**cosmos.cosmos3(), "scheduler": flow(), "distilled_sigmas": [0.9, 0.5]}


def ltx25() -> dict[str, Any]:
    """The decoder makes 16 x 16 pixels of a latent that stands for 32 x 32, which keeps it fast."""
    return {**ltx.ltx2(), **ltx.ltx2_decoder(), "vae": ltx.ltx2_vae(patch_size=4)}


def echo() -> dict[str, Any]:
    return {name: part for name, part in ltx.ltx2().items() if name != "scheduler"}


def _like(twin: str, parts: Callable[[], dict[str, Any]] | None = None, **call: Any) -> TinyPipeline:
    """The pipeline with the parts, the call and the result of another class."""
    twins = {**wan.TINY_PIPELINES, **hunyuan.TINY_PIPELINES, **ltx.TINY_PIPELINES}
    made = twins[twin]
    return TinyPipeline(parts or made.parts, {**made.call, **call}, made.frames, made.size, made.also)


_ANIMATE: Mapping[str, Any] = {
    "height": 32,
    "width": 32,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
    "segment_frame_length": 9,
}
_COSMOS: Mapping[str, Any] = {"height": 16, "width": 16, "num_frames": 5, "use_system_prompt": False}
_UNCHECKED: Mapping[str, None] = {"safety_checker": None}
_MINIMAX: Mapping[str, Any] = {"height": 16, "width": 16, "num_frames": 124, "num_inference_steps": 2}
_LTX2: Mapping[str, Any] = ltx.TINY_PIPELINES["LTX2Pipeline"].call
_ECHO: Mapping[str, Any] = {"height": 32, "width": 32, "num_frames": 9, "max_sequence_length": 16}

TINY_PIPELINES: Mapping[str, TinyPipeline] = {
    "Cosmos3DistilledModularPipeline": TinyPipeline(cosmos_distilled, _COSMOS, components=_UNCHECKED),
    "Cosmos3OmniModularPipeline": TinyPipeline(
        cosmos.cosmos3, {**_COSMOS, "num_inference_steps": 2, "enable_sound": True}, components=_UNCHECKED
    ),
    "EchoModularPipeline": TinyPipeline(echo, _ECHO, frames=9, size=(32, 32)),
    "HeliosModularPipeline": _like("HeliosPipeline"),
    "HeliosPyramidModularPipeline": _like("HeliosPyramidPipeline"),
    "HeliosPyramidDistilledModularPipeline": _like("HeliosPyramidPipeline", helios_distilled),
    "HunyuanVideo15ModularPipeline": _like("HunyuanVideo15Pipeline"),
    "LTXModularPipeline": _like("LTXPipeline"),
    "LTX2ModularPipeline": _like("LTX2Pipeline"),
    "LTX25ModularPipeline": TinyPipeline(ltx25, {**_LTX2, "num_frames": 17}, frames=17),
    "MiniMaxH3ModularPipeline": TinyPipeline(
        minimax_h3, _MINIMAX, frames=124, components={"processor": f"{__name__}:TypeIds"}
    ),
    "Wan22Image2VideoModularPipeline": _like("WanImageToVideoPipeline", lambda: wan_experts(in_channels=36)),
    "Wan22ModularPipeline": _like("WanPipeline"),
    "Wan22VaceModularPipeline": _like("WanVACEPipeline", wan_vace_experts),
    "WanAnimate2ModularPipeline": TinyPipeline(wan_animate_2, _ANIMATE, frames=9, size=(32, 32)),
    "WanAnimate2DistilledModularPipeline": TinyPipeline(wan_animate_2, _ANIMATE, frames=9, size=(32, 32)),
    "WanImage2VideoModularPipeline": _like("WanImageToVideoPipeline"),
    "WanModularPipeline": _like("WanPipeline:plain"),
}
