"""`python -m t2vbatch.models.shapes.train`: trains the bundled model from scratch.

Five stages, each of which can be stopped and resumed: the autoencoder; its decoder again, with noise; the
latents of drawn clips, after a gate (the checker must read the autoencoder's reconstructions correctly); the
denoiser with its text encoder; the scorer. Pipeline and scorer are exported as float16 folders.
Losses go to <work>/<stage>.jsonl, the checker's figures to gates.jsonl.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2vbatch.models.shapes.autoencoder import (
    CHANNELS,
    AutoencoderPart,
    DecoderPart,
    build_autoencoder,
    encode,
    measure_latents,
    normalise,
)
from t2vbatch.models.shapes.clip import ClipPart, build_clip, build_processor, save_clip
from t2vbatch.models.shapes.denoiser import DenoiserPart, build_denoiser
from t2vbatch.models.shapes.evaluate import judge_reconstructions
from t2vbatch.models.shapes.loop import Recipe, fit, hash_seed
from t2vbatch.models.shapes.parts import Autoencoder, Clip, TextEncoder, Tokenizer, Transformer
from t2vbatch.models.shapes.pipeline import assemble, save
from t2vbatch.models.shapes.text import build_text_encoder, build_tokenizer
from t2vbatch.models.shapes.world import Scene, render, sample_scene

STAGES = ("autoencoder", "decoder", "latents", "denoiser", "clip")
TRAINED = ("autoencoder", "decoder", "denoiser", "clip")
SHARD = 500  # clips a file of latents


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides the weights."""

    autoencoder: Recipe
    decoder: Recipe
    clips: int  # clips for the latents that the denoiser is trained on
    denoiser: Recipe
    clip: Recipe
    gate: float = 0.95  # share of reconstructions that the checker must read right in every attribute
    gate_clips: int = 200
    autoencoder_width: int = 32
    denoiser_width: int = 192
    denoiser_layers: int = 5
    seed: int = 0


FULL = TrainingPlan(
    autoencoder=Recipe(steps=5600, batch=16, rate=2e-3, muon=6e-3, average=0.995, decay=0.4),
    decoder=Recipe(steps=6500, batch=16, rate=1e-3, muon=3e-3, average=0.995, decay=0.6),
    clips=24_000,
    denoiser=Recipe(steps=14_500, batch=64, rate=1e-3, muon=5e-3, average=0.998),
    clip=Recipe(steps=1200, batch=126, rate=1e-3, muon=4e-3, average=0.99),
)
TOY = replace(
    FULL,
    autoencoder=Recipe(steps=4, batch=2, rate=1e-3, muon=4e-3, average=0.9),
    decoder=Recipe(steps=4, batch=2, rate=1e-3, muon=4e-3, average=0.9),
    clips=8,
    denoiser=Recipe(steps=4, batch=4, rate=1e-3, muon=4e-3, average=0.9),
    clip=Recipe(steps=4, batch=8, rate=1e-3, muon=4e-3, average=0.9),
    gate=0.0,
    gate_clips=4,
    autoencoder_width=8,
    denoiser_width=48,
    denoiser_layers=1,
)


