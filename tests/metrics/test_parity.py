"""Every metric against an independent computation of its definition.

On wide, odd-sized and one-frame videos, and with every class of tokenizer. The computations share no code
with the metrics: they pass one frame at a time through the networks' own classes, and use OpenCV, scipy and
Pillow for pixels. A new metric needs one too.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from shutil import copytree
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import save_file
from scipy import ndimage
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPModel,
    SiglipModel,
    ViTImageProcessorPil,
    ViTModel,
    XCLIPModel,
)

from t2vbatch.job import Clip
from t2vbatch.media.video import Video
from t2vbatch.metrics.networks import load_network
from t2vbatch.metrics.registry import METRICS, build_metric
from t2vbatch.metrics.scorer import Scorer
from tests.metrics.conftest import SIGLIP_LIMIT, fast

PROMPT = "the red ball rolls over wet grass"


def drifting(frames: int, height: int, width: int, seed: int) -> Video:
    """Smooth noise that moves and gets lighter."""
    random = np.random.default_rng(seed).normal(size=(height + 20, width + 20, 3))
    noise = cv2.GaussianBlur(random, (9, 9), 2)
    canvas = np.clip(110 + 50 * noise / noise.std(), 0, 230)
    steps = [canvas[step : step + height, 2 * step : 2 * step + width] + 2 * step for step in range(frames)]
    return Video(np.array(steps).astype(np.uint8), fps=10)


VIDEOS = {
    "16:9": drifting(10, 72, 128, 1),
    "odd-sized": drifting(7, 37, 53, 2),
    "one frame": drifting(1, 45, 80, 3),
    "two frames, 9:16": drifting(2, 96, 54, 4),
    "black": Video(np.zeros((3, 36, 64, 3), np.uint8), fps=10),
}


@dataclass(frozen=True)
class Case:
    """A video, its conditioning image, and the folders of the tiny networks."""

    video: Video
    image: Image.Image
    folders: Mapping[str, Path]

    @property
    def frames(self) -> list[Image.Image]:
        return [Image.fromarray(frame) for frame in self.video.frames]


Expected = Mapping[str, float] | None
"""Column: value; None where a video of one frame has no value."""


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.cosine_similarity(one.double(), other.double(), dim=-1))


def clip_images(folder: Path, images: list[Image.Image]) -> list[torch.Tensor]:
    """The feature of each image, one forward pass each."""
    model: Any = CLIPModel.from_pretrained(folder)
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    with torch.no_grad():
        return [
            model.get_image_features(**processor(image, return_tensors="pt")).pooler_output[0]
            for image in images
        ]


def clip_tokens(folder: Path) -> dict[str, Any]:
    """The ids of the prompt, cut to what the text encoder reads, with the end token as the last one."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(PROMPT, truncation=False)["input_ids"]
    limit = json.loads((folder / "config.json").read_text())["text_config"]["max_position_embeddings"]
    return {"input_ids": torch.tensor([ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]])}


def clip_text(folder: Path) -> torch.Tensor:
    model: Any = CLIPModel.from_pretrained(folder)
    tokens = clip_tokens(folder)
    with torch.no_grad():
        return torch.as_tensor(model.get_text_features(input_ids=tokens["input_ids"]).pooler_output[0])


def clip_score(case: Case) -> Expected:
    text = clip_text(case.folders["clip"])
    scores = [100 * max(cosine(one, text), 0) for one in clip_images(case.folders["clip"], case.frames)]
    return {"clip_score": sum(scores) / len(scores), "clip_score_min": min(scores)}


def clip_score_pooled(case: Case) -> Expected:
    units = [one / one.norm() for one in clip_images(case.folders["clip"], case.frames)]
    pooled = torch.stack(units).mean(dim=0)
    return {"clip_score_pooled": 100 * max(cosine(pooled, clip_text(case.folders["clip"])), 0)}


def clip_temporal(case: Case) -> Expected:
    found = [cosine(*two) for two in pairwise(clip_images(case.folders["clip"], case.frames))]
    return {"clip_temporal": sum(found) / len(found)} if found else None


def clip_temporal_all(case: Case) -> Expected:
    found = [cosine(*two) for two in combinations(clip_images(case.folders["clip"], case.frames), 2)]
    return {"clip_temporal_all": sum(found) / len(found)} if found else None


def clip_image(case: Case) -> Expected:
    (image,) = clip_images(case.folders["clip"], [case.image])
    found = [cosine(one, image) for one in clip_images(case.folders["clip"], case.frames)]
    return {"clip_image": sum(found) / len(found), "clip_image_first": found[0]}


