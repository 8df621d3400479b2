import random
import subprocess
import sys

import pytest
import torch
from diffusers import DiffusionPipeline, WanPipeline

from t2vbatch.models.shapes import CALL, CLIP, FPS, PIPELINE, world
from t2vbatch.models.shapes.captions import plain_caption
from t2vbatch.models.shapes.checker import read
from t2vbatch.models.shapes.evaluate import draw_scenes, judge_reconstructions, judge_scorer
from t2vbatch.models.shapes.pipeline import generate, load
from t2vbatch.models.shapes.scoring import ShapeScorer, picks_right_caption


@pytest.fixture(scope="module")
def pipeline() -> WanPipeline:
    return load(PIPELINE)


@pytest.fixture(scope="module")
def scorer() -> ShapeScorer:
    return ShapeScorer(CLIP)


def test_naming_the_model_costs_no_heavy_import() -> None:
    """The paths and call arguments of the model do not import torch."""
    code = "import sys, t2vbatch.models.shapes as s; s.CALL; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_all_weights_fit_in_16_megabytes() -> None:
    """All weights, with the scorer's, are safetensors of at most 16 MB."""
    folder = PIPELINE.parent
    assert sum(path.stat().st_size for path in folder.rglob("*.safetensors")) <= 16_000_000
    assert not [path for path in folder.rglob("*") if path.suffix in {".bin", ".pt", ".ckpt"}]


def test_it_loads_by_the_general_class_without_arguments() -> None:
    """DiffusionPipeline.from_pretrained(folder) loads every part in float32."""
    loaded = DiffusionPipeline.from_pretrained(PIPELINE)
    assert isinstance(loaded, WanPipeline)
    for part in (loaded.vae, loaded.transformer, loaded.text_encoder):
        assert part.dtype == torch.float32


def test_the_default_call_is_the_worlds(pipeline: WanPipeline) -> None:
    """The default frames, size and rate are those of the training clips."""
    assert (CALL["num_frames"], CALL["height"], CALL["width"]) == (world.FRAMES, world.SIZE, world.SIZE)
    assert FPS == world.FPS


def test_the_same_seed_gives_the_same_video(pipeline: WanPipeline) -> None:
    """The same seed makes the same video, and another seed another one."""
    first, again, other = (
        generate(pipeline, ["a green star falls"], [seed], num_inference_steps=3) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_the_autoencoder_keeps_what_the_checker_reads(pipeline: WanPipeline) -> None:
    """The autoencoder keeps colour and motion in at least 29 of 30 clips."""
    figures = judge_reconstructions(pipeline.vae, 30, seed=4)
    assert figures["reconstructions colour"]["share"] >= 0.95
    assert figures["reconstructions motion"]["share"] >= 0.95


def test_prompts_become_what_they_say(pipeline: WanPipeline) -> None:
    """Most videos of 8 plain prompts have the right colour and motion."""
    scenes = draw_scenes(8, seed=11)
    videos = generate(pipeline, [plain_caption(scene) for scene in scenes], range(8))
    readings = [read(video) for video in videos]
    assert sum(r.colour == s.colour for r, s in zip(readings, scenes, strict=True)) >= 7
    assert sum(r.motion == s.motion for r, s in zip(readings, scenes, strict=True)) >= 6


def test_the_scorer_tells_captions_apart(scorer: ShapeScorer) -> None:
    """The scorer picks the right caption of 8 for at least 80% of 60 real videos."""
    assert judge_scorer(scorer, 60, seed=5)["CLIP picks the caption of 8"]["share"] >= 0.8


def test_a_word_that_nobody_knows_does_not_break_a_prompt(pipeline: WanPipeline) -> None:
    """Prompts with unknown words or capitals and an empty prompt make a video."""
    videos = generate(pipeline, ["A RED Circle zigzagging flamboyantly!", ""], [0, 1], num_inference_steps=2)
    assert videos.shape[0] == 2


def test_guessing_would_not_pass(scorer: ShapeScorer) -> None:
    """The scorer does not pick the caption for a video of another scene, so that the test above can fail."""
    scene, other = draw_scenes(2, seed=8)
    video = world.render([other])[0].numpy()
    hits = [picks_right_caption(scorer, video, scene, random.Random(i)) for i in range(10)]
    assert sum(hits) < 8