class Trainer:
    """The stages in order, over one work folder."""

    def __init__(
        self, plan: TrainingPlan, work: Path, device: str = "cpu", until_step: int | None = None
    ) -> None:
        """`until_step` stops every stage's loop at that step, like an interruption."""
        self.plan, self.work, self.device, self.until_step = plan, work, torch.device(device), until_step
        self.tokenizer: Tokenizer = build_tokenizer()
        work.mkdir(parents=True, exist_ok=True)

    def run(self, stages: Sequence[str] = STAGES) -> None:
        """Train the given stages, with the results of earlier stages from the work folder; then export."""
        wanted = set(stages)
        if wanted - {"clip"}:
            vae = self.autoencoder()
        if wanted & {"decoder", "latents", "denoiser"}:
            self.decoder(vae)
        if wanted & {"latents", "denoiser"}:
            latents, scenes = self.latents(vae)
        if "denoiser" in wanted:
            transformer, encoder = self.denoiser(latents, scenes)
            pipeline = assemble(vae, transformer, encoder, self.tokenizer)
            save(pipeline.to("cpu"), self.work / "weights" / "pipeline")
        if "clip" in wanted:
            clip = self.clip().to("cpu")
            save_clip(clip, build_processor(self.tokenizer), self.work / "weights" / "clip")

    def autoencoder(self) -> Autoencoder:
        """Train it, or read it from the work folder."""
        torch.manual_seed(hash_seed(self.plan.seed, "autoencoder"))
        vae = build_autoencoder(self.plan.autoencoder_width).to(self.device)
        self._fit(AutoencoderPart(vae), self.plan.autoencoder)
        return vae.eval()

    def decoder(self, vae: Autoencoder) -> None:
        """Train the autoencoder's decoder further, in place, for the same latents."""
        scenes = [self._scene(i) for i in range(self.plan.gate_clips)]
        measure_latents(vae, _encode_scenes(vae, scenes))
        self._fit(DecoderPart(vae), self.plan.decoder)
        vae.eval()

    def latents(self, vae: Autoencoder) -> tuple[Tensor, list[Scene]]:
        """Check the autoencoder against its gate, then encode the clips that the denoiser is trained on."""
        folder = self.work / "latents"
        if not folder.exists():
            self._check(vae)
            folder.mkdir()
        scenes = [self._scene(i) for i in range(self.plan.clips)]
        shards = []
        for start in range(0, len(scenes), SHARD):
            path = folder / f"{start:07d}.pt"
            if not path.exists():
                some = scenes[start : start + SHARD]
                torch.save(_encode_scenes(vae, some).half(), path)
                self._say({"stage": "latents", "clips": start + len(some), "of": len(scenes)})
            shards.append(torch.load(path, weights_only=True))
        raw = torch.cat(shards)
        measure_latents(vae, raw[:2000].float())
        return normalise(vae, raw.float()).half(), scenes

    def denoiser(self, latents: Tensor, scenes: list[Scene]) -> tuple[Transformer, TextEncoder]:
        """Train the denoiser and its text encoder together."""
        torch.manual_seed(hash_seed(self.plan.seed, "denoiser"))
        encoder = build_text_encoder(len(self.tokenizer)).to(self.device)
        transformer = build_denoiser(
            CHANNELS, encoder.config.d_model, self.plan.denoiser_width, self.plan.denoiser_layers
        ).to(self.device)
        self._fit(DenoiserPart(transformer, encoder, self.tokenizer, latents, scenes), self.plan.denoiser)
        return transformer, encoder

    def clip(self) -> Clip:
        """Train the scorer."""
        torch.manual_seed(hash_seed(self.plan.seed, "clip"))
        model = build_clip(self.tokenizer).to(self.device)
        self._fit(ClipPart(model, self.tokenizer), self.plan.clip)
        return model

    def _fit(self, part: Any, recipe: Recipe) -> None:
        fit(
            part,
            recipe,
            self.work,
            seed=self.plan.seed,
            until_step=self.until_step,
            report=lambda line: self._say({"stage": part.name, **line}),
        )

    def _scene(self, index: int) -> Scene:
        return sample_scene(random.Random(hash_seed(self.plan.seed, "scene", index)), even=True)

    def _check(self, vae: Autoencoder) -> None:
        figures = judge_reconstructions(vae, self.plan.gate_clips, seed=self.plan.seed + 1)
        with (self.work / "gates.jsonl").open("a") as log:
            log.write(json.dumps(figures) + "\n")
        for name, value in figures.items():
            self._say({"gate": name, **value})
        share = figures["reconstructions all"]["share"]
        if share < self.plan.gate:
            raise SystemExit(
                f"the checker reads {share:.1%} of the autoencoder's reconstructions correctly; training the "
                f"denoiser needs {self.plan.gate:.0%}; train the autoencoder longer"
            )

    def _say(self, line: dict[str, Any]) -> None:
        print(time.strftime("%H:%M:%S"), *(f"{key} {value}" for key, value in line.items()), flush=True)


def _encode_scenes(vae: Autoencoder, scenes: Sequence[Scene]) -> Tensor:
    """Raw latents of the drawn scenes, a few at a time."""
    parts = [encode(vae, render(scenes[i : i + 20])).cpu() for i in range(0, len(scenes), 20)]
    return torch.cat(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m t2vbatch.models.shapes.train", description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/shapes"), help="checkpoints, logs and weights"
    )
    parser.add_argument("--stages", nargs="*", choices=STAGES, default=STAGES)
    parser.add_argument("--toy", action="store_true", help="a few steps of every stage, as a test")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="CPU threads; default: torch's own")
    parser.add_argument("--clips", type=int, help="number of clips that the denoiser is trained on")
    for stage in TRAINED:
        parser.add_argument(f"--{stage}-steps", type=int)
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    plan = TOY if options.toy else FULL
    steps = {
        stage: getattr(options, f"{stage}_steps") for stage in ("autoencoder", "denoiser", "decoder", "clip")
    }
    plan = replace(
        plan,
        clips=options.clips or plan.clips,
        **{stage: replace(getattr(plan, stage), steps=count) for stage, count in steps.items() if count},
    )
    Trainer(plan, options.work, options.device).run(options.stages)


if __name__ == "__main__":
    main()
