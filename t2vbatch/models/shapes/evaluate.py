"""`python -m t2vbatch.models.shapes.evaluate`: measures every figure of the model card.

Each figure is a share with its n and its 95% Wilson interval. Prompts and seeds come from `--seed`; the
default seed was not used in training.
"""

import argparse
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from t2vbatch.models.shapes import CALL, CLIP, PIPELINE
from t2vbatch.models.shapes.autoencoder import decode, encode
from t2vbatch.models.shapes.captions import caption
from t2vbatch.models.shapes.checker import read
from t2vbatch.models.shapes.loop import hash_seed
from t2vbatch.models.shapes.parts import Autoencoder, Pipeline
from t2vbatch.models.shapes.pipeline import generate, load
from t2vbatch.models.shapes.scoring import ShapeScorer, picks_right_caption, read_by_clip
from t2vbatch.models.shapes.sheet import write_sheet
from t2vbatch.models.shapes.world import Scene, render, sample_scene

ATTRIBUTES = ("colour", "shape", "motion")
BATCH = 20  # videos made together
Figures = dict[str, dict[str, Any]]


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% confidence interval of a share, which stays within [0, 1] for small n too."""
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def figure(hits: Sequence[bool]) -> dict[str, Any]:
    """A share with its n and interval."""
    low, high = wilson(sum(hits), len(hits))
    return {
        "share": round(sum(hits) / len(hits), 4),
        "n": len(hits),
        "low": round(low, 4),
        "high": round(high, 4),
    }


def judge(scenes: Sequence[Scene], videos: Sequence[NDArray[np.uint8]], prefix: str) -> Figures:
    """How often the checker reads the scene's attributes correctly: each alone, and all three together."""
    readings = [read(video) for video in videos]
    right = {
        name: [getattr(r, name) == getattr(s, name) for r, s in zip(readings, scenes, strict=True)]
        for name in ATTRIBUTES
    }
    right["all"] = [all(row) for row in zip(*right.values(), strict=True)]
    return {f"{prefix} {name}": figure(hits) for name, hits in right.items()}


def draw_scenes(count: int, seed: int, held_out: bool = False) -> list[Scene]:
    """Scenes of one side of the split."""
    rng = random.Random(hash_seed("evaluate", seed, held_out))
    return [sample_scene(rng, held_out) for _ in range(count)]


def judge_real(count: int, seed: int) -> Figures:
    """The checker on drawn clips."""
    scenes = draw_scenes(count, seed)
    return judge(scenes, list(render(scenes).numpy()), "real clips")


def judge_reconstructions(vae: Autoencoder, count: int, seed: int) -> Figures:
    """The checker on drawn clips that went through the autoencoder, and their signal-to-noise ratio."""
    scenes = draw_scenes(count, seed)
    clips, results = render(scenes), []
    for start in range(0, count, 10):
        results.append(decode(vae, encode(vae, clips[start : start + 10])))
    videos = torch.cat(results)
    mse = (videos.float() - clips.float()).square().mean().item()
    figures = judge(scenes, list(videos.numpy()), "reconstructions")
    figures["reconstructions PSNR"] = {"dB": round(10 * math.log10(255**2 / mse), 2), "n": count}
    return figures


def judge_prompts(
    pipeline: Pipeline,
    scorer: ShapeScorer | None,
    count: int,
    seed: int,
    held_out: bool,
    sheet: Path | None = None,
    **call: Any,
) -> Figures:
    """The checker on generated videos, and the scorer against the checker on the same videos."""
    prefix = "held-out" if held_out else "seen"
    scenes = draw_scenes(count, seed, held_out)
    rng = random.Random(hash_seed("wording", seed, held_out))
    prompts = [caption(scene, rng) for scene in scenes]
    seeds = [hash_seed(seed, i) % 2**31 for i in range(count)]
    videos: list[NDArray[np.uint8]] = []
    for start in range(0, count, BATCH):
        stop = start + BATCH
        videos.extend(generate(pipeline, prompts[start:stop], seeds[start:stop], **call))
    alone = min(5, count)  # time is measured for one video at a time
    started = time.perf_counter()
    for prompt, own_seed in zip(prompts[:alone], seeds[:alone], strict=True):
        generate(pipeline, [prompt], [own_seed], **call)
    seconds = (time.perf_counter() - started) / alone
    figures = judge(scenes, videos, prefix)
    figures[f"{prefix} seconds a video"] = {"seconds": round(seconds, 2), "n": alone}
    if scorer:
        figures |= _agreement(scorer, scenes, videos, prefix)
    if sheet:
        write_sheet(sheet, prompts, videos)
    return figures


