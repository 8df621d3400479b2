"""clip_score and clip_temporal against the formulas in their docstrings, computed independently."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from t2vbatch.errors import MetricError
from t2vbatch.job import Clip
from t2vbatch.media.frames import sampled
from t2vbatch.media.video import Video
from t2vbatch.metrics.networks import load_network
from t2vbatch.metrics.protocol import Evidence, FloatArray, Weights
from t2vbatch.metrics.registry import build_metric
from t2vbatch.metrics.scorer import Scorer, Scores

LONG = "a red ball that rolls slowly over the wet grass " * 4


@pytest.fixture(scope="module")
def video() -> Video:
    return Video(np.random.default_rng(0).integers(0, 256, (20, 40, 56, 3), np.uint8), fps=8)


def scored(clip: Path, video: Video, prompt: str | None, **options: Any) -> Scores:
    """The scores of both metrics for one video, as a worker computes them."""
    spec = Clip(path=str(clip), revision=None)
    temporal = {name: value for name, value in options.items() if name == "frames"}
    metrics = {
        "clip_score": build_metric("clip_score", options, spec),
        "clip_temporal": build_metric("clip_temporal", temporal, spec),
    }
    weights = Weights("clip", str(clip))
    return Scorer(metrics, {weights: load_network(weights, "cpu")}).score(video, prompt)


def expected_logits(clip: Path, frames: list[Any], prompt: str) -> FloatArray:
    """Cosines of frames and prompt: the logits of CLIPModel's forward pass, divided by its logit scale."""
    model: Any = CLIPModel.from_pretrained(clip)
    tokens = CLIPTokenizer.from_pretrained(clip)(prompt, truncation=True, max_length=77, return_tensors="pt")
    images = [Image.fromarray(frame) for frame in frames]
    pixels = CLIPImageProcessorPil.from_pretrained(clip)(images, return_tensors="pt")
    with torch.inference_mode():
        output = model(**tokens, **pixels)
        cosines: FloatArray = (output.logits_per_image / model.logit_scale.exp())[:, 0].double().numpy()
    return cosines


def test_clip_score_is_the_mean_of_the_sampled_frames_cosines(tiny_clip: Path, video: Video) -> None:
    """clip_score is the mean of 100 * max(cos, 0) over 16 frames, with the cosines of CLIPModel's forward
    pass.
    """
    at = [round(19 * step / 15) for step in range(16)]
    cosines = expected_logits(tiny_clip, [video.frames[index] for index in at], "a red ball")
    expected = 100 * np.maximum(cosines, 0)
    scores = scored(tiny_clip, video, "a red ball").values
    assert scores["clip_score"] == pytest.approx(expected.mean(), abs=1e-5)
    assert scores["clip_score_min"] == pytest.approx(expected.min(), abs=1e-5)


def test_clip_temporal_is_the_mean_cosine_of_neighbours(tiny_clip: Path, video: Video) -> None:
    """clip_temporal follows its formula on features that CLIPModel computes frame by frame."""
    model: Any = CLIPModel.from_pretrained(tiny_clip)
    processor = CLIPImageProcessorPil.from_pretrained(tiny_clip)
    with torch.no_grad():
        features = [
            model.get_image_features(**processor(Image.fromarray(frame), return_tensors="pt")).pooler_output[
                0
            ]
            for frame in video.frames[[0, 6, 13, 19]]
        ]
    cosines = [torch.cosine_similarity(a, b, dim=0).item() for a, b in pairwise(features)]
    scores = scored(tiny_clip, video, "a red ball", frames=4).values
    assert scores["clip_temporal"] == pytest.approx(np.mean(cosines), abs=1e-5)


def test_a_long_prompt_keeps_its_end_token(tiny_clip: Path, video: Video) -> None:
    """Two truncated prompts that differ within the first 77 tokens get different scores."""
    first, second = (scored(tiny_clip, video, start + LONG) for start in ("a dog. ", "a cat. "))
    assert first.prompt_truncated
    assert first.prompt_tokens == second.prompt_tokens == len(("a dog. " + LONG).replace(" ", "")) + 2
    assert abs((first.values["clip_score"] or 0) - (second.values["clip_score"] or 0)) > 1e-3


def test_chunk_mean_encodes_the_whole_prompt(tiny_clip: Path, video: Video) -> None:
    """With long_text: chunk_mean, text past the limit changes the score, and the prompt is not truncated."""
    ends = [scored(tiny_clip, video, LONG + end, long_text="chunk_mean") for end in ("a dog", "a cat")]
    assert ends[0].values != ends[1].values
    assert not ends[0].prompt_truncated
    cut = [scored(tiny_clip, video, LONG + end) for end in ("a dog", "a cat")]
    assert cut[0].values == cut[1].values


def test_a_video_without_a_prompt_has_no_clip_score(tiny_clip: Path, video: Video) -> None:
    """The score is None with the reason, and the other metrics have their scores."""
    scores = scored(tiny_clip, video, None)
    assert scores.values["clip_score"] is None
    assert scores.errors == dict.fromkeys(("clip_score", "clip_score_min"), "the row has no prompt")
    assert scores.values["clip_temporal"] is not None
    assert scores.prompt_tokens is None


def test_a_score_does_not_depend_on_other_metrics(tiny_clip: Path, video: Video) -> None:
    """A metric alone gives the same bits as together with others, so renewing one score changes no other."""
    spec, weights = Clip(path=str(tiny_clip), revision=None), Weights("clip", str(tiny_clip))
    alone = Scorer(
        {"clip_temporal": build_metric("clip_temporal", {}, spec)}, {weights: load_network(weights, "cpu")}
    ).score(video)
    assert alone.values["clip_temporal"] == scored(tiny_clip, video, "a red ball").values["clip_temporal"]


def test_a_prompt_is_encoded_once_for_all_its_videos(tiny_clip: Path, video: Video) -> None:
    """The samples of a row share one text pass, and get the bits of a pass of their own."""
    weights = Weights("clip", str(tiny_clip))
    network: Any = load_network(weights, "cpu")
    first, second = (Evidence(video, "a red ball", None, {weights: network}) for _ in range(2))
    assert first.text(weights) is second.text(weights)
    own: Any = load_network(weights, "cpu")
    assert (own.text("a red ball", "truncate").features == first.text(weights).features).all()


def test_frames_three_pixels_high_are_read_as_images(tiny_clip: Path) -> None:
    """A video of 3 pixel rows is not taken for channels first."""
    video = Video(np.random.default_rng(1).integers(0, 256, (4, 3, 40, 3), np.uint8), fps=8)
    assert scored(tiny_clip, video, "a red ball").errors == {}


@pytest.mark.parametrize(
    ("length", "count", "expected"),
    [(5, 3, [0, 2, 4]), (16, 16, list(range(16))), (3, 16, [0, 1, 2]), (9, 1, [4]), (100, 2, [0, 99])],
)
def test_sampling_takes_the_first_and_the_last_frame(length: int, count: int, expected: list[int]) -> None:
    """Sampling is even, includes the first and last frame, and repeats no frame."""
    frames = np.arange(length, dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)
    assert sampled(frames, count)[:, 0, 0, 0].tolist() == expected


def test_broken_weights_are_named(tiny_clip: Path, tmp_path: Path) -> None:
    """A folder with a valid config.json and no weights gives a MetricError with the folder's name."""
    (tmp_path / "config.json").write_bytes((tiny_clip / "config.json").read_bytes())
    with pytest.raises(MetricError, match=str(tmp_path)):
        load_network(Weights("clip", str(tmp_path)), "cpu")
