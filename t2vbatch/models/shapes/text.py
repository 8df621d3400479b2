"""Text: a CLIP tokenizer for the denoiser's text encoder and for the scorer, and the text encoder.

Every word of the captions is one token; any other word is split into pieces, down to bytes.
"""

import json
from collections.abc import Sequence

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTokenizer, UMT5Config, UMT5EncoderModel

from t2vbatch.models.shapes.captions import vocabulary_corpus
from t2vbatch.models.shapes.parts import TextEncoder, Tokenizer

MAX_TOKENS = 24  # with begin and end; few captions have more
BEGIN, END, PAD = "<|startoftext|>", "<|endoftext|>", "<|pad|>"


def build_tokenizer() -> Tokenizer:
    """Byte-pair merges trained on the captions' words until every word is one token."""
    learner = tokenizers.Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=100_000,  # merging ends when every word is one token
        min_frequency=1,
        special_tokens=[BEGIN, END, PAD, *(letter + "</w>" for letter in alphabet)],
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner.train_from_iterator([*vocabulary_corpus(), ". ,"], trainer)
    vocabulary = learner.get_vocab()
    merges = _merges(learner)
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        bos_token=BEGIN,
        eos_token=END,
        unk_token=END,
        pad_token=PAD,
        model_max_length=MAX_TOKENS,
    )


def _merges(tokenizer: tokenizers.Tokenizer) -> list[tuple[str, str]]:
    pairs: list[list[str]] = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(left, right) for left, right in pairs]


def build_text_encoder(vocabulary: int, width: int = 128) -> TextEncoder:
    """Fresh weights: one layer is enough for sentences of ten words."""
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=32,
            d_ff=2 * width,
            num_layers=1,
            num_heads=width // 32,
            relative_attention_num_buckets=16,
            relative_attention_max_distance=32,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
        )
    )


def tokenize(tokenizer: Tokenizer, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, both int64 of shape (captions, MAX_TOKENS)."""
    batch = tokenizer(
        list(captions), padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
    )
    return batch["input_ids"], batch["attention_mask"]


def embed(encoder: TextEncoder, ids: Tensor, mask: Tensor) -> Tensor:
    """The prompt encoding of WanPipeline: last states, zero at padding, of shape (B, MAX_TOKENS, width)."""
    states: Tensor = encoder(ids, mask).last_hidden_state
    return states * mask.unsqueeze(-1).to(states.dtype)
