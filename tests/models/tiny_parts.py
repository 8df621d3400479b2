"""Parts of tiny pipelines: tokenizers of single letters, text encoders and autoencoders of a few channels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

# Neither library is typed in full.
diffusers: Any = import_module("diffusers")
transformers: Any = import_module("transformers")

LETTERS = [chr(code) for code in range(33, 127)]

_CLIP: Mapping[str, Any] = {"intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2}
_T5: Mapping[str, Any] = {"d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0}


@dataclass(frozen=True)
class TinyPipeline:
    """How to build the tiny checkpoint of one pipeline class, and how to call it.

    Attributes:
        parts: builds the pipeline's components.
        call: arguments that keep the video small.
        frames, size: the number of frames and the (height, width) of its video.
        also: optional manifest columns that its row has.
        arrays: column: shape of the array that its row names.
        components: name: class of the components that a checkpoint cannot hold. They are saved beside the
            checkpoint, and the job names them. None: the job leaves the component out.
    """

    parts: Callable[[], dict[str, Any]]
    call: Mapping[str, Any] = field(default_factory=dict)
    frames: int = 5
    size: tuple[int, int] = (16, 16)
    also: frozenset[str] = frozenset()
    arrays: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    components: Mapping[str, str | None] = field(default_factory=dict)


def clip_tokenizer() -> Any:
    """A tokenizer of single letters, each with a form for the end of a word."""
    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    vocab = {word: index for index, word in enumerate(words)}
    return transformers.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def clip_text(width: int = 32, projection: bool = False) -> Any:
    config = transformers.CLIPTextConfig(
        **_CLIP,
        vocab_size=256,
        hidden_size=width,
        projection_dim=width,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    return kind(config)


def clip_vision(width: int = 32, image: int = 224) -> Any:
    config = transformers.CLIPVisionConfig(
        **_CLIP,
        hidden_size=width,
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


def t5_encoder(width: int = 32, vocabulary: int = 128) -> Any:
    return transformers.T5EncoderModel(transformers.T5Config(**_T5, vocab_size=vocabulary, d_model=width))


def t5_text() -> dict[str, Any]:
    """The tokenizer and the text encoder of the pipelines that read prompts with T5."""
    return {"tokenizer": t5_tokenizer(), "text_encoder": t5_encoder()}


def umt5_encoder(width: int = 32) -> Any:
    return transformers.UMT5EncoderModel(transformers.UMT5Config(**_T5, vocab_size=128, d_model=width))


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


def motion_adapter(**changes: Any) -> Any:
    config: dict[str, Any] = {
        "block_out_channels": (8, 8),
        "motion_layers_per_block": 1,
        "motion_norm_num_groups": 2,
        "motion_num_attention_heads": 2,
    }
    return diffusers.MotionAdapter(**{**config, **changes})


def wan_vae() -> Any:
    return diffusers.AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )


def flow(**changes: Any) -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(**changes)


def unipc_flow(shift: float = 3.0) -> Any:
    return diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )


def gemma_tokenizer() -> Any:
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", "▁", *LETTERS]
    tokenizer = transformers.GemmaTokenizer(
        vocab={word: index for index, word in enumerate(words)}, merges=[]
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    return tokenizer


def gemma2_encoder() -> Any:
    config = transformers.Gemma2Config(
        head_dim=8,
        hidden_size=16,
        intermediate_size=32,
        num_attention_heads=2,
        num_hidden_layers=1,
        num_key_value_heads=2,
        vocab_size=256,
        attn_implementation="eager",
    )
    return transformers.Gemma2Model(config)


_VISION: Mapping[str, Any] = {
    "model_type": "siglip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}


def t5gemma2_encoder() -> Any:
    text = transformers.T5Gemma2TextConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        vocab_size=256,
        max_position_embeddings=128,
        head_dim=16,
        num_key_value_heads=2,
        dropout_rate=0.0,
    )
    module: Any = import_module("transformers.models.t5gemma2.modeling_t5gemma2")
    return module.T5Gemma2Encoder(transformers.T5Gemma2EncoderConfig(text_config=text, vision_config=_VISION))


def siglip_processor(image: int = 32) -> Any:
    return transformers.SiglipImageProcessorPil(size={"height": image, "width": image})


def siglip_vision() -> Any:
    config = {name: value for name, value in _VISION.items() if name != "model_type"}
    return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**config))


def qwen_tokenizer() -> Any:
    """A tokenizer of single letters and of the special tokens for Qwen's chats and pictures."""
    words = [*LETTERS, "Ġ", "Ċ"]
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
    marks += ["<|image_pad|>", "<|video_pad|>"]
    tokenizer = transformers.Qwen2Tokenizer(
        vocab={word: index for index, word in enumerate(words)}, merges=[]
    )
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    tokenizer.pad_token = "<|endoftext|>"
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% if m['content'] is string %}{{ m['content'] }}"
        "{% else %}{% for part in m['content'] %}{{ part['text'] }}{% endfor %}{% endif %}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return tokenizer


def qwen2_vl(width: int = 16, version: str = "Qwen2VL") -> Any:
    rope = {"mrope_section": [1, 1, width // 4 - 2], "rope_type": "default", "type": "default"}
    config = getattr(transformers, f"{version}Config")(
        text_config={
            "vocab_size": 256,
            "hidden_size": width,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "rope_scaling": rope,
            "rope_parameters": {**rope, "rope_theta": 1000000.0},
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "embed_dim": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": width,
        },
    )
    return getattr(transformers, f"{version}ForConditionalGeneration")(config)


def qwen2_5_text() -> Any:
    rope = {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"}
    config = transformers.Qwen2_5_VLTextConfig(
        vocab_size=256,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        rope_parameters={**rope, "rope_theta": 1000000.0},
    )
    return transformers.Qwen2_5_VLTextModel(config)


def byt5_tokenizer() -> Any:
    return transformers.ByT5Tokenizer()


def llama_tokenizer() -> Any:
    words = ["<unk>", "<s>", "</s>", "<pad>", "▁", *LETTERS, "<image>"]
    vocab = {word: index for index, word in enumerate(words)}
    return transformers.LlamaTokenizer(vocab=vocab, merges=[], pad_token="<pad>")


def _llama_config() -> Any:
    return transformers.LlamaConfig(
        vocab_size=256,
        hidden_size=16,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=4,
        pad_token_id=3,
    )


def llama() -> Any:
    return transformers.LlamaModel(_llama_config())


def llava() -> Any:
    vision = transformers.CLIPVisionConfig(**_CLIP, hidden_size=8, image_size=224, patch_size=56)
    config = transformers.LlavaConfig(
        vision_config=vision, text_config=_llama_config(), pad_token_id=3, image_token_index=99
    )
    return transformers.LlavaForConditionalGeneration(config)


def gemma3() -> Any:
    text = {
        "vocab_size": 256,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    config = transformers.Gemma3Config(text_config=text, vision_config=_VISION, mm_tokens_per_image=4)
    return transformers.Gemma3ForConditionalGeneration(config)
