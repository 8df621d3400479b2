"""Tiny checkpoints of diffusers' real pipeline classes: random weights from a seed, saved as any model is.

``save(NAME, folder)`` writes one; ``TWINS`` says how each is called. Nothing is downloaded: tokenizers are
made of letters, encoders and autoencoders of a few channels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

# Neither library is typed in full.
diffusers: Any = import_module("diffusers")
transformers: Any = import_module("transformers")

LETTERS = [chr(code) for code in range(33, 127)]


@dataclass(frozen=True)
class Twin:
    """How a tiny checkpoint is made and called.

    Attributes:
        parts: makes the pipeline's components.
        call: arguments that keep it small.
        frames, size: what comes out; size is (height, width).
    """

    parts: Callable[[], dict[str, Any]]
    call: Mapping[str, Any] = field(default_factory=dict)
    frames: int = 5
    size: tuple[int, int] = (16, 16)


def save(name: str, folder: Path, variant: str | None = None) -> Path:
    """Write the tiny checkpoint of the pipeline class ``name`` into ``folder``."""
    torch.manual_seed(0)
    pipeline = getattr(diffusers, name)(**TWINS[name].parts())
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline.save_pretrained(folder, variant=variant)
    return folder


def write_image(path: Path, height: int = 24, width: int = 32) -> Path:
    """A small picture with a gradient."""
    rows, columns = np.mgrid[0:height, 0:width]
    channels = (rows * 255 // height, columns * 255 // width, 255 - rows * 255 // height)
    Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8)).save(path)
    return path


def clip_tokenizer() -> Any:
    """Byte-level letters, each alone and at the end of a word."""
    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    vocab = {word: index for index, word in enumerate(words)}
    return transformers.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def clip_text(width: int = 32, projection: bool = False) -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=256,
        hidden_size=width,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        projection_dim=width,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    return kind(config)


def clip_vision(width: int = 32, image: int = 224) -> Any:
    config = transformers.CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        projection_dim=width,
        image_size=image,
        patch_size=image // 4,
    )
    return transformers.CLIPVisionModelWithProjection(config)


def clip_processor(image: int = 224) -> Any:
    return transformers.CLIPImageProcessorPil(crop_size=image, size=image)


def t5_tokenizer() -> Any:
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((char, -3.0) for char in LETTERS)]
    return transformers.T5Tokenizer(vocab=vocab, extra_ids=0)


def t5_encoder(width: int = 32) -> Any:
    config = transformers.T5Config(
        vocab_size=128, d_model=width, d_kv=8, d_ff=37, num_layers=2, num_heads=4, dropout_rate=0.0
    )
    return transformers.T5EncoderModel(config)


def umt5_encoder(width: int = 32) -> Any:
    config = transformers.UMT5Config(
        vocab_size=128, d_model=width, d_kv=8, d_ff=37, num_layers=2, num_heads=4, dropout_rate=0.0
    )
    return transformers.UMT5EncoderModel(config)


def sd_vae() -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=2,
    )


def sd_unet(**changes: Any) -> Any:
    config: dict[str, Any] = {
        "block_out_channels": (8, 8),
        "layers_per_block": 1,
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 32,
        "norm_num_groups": 2,
        "attention_head_dim": 4,
    }
    return diffusers.UNet2DConditionModel(**{**config, **changes})


def ddim() -> Any:
    return diffusers.DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )


def modelscope() -> dict[str, Any]:
    unet = diffusers.UNet3DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=2,
    )
    return {
        "vae": sd_vae(),
        "text_encoder": clip_text(),
        "tokenizer": clip_tokenizer(),
        "unet": unet,
        "scheduler": ddim(),
    }


def stable_diffusion() -> dict[str, Any]:
    return {
        "vae": sd_vae(),
        "text_encoder": clip_text(),
        "tokenizer": clip_tokenizer(),
        "unet": sd_unet(),
        "scheduler": ddim(),
        "safety_checker": None,
        "feature_extractor": None,
    }


def motion_adapter() -> Any:
    return diffusers.MotionAdapter(
        block_out_channels=(8, 8),
        motion_layers_per_block=1,
        motion_norm_num_groups=2,
        motion_num_attention_heads=2,
    )


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


def wan_vae() -> Any:
    return diffusers.AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )


def wan_transformer(**changes: Any) -> Any:
    config: dict[str, Any] = {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": 16,
        "out_channels": 16,
        "text_dim": 32,
        "freq_dim": 32,
        "ffn_dim": 32,
        "num_layers": 2,
        "rope_max_seq_len": 32,
    }
    return diffusers.WanTransformer3DModel(**{**config, **changes})


def wan() -> dict[str, Any]:
    return {
        "tokenizer": t5_tokenizer(),
        "text_encoder": umt5_encoder(),
        "vae": wan_vae(),
        "scheduler": diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        "transformer": wan_transformer(),
        "transformer_2": None,
    }


def cogvideox_vae() -> Any:
    return diffusers.AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )


def cogvideox_transformer(**changes: Any) -> Any:
    config: dict[str, Any] = {
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
    return diffusers.CogVideoXTransformer3DModel(**{**config, **changes})


def cogvideox(**changes: Any) -> dict[str, Any]:
    return {
        "tokenizer": t5_tokenizer(),
        "text_encoder": t5_encoder(),
        "vae": cogvideox_vae(),
        "transformer": cogvideox_transformer(**changes),
        "scheduler": diffusers.CogVideoXDDIMScheduler(),
    }


def cogvideox_image() -> dict[str, Any]:
    return cogvideox(
        in_channels=8, use_rotary_positional_embeddings=True, use_learned_positional_embeddings=True
    )


_SMALL: Mapping[str, Any] = {"height": 16, "width": 16, "num_inference_steps": 2}

TWINS: Mapping[str, Twin] = {
    "TextToVideoSDPipeline": Twin(modelscope, {**_SMALL, "num_frames": 4}, frames=4),
    "StableDiffusionPipeline": Twin(stable_diffusion),
    "StableVideoDiffusionPipeline": Twin(
        stable_video_diffusion, {**_SMALL, "num_frames": 3, "decode_chunk_size": 2}, frames=3
    ),
    "WanPipeline": Twin(wan, {**_SMALL, "num_frames": 5, "max_sequence_length": 16}),
    "CogVideoXImageToVideoPipeline": Twin(
        cogvideox_image, {**_SMALL, "num_frames": 9, "max_sequence_length": 16}, frames=9
    ),
}