def pickscore(case: Case) -> Expected:
    folder = case.folders["clip"]
    text, scale = clip_text(folder), CLIPModel.from_pretrained(folder).logit_scale.exp().item()
    found = [scale * cosine(one, text) for one in clip_images(folder, case.frames)]
    return {"pickscore": sum(found) / len(found)}


def aesthetic(case: Case) -> Expected:
    head = torch.nn.Linear(16, 1)
    head.load_state_dict(aesthetic_head())
    units = [one / one.norm() for one in clip_images(case.folders["clip"], case.frames)]
    with torch.no_grad():
        return {"aesthetic": float(torch.stack([head(one)[0] for one in units]).mean())}


def aesthetic_head() -> dict[str, torch.Tensor]:
    return {"weight": torch.linspace(-1, 1, 16)[None], "bias": torch.tensor([5.0])}


def siglip_score(case: Case) -> Expected:
    folder = case.folders["siglip"]
    model: Any = SiglipModel.from_pretrained(folder)
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(PROMPT, padding="max_length", max_length=SIGLIP_LIMIT, truncation=True)["input_ids"]
    found = []
    with torch.no_grad():
        for frame in case.frames:
            output = model(torch.tensor([ids]), processor(frame, return_tensors="pt")["pixel_values"])
            found.append(100 * max(float(output.image_embeds[0] @ output.text_embeds[0]), 0))
    return {"siglip_score": sum(found) / len(found)}


def xclip_score(case: Case) -> Expected:
    """The network takes 4 frames; a shorter video repeats frames."""
    folder = case.folders["xclip"]
    model: Any = XCLIPModel.from_pretrained(folder)
    last = len(case.frames) - 1
    frames = [case.frames[round(last * step / 3)] for step in range(4)]
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(frames, return_tensors="pt")["pixel_values"]
    tokens = clip_tokens(folder)
    with torch.no_grad():
        output = model(input_ids=tokens["input_ids"], pixel_values=pixels[None])
    return {"xclip_score": 100 * max((output.logits_per_video / model.logit_scale.exp()).item(), 0)}


def dino_consistency(case: Case) -> Expected:
    model: Any = ViTModel.from_pretrained(case.folders["vit"])
    processor = ViTImageProcessorPil.from_pretrained(case.folders["vit"])
    with torch.no_grad():
        tokens = [
            model(**processor(frame, return_tensors="pt")).last_hidden_state[0, 0] for frame in case.frames
        ]
    found = [
        (max(cosine(before, now), 0) + max(cosine(tokens[0], now), 0)) / 2 for before, now in pairwise(tokens)
    ]
    return {"dino_consistency": sum(found) / len(found)} if found else None


def flicker(case: Case) -> Expected:
    found = [cv2.norm(*two, cv2.NORM_L1) / two[0].size for two in pairwise(case.video.frames)]
    return {"flicker": (255 - sum(found) / len(found)) / 255} if found else None


def motion(case: Case) -> Expected:
    steady = flicker(case)
    return None if steady is None else {"motion": 1 - steady["flicker"]}


def motion_flow(case: Case) -> Expected:
    grey = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in case.video.frames]
    speeds = []
    for before, now in pairwise(grey):
        zero = np.zeros((*before.shape, 2), np.float32)
        flow = cv2.calcOpticalFlowFarneback(before, now, zero, 0.5, 3, 15, 3, 5, 1.2, 0).astype(float)
        speeds.append(np.sqrt(flow[..., 0] ** 2 + flow[..., 1] ** 2).mean())
    height, width = grey[0].shape
    return {"motion_flow": 10 * np.mean(speeds) / (height**2 + width**2) ** 0.5} if speeds else None


def sharpness(case: Case) -> Expected:
    grey = case.video.frames.astype(float) @ np.array([0.299, 0.587, 0.114])
    return {"sharpness": float(np.mean([ndimage.laplace(one)[1:-1, 1:-1].var() for one in grey]))}


def first_frame_error(case: Case) -> Expected:
    frame = case.video.frames[0].astype(float)
    image = ImageOps.fit(case.image, (frame.shape[1], frame.shape[0]), Image.Resampling.LANCZOS)
    return {"first_frame_error": float(np.abs(frame - np.asarray(image, float)).mean() / 255)}


def command(case: Case) -> Expected:
    return {"light": float(case.video.frames.astype(float).mean())}


PARITY: dict[str, Callable[[Case], Expected]] = {
    one.__name__: one
    for one in (
        *(clip_score, clip_score_pooled, clip_temporal, clip_temporal_all, clip_image, xclip_score),
        *(siglip_score, dino_consistency, pickscore, aesthetic, flicker, motion, motion_flow, sharpness),
        *(first_frame_error, command),
    )
}
"""The independent computation of each metric."""

