"""Tiny networks of the real classes with tokenizer and preprocessing, created in each test session."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    GemmaTokenizer,
    PreTrainedTokenizerFast,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipModel,
    SiglipTokenizer,
    T5Tokenizer,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
    XCLIPConfig,
    XCLIPModel,
)

from t2vbatch.metrics.environments import python_of
from t2vbatch.metrics.program_file import find_program
from t2vbatch.metrics.protocol import ProgramError

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


@pytest.fixture(scope="session")
def installed() -> Callable[[str], Path]:
    """Python of a bundled program's environment, which the first test makes: that needs a package index."""

    def python(name: str) -> Path:
        try:
            return python_of(find_program(name))
        except ProgramError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))

    return python


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


PHRASES = [
    *["the", "red", "ball", "rolls", "over", "wet", "grass", "a", "blue", "cube"],
    *["spins", "slowly", "in", "rain", "cat", "dog", "runs", "jumps"],
]
SIGLIP_LIMIT = 64


@pytest.fixture(scope="session")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentencePiece model of whole words, with SigLIP's special tokens."""
    folder = tmp_path_factory.mktemp("pieces")
    words = random.Random(0)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(words.choices(PHRASES, k=8)) for _ in range(400)]),
        model_prefix=str(folder / "spiece"),
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=1,
        eos_id=2,
        unk_id=0,
        bos_id=-1,
        minloglevel=2,
    )
    return folder / "spiece.model"


def _vocabulary(model: Path) -> list[tuple[str, float]]:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    return [(processor.id_to_piece(at), processor.get_score(at)) for at in range(len(processor))]


def _gemma(kind: Any, model: Path) -> Any:
    names = [piece for piece, _ in _vocabulary(model)]
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    vocabulary = {name: at for at, name in enumerate(dict.fromkeys([*special, *names]))}
    return kind(vocab=vocabulary, merges=[])


TOKENIZERS: dict[str, Any] = {
    "SiglipTokenizer": lambda model: SiglipTokenizer(str(model)),
    "T5Tokenizer": lambda model: T5Tokenizer(vocab=_vocabulary(model), extra_ids=0),
    "GemmaTokenizer": lambda model: _gemma(GemmaTokenizer, model),
    "Siglip2Tokenizer": lambda model: _gemma(Siglip2Tokenizer, model),
}


@pytest.fixture(scope="session", params=[*TOKENIZERS, "CLIPTokenizer"])
def siglip(request: pytest.FixtureRequest, pieces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SiglipModel with a tokenizer of each class."""
    folder = tmp_path_factory.mktemp(request.param)
    text = {**TOWER, "vocab_size": 600, "projection_size": 32, "max_position_embeddings": SIGLIP_LIMIT}
    config = SiglipConfig(text_config=text, vision_config={**TOWER, **PICTURES})
    saved(folder, 3, SiglipModel, config)
    if request.param in TOKENIZERS:
        for file in folder.glob("*token*"):
            file.unlink()
        TOKENIZERS[request.param](pieces).save_pretrained(folder)
    return folder


def fast(folder: Path) -> Path:
    """The folder with its tokenizer under the general class that converted checkpoints name."""
    own = CLIPTokenizer.from_pretrained(folder)
    names = {name: getattr(own, name) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    for file in folder.glob("*token*"):
        file.unlink()
    general = PreTrainedTokenizerFast(
        tokenizer_object=own.backend_tokenizer, model_max_length=own.model_max_length, **names
    )
    general.save_pretrained(folder)
    return folder
