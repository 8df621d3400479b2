"""The denoiser: a small WanTransformer3DModel that learns flow matching on latents, with its text encoder.

A noisy latent is x = (1 - s) * data + s * noise; the network sees x, s and the caption and predicts the
velocity noise - data. Sampling goes from s = 1 to 0 along it: see pipeline.py.
"""

import random
from collections.abc import Sequence

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn

from t2vbatch.models.shapes.captions import caption
from t2vbatch.models.shapes.loop import Metrics
from t2vbatch.models.shapes.parts import TextEncoder, Tokenizer, Transformer
from t2vbatch.models.shapes.text import embed, tokenize
from t2vbatch.models.shapes.world import Scene

SHIFT = 3.0  # towards high noise, in training and in sampling
UNCONDITIONAL = 0.1  # share of captions left empty, for classifier-free guidance


def build_denoiser(
    channels: int,
    text_width: int = 128,
    width: int = 192,
    layers: int = 5,
    patch: tuple[int, int, int] = (1, 4, 4),
) -> Transformer:
    """Fresh weights. A token is a quarter of a frame, so that a video has 20 tokens, each at an edge."""
    module = WanTransformer3DModel(
        patch_size=patch,
        num_attention_heads=width // 48,
        attention_head_dim=48,
        in_channels=channels,
        out_channels=channels,
        text_dim=text_width,
        freq_dim=128,
        ffn_dim=2 * width,
        num_layers=layers,
        rope_max_seq_len=64,
    )
    _start_sensibly(module)
    return module


@torch.no_grad()
def _start_sensibly(module: Transformer) -> None:
    """Start with the noisy input passed to the output and the caption passed in: both are slow to learn."""
    patch = module.patch_embedding.weight
    width, values = patch.shape[0], patch[0].numel()
    nn.init.orthogonal_(patch.view(width, values))
    module.proj_out.weight.copy_(_output_order(patch) * (values / width) ** 0.5)
    nn.init.zeros_(module.proj_out.bias)
    text = module.condition_embedder.text_embedder
    nn.init.orthogonal_(text.linear_1.weight, gain=2.0)
    nn.init.orthogonal_(text.linear_2.weight, gain=1.5)
    for block in module.blocks:
        nn.init.orthogonal_(block.attn2.to_v.weight, gain=2.0)
        nn.init.orthogonal_(block.attn2.to_out[0].weight, gain=1.0)


def _output_order(patch: Tensor) -> Tensor:
    """The patch embedding's weights as the output projection orders them: channels last, not first."""
    return patch.permute(2, 3, 4, 1, 0).reshape(-1, patch.shape[0])


class DenoiserPart:
    """The flow-matching loss on stored latents; every step words the captions again."""

    name = "denoiser"

    def __init__(
        self,
        transformer: Transformer,
        encoder: TextEncoder,
        tokenizer: Tokenizer,
        latents: Tensor,
        scenes: Sequence[Scene],
    ) -> None:
        """`latents`: normalised, (N, channels, T', H', W'), one for each scene."""
        self.module: nn.Module = nn.ModuleDict({"transformer": transformer, "text_encoder": encoder})
        self.transformer, self.encoder, self.tokenizer = transformer, encoder, tokenizer
        self.latents, self.scenes = latents, scenes

    def loss(self, rng: random.Random, batch: int) -> tuple[Tensor, Metrics]:
        rows = rng.sample(range(len(self.scenes)), min(batch, len(self.scenes)))
        captions = ["" if rng.random() < UNCONDITIONAL else caption(self.scenes[row], rng) for row in rows]
        device = next(self.module.parameters()).device
        data = self.latents[rows].to(device, torch.float32)
        ids, mask = (tensor.to(device) for tensor in tokenize(self.tokenizer, captions))
        noise = torch.randn_like(data)
        level = noise_levels(len(rows)).to(device)
        s = level.view(-1, 1, 1, 1, 1)
        predicted = self.transformer(
            hidden_states=(1 - s) * data + s * noise,
            timestep=level * 1000,
            encoder_hidden_states=embed(self.encoder, ids, mask),
            return_dict=False,
        )[0]
        error = (predicted.float() - (noise - data)).square().mean(dim=(1, 2, 3, 4))
        early = error.detach()[level > 0.7]
        return error.mean(), {"loss": error.mean().item(), "early": early.mean().item()}


def noise_levels(count: int, shift: float = SHIFT) -> Tensor:
    """Noise levels in (0, 1), with more high ones, because they decide colour, place and path."""
    uniform = torch.rand(count)
    return shift * uniform / (1 + (shift - 1) * uniform)
