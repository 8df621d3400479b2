"""Tiny weights that are added to a tiny checkpoint."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.models.tiny_parts import clip_vision, diffusers

Checkpoint = Callable[[str], Path]


@pytest.fixture
def adapter(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """An adapter in its authors' layout, for a tiny AnimateDiff: ``models/``, with an image encoder."""
    unet = diffusers.AnimateDiffPipeline.from_pretrained(checkpoint("AnimateDiffPipeline")).unet
    torch.manual_seed(5)
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * 32, 32),
        "image_proj.proj.bias": torch.zeros(4 * 32),
        "image_proj.norm.weight": torch.ones(32),
        "image_proj.norm.bias": torch.zeros(32),
    }
    layers = [name for name in unet.attn_processors if "motion" not in name and "attn2" in name]
    for index, name in enumerate(layers):
        width = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for kind in ("k", "v"):
            tensors[f"ip_adapter.{2 * index + 1}.to_{kind}_ip.weight"] = torch.randn(width, 32)
    folder = tmp_path / "adapter" / "models"
    clip_vision().save_pretrained(folder / "image_encoder")
    save_file(tensors, folder / "ip-adapter.safetensors")
    return folder.parent


@pytest.fixture
def lora(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """A LoRA of rank 1 for the first attention layers of a tiny Wan."""
    transformer = diffusers.WanTransformer3DModel.from_pretrained(
        checkpoint("WanPipeline"), subfolder="transformer"
    )
    weights = {}
    for name, layer in transformer.named_modules():
        if isinstance(layer, torch.nn.Linear) and "attn1.to_" in name:
            weights[f"transformer.{name}.lora_A.weight"] = torch.ones(1, layer.in_features)
            weights[f"transformer.{name}.lora_B.weight"] = torch.ones(layer.out_features, 1)
    save_file(weights, tmp_path / "pytorch_lora_weights.safetensors")
    return tmp_path / "pytorch_lora_weights.safetensors"
