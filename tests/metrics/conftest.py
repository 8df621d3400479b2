"""Tiny networks of the real classes with tokenizer and preprocessing, created in each test session."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    SiglipConfig,
    SiglipModel,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
    XCLIPConfig,
    XCLIPModel,
)

TOWER: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
PICTURES: Any = {"image_size": 32, "patch_size": 8}
LETTERS = sorted(ByteLevel.alphabet())
WORDS = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
VOCABULARY = {word: index for index, word in enumerate(WORDS)}
TEXT: Any = {
    **TOWER,
    "vocab_size": len(VOCABULARY),
    "bos_token_id": VOCABULARY["<|startoftext|>"],
    "eos_token_id": VOCABULARY["<|endoftext|>"],
    "pad_token_id": VOCABULARY["<|endoftext|>"],
}


def saved(folder: Path, seed: int, model: Any, config: Any) -> Path:
    """A folder with a randomly initialized model and a tokenizer with one token per letter.

    The seeds make the cosines positive, because comparisons of scores that are all 0 would always hold.
    """
    torch.manual_seed(seed)
    model(config).save_pretrained(folder)
    CLIPTokenizer(VOCABULARY, []).save_pretrained(folder)
    sizes: Any = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPImageProcessorPil(**sizes).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIPModel with a limit of 77 tokens."""
    config = CLIPConfig(text_config=TEXT, vision_config={**TOWER, **PICTURES}, projection_dim=16)
    return saved(tmp_path_factory.mktemp("clip"), 7, CLIPModel, config)


@pytest.fixture(scope="session")
def tiny_siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SiglipModel with a limit of 64 tokens."""
    config = SiglipConfig(text_config={**TEXT, "projection_size": 32}, vision_config={**TOWER, **PICTURES})
    return saved(tmp_path_factory.mktemp("siglip"), 3, SiglipModel, config)


@pytest.fixture(scope="session")
def tiny_xclip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An XCLIPModel that takes 4 frames."""
    vision = {**TOWER, **PICTURES, "num_frames": 4, "mit_hidden_size": 16, "mit_intermediate_size": 32}
    vision |= {"mit_num_hidden_layers": 1, "mit_num_attention_heads": 2}
    config = XCLIPConfig(
        text_config=TEXT, vision_config=vision, projection_dim=16, prompt_num_attention_heads=2
    )
    return saved(tmp_path_factory.mktemp("xclip"), 3, XCLIPModel, config)


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViTModel with its own image processor."""
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    ViTModel(ViTConfig(**TOWER, **PICTURES)).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