def _agreement(
    scorer: ShapeScorer, scenes: Sequence[Scene], videos: Sequence[NDArray[np.uint8]], prefix: str
) -> Figures:
    """How often the scorer reads the same as the checker: the mean over the three attributes, and each."""
    same: dict[str, list[bool]] = {name: [] for name in ATTRIBUTES}
    for scene, video in zip(scenes, videos, strict=True):
        by_checker, by_clip = read(video), read_by_clip(scorer, video, scene)
        for name in ATTRIBUTES:
            same[name].append(getattr(by_checker, name) == by_clip[name])
    every = [all(row) for row in zip(*same.values(), strict=True)]
    return {f"{prefix} CLIP agrees on {k}": figure(v) for k, v in {**same, "all": every}.items()}


def judge_scorer(scorer: ShapeScorer, count: int, seed: int) -> Figures:
    """How often the scorer picks a real video's caption among 8 that differ in one word."""
    scenes = draw_scenes(count, seed)
    rng = random.Random(hash_seed("captions", seed))
    videos = render(scenes).numpy()
    hits = [
        picks_right_caption(scorer, video, scene, rng) for scene, video in zip(scenes, videos, strict=True)
    ]
    return {"CLIP picks the caption of 8": figure(hits)}


def main(arguments: Sequence[str] | None = None) -> Figures:
    """Measure and print; write JSON and a contact sheet if requested."""
    parser = argparse.ArgumentParser(prog="python -m t2vbatch.models.shapes.evaluate", description=__doc__)
    parser.add_argument(
        "--prompts",
        type=int,
        default=200,
        help="prompts of seen combinations; held-out combinations get half as many",
    )
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--steps", type=int, default=CALL["num_inference_steps"])
    parser.add_argument("--guidance", type=float, default=CALL["guidance_scale"])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument(
        "--sheet", type=Path, help="write the frames of the first eight prompts to this file, as PNG"
    )
    parser.add_argument("--pipeline", type=Path, default=PIPELINE)
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument("--only", choices=["real", "reconstructions", "clip", "seen", "held-out"], nargs="*")
    options = parser.parse_args(arguments)
    pipeline, seed, n = load(options.pipeline), options.seed, options.prompts
    scorer = ShapeScorer(options.clip) if options.clip.exists() else None
    call = {"num_inference_steps": options.steps, "guidance_scale": options.guidance}
    parts: dict[str, Callable[[], Figures]] = {
        "real": lambda: judge_real(2 * n, seed),
        "reconstructions": lambda: judge_reconstructions(pipeline.vae, n, seed),
        "clip": lambda: judge_scorer(scorer, n, seed) if scorer else {},
        "seen": lambda: judge_prompts(pipeline, scorer, n, seed, False, options.sheet, **call),
        "held-out": lambda: judge_prompts(pipeline, scorer, max(1, n // 2), seed, True, None, **call),
    }
    figures: Figures = {}
    for name, measure in parts.items():
        if not options.only or name in options.only:
            found = measure()
            figures |= found
            for key, value in found.items():
                print(f"{key:32s} " + "  ".join(f"{k} {v}" for k, v in value.items()), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"call": {**CALL, **call}, "figures": figures}, indent=2) + "\n")
    return figures


if __name__ == "__main__":
    main()