OF_TEXT = ("clip_score", "clip_score_pooled", "pickscore", "xclip_score")
"""Metrics that read the prompt with the tokenizer of a CLIP checkpoint."""

_PROGRAM = """
import json, sys, numpy
for line in sys.stdin:
    frames = numpy.load(json.loads(line)["frames"])
    print(json.dumps({"light": float(frames.mean())}), flush=True)
"""


@pytest.fixture
def folders(
    tiny_clip: Path, tiny_siglip: Path, tiny_xclip: Path, tiny_vit: Path, tmp_path: Path
) -> dict[str, Path]:
    """The tiny networks, an aesthetic head and a program."""
    save_file(aesthetic_head(), tmp_path / "head.safetensors")
    (tmp_path / "program.py").write_text(_PROGRAM)
    own = {"head": tmp_path / "head.safetensors", "program": tmp_path / "program.py"}
    return own | {"clip": tiny_clip, "siglip": tiny_siglip, "xclip": tiny_xclip, "vit": tiny_vit}


def options(name: str, folders: Mapping[str, Path]) -> dict[str, Any]:
    """The options of a metric that name its network; all frames are scored."""
    paths = {"pickscore": "clip", "aesthetic": "clip", "siglip_score": "siglip", "xclip_score": "xclip"}
    paths |= {"dino_consistency": "vit"}
    found: dict[str, Any] = {"path": str(folders[paths[name]])} if name in paths else {}
    if name == "pickscore":
        found["processor"] = found["path"]
    if name == "aesthetic":
        found["head"] = str(folders["head"])
    if name == "command":
        found = {"command": [sys.executable, str(folders["program"])], "yields": {"light": "higher"}}
    return found


def check(name: str, video: Video, folders: Mapping[str, Path]) -> None:
    """The metric's values are the expected ones; a value that does not exist has a reason."""
    image = Image.fromarray(drifting(1, 61, 94, 7).frames[0])
    metric = build_metric(name, options(name, folders), Clip(path=str(folders["clip"])))
    networks = {weights: load_network(weights, "cpu") for weights in metric.weights}
    found = Scorer({name: metric}, networks).score(video, PROMPT, image)
    expected = PARITY[name](Case(video, image, folders))
    if expected is None:
        assert set(found.values.values()) == {None}
        assert "single frame" in next(iter(found.errors.values()))
    else:
        assert dict(found.values) == pytest.approx(expected, abs=2e-5, rel=2e-5)


def test_every_metric_has_a_parity_case() -> None:
    """A new metric needs an independent computation here."""
    assert set(PARITY) == set(METRICS)


@pytest.mark.parametrize("shape", VIDEOS)
@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_its_definition(name: str, shape: str, folders: dict[str, Path]) -> None:
    """The metric agrees with the independent computation on each shape of video."""
    check(name, VIDEOS[shape], folders)


@pytest.mark.parametrize(
    "prompt",
    [
        "the red ball rolls over wet grass " * 150,
        "\N{BALLOON}\N{BALLOON} ball \N{FAMILY}",
        "כדור אדום מתגלגל",
        "a\n\tb  \x07",
    ],
    ids=["1000 tokens", "emoji", "right to left", "control characters"],
)
@pytest.mark.parametrize("name", [*OF_TEXT, "siglip_score"])
def test_a_metric_of_text_is_its_definition_for_every_prompt(
    name: str, prompt: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long, pictorial, right-to-left and unprintable prompts have the value of the independent one."""
    monkeypatch.setattr(sys.modules[__name__], "PROMPT", prompt)
    check(name, VIDEOS["odd-sized"], folders)


def test_siglip_score_is_its_definition_with_every_tokenizer(siglip: Path, folders: dict[str, Path]) -> None:
    """siglip_score agrees for each tokenizer class that checkpoints name."""
    check("siglip_score", VIDEOS["odd-sized"], folders | {"siglip": siglip})


@pytest.mark.parametrize("name", OF_TEXT)
def test_clip_metrics_are_their_definition_with_the_general_tokenizer(
    name: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    """Metrics of text agree if the checkpoint names PreTrainedTokenizerFast instead of CLIPTokenizer."""
    kind = "xclip" if name == "xclip_score" else "clip"
    copy = tmp_path / "fast"
    copytree(folders[kind], copy)
    check(name, VIDEOS["odd-sized"], folders | {kind: fast(copy)})
