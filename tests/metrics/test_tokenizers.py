"""Prompts through every class of tokenizer that checkpoints of CLIP, SigLIP and SigLIP 2 name."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoTokenizer,
    SiglipModel,
)

from t2vbatch.metrics.networks import load_network
from t2vbatch.metrics.protocol import Network, Weights
from tests.metrics.conftest import PHRASES, SIGLIP_LIMIT


def loaded(folder: Path) -> Network:
    """The network as a worker loads it."""
    return load_network(Weights("siglip", str(folder)), "cpu")


def reference(folder: Path, prompt: str) -> Any:
    """The text feature of SiglipModel's own forward pass, unit length."""
    model: Any = SiglipModel.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt, padding="max_length", max_length=SIGLIP_LIMIT, truncation=True)["input_ids"]
    with torch.no_grad():
        feature = model.get_text_features(input_ids=torch.tensor([ids])).pooler_output[0].double()
    return feature / feature.norm()


@pytest.mark.parametrize("prompt", ["the red ball rolls", "the red ball rolls over wet grass " * 30])
def test_the_whole_prompt_is_encoded(siglip: Path, prompt: str) -> None:
    """The feature is that of the model's own forward pass, for short and for truncated prompts."""
    text = loaded(siglip).text(prompt, "truncate")
    assert text.features == pytest.approx(reference(siglip, prompt).numpy(), abs=1e-5)
    assert text.truncated == (len(prompt) > 100)


def test_prompts_with_the_same_first_word_differ(siglip: Path) -> None:
    """Two prompts that begin with the same word have different features."""
    network = loaded(siglip)
    first, second = (network.text(f"the {end}", "truncate").features for end in ("red ball", "blue cube"))
    assert abs(first - second).max() > 1e-4


def test_chunks_hold_all_tokens_of_a_long_prompt(siglip: Path) -> None:
    """chunk_mean averages the features of chunks that hold the prompt's tokens in order, each a full
    prompt.
    """
    network: Any = loaded(siglip)
    prompt = " ".join(random.Random(1).choices(PHRASES, k=150))
    whole = list(network._tokenizer(prompt)["input_ids"])
    chunks = network._chunks(prompt, whole)
    content = list(network._tokenizer(prompt, add_special_tokens=False)["input_ids"])
    extra = len(whole) - len(content)
    before = whole.index(content[0])
    assert [token for chunk in chunks for token in chunk[before : len(chunk) - (extra - before)]] == content
    assert all(len(chunk) <= SIGLIP_LIMIT for chunk in chunks)
    text = network.text(prompt, "chunk_mean")
    assert not text.truncated
    assert text.tokens == len(whole)
    other = network.text(f"{prompt} cat", "chunk_mean")
    assert abs(text.features - other.features).max() > 1e-6
