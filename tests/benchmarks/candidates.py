"""Two denoisers for the bundled model, the same time each: ``python -m tests.benchmarks.candidates WORK``.

WORK is the folder of a run of ``t2vbatch.models.shapes.train`` that has come past its latents. Each candidate
learns from these latents, from nothing, at equal width, depth, tokens a video, optimizers and rates, for
``--minutes`` of CPU time; what it has learnt is the loss of its averaged weights on the last clips, which it
has not seen, with the same noise and captions for both. One JSON line a measurement.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import CogVideoXTransformer3DModel
from torch import Tensor, nn

from t2vbatch.models.shapes.autoencoder import CHANNELS
from t2vbatch.models.shapes.denoiser import DenoiserPart, build_denoiser
from t2vbatch.models.shapes.loop import fit
from t2vbatch.models.shapes.text import MAX_TOKENS, build_text_encoder
from t2vbatch.models.shapes.train import FULL, Trainer

_ROUND = 100  # steps between measurements
_UNSEEN = 512  # clips, kept back


class CogVideoX(nn.Module):
    """CogVideoX's transformer, called as Wan's: caption and frames are one sequence, normed apart."""

    def __init__(self, channels: int, text_width: int, width: int = 192, layers: int = 5) -> None:
        super().__init__()
        self.transformer = CogVideoXTransformer3DModel(
            num_attention_heads=width // 48,
            attention_head_dim=48,
            in_channels=channels,
            out_channels=channels,
            time_embed_dim=width,
            text_embed_dim=text_width,
            num_layers=layers,
            sample_width=8,
            sample_height=8,
            sample_frames=17,  # 5 latent frames, as its autoencoder would count
            patch_size=4,
            max_text_seq_length=MAX_TOKENS,
            spatial_interpolation_scale=1.0,
        )
        self._start_sensibly(channels, width)

    @torch.no_grad()
    def _start_sensibly(self, channels: int, width: int) -> None:
        """The same help that build_denoiser gives to Wan's: let the input through, and the caption in."""
        patch = self.transformer.patch_embed.proj.weight
        values = patch[0].numel()
        nn.init.orthogonal_(patch.view(width, values))
        self.transformer.proj_out.weight.copy_(patch.view(width, values).T * (values / width) ** 0.5)
        nn.init.zeros_(self.transformer.proj_out.bias)
        nn.init.orthogonal_(self.transformer.patch_embed.text_proj.weight, gain=2.0)

    def forward(
        self, hidden_states: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, return_dict: bool
    ) -> tuple[Tensor]:
        """(B, C, T, H, W) in and out."""
        velocity = self.transformer(
            hidden_states=hidden_states.transpose(1, 2),
            encoder_hidden_states=encoder_hidden_states,
            timestep=timestep,
            return_dict=return_dict,
        )[0]
        return (velocity.transpose(1, 2),)


CANDIDATES: dict[str, Callable[[int, int], Any]] = {"wan": build_denoiser, "cogvideox": CogVideoX}


def main() -> None:
    """Train one after the other, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    trainer = Trainer(FULL, options.work)
    latents, scenes = trainer.latents(trainer.autoencoder())
    for name, build in CANDIDATES.items():
        torch.manual_seed(0)
        encoder = build_text_encoder(len(trainer.tokenizer))
        transformer = build(CHANNELS, encoder.config.d_model)
        count = len(scenes) - _UNSEEN
        part = DenoiserPart(transformer, encoder, trainer.tokenizer, latents[:count], scenes[:count])
        unseen = DenoiserPart(transformer, encoder, trainer.tokenizer, latents[count:], scenes[count:])
        size = sum(parameter.numel() for parameter in transformer.parameters())
        for line in _curve(part, unseen, options.minutes * 60):
            print(json.dumps({"candidate": name, "parameters": size, **line}), flush=True)


def _curve(part: DenoiserPart, unseen: DenoiserPart, seconds: float) -> Iterator[dict[str, float]]:
    """Train for so many seconds of CPU time; every _ROUND steps the loss on what was not learnt from."""
    recipe = replace(FULL.denoiser, steps=1_000_000)  # the rate is held: a decay needs to know its end
    trained, step = 0.0, 0
    with TemporaryDirectory() as folder:
        while trained < seconds:
            started, step = time.process_time(), step + _ROUND
            fit(part, recipe, Path(folder), until_step=step, report=lambda line: None)
            trained += time.process_time() - started
            with torch.no_grad():
                torch.manual_seed(0)
                _, measured = unseen.loss(random.Random(0), _UNSEEN)
            speed = step * recipe.batch / trained
            yield {"step": step, "cpu_s": round(trained), "samples_per_s": round(speed), **measured}


if __name__ == "__main__":
    main()
