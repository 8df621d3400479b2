"""What image encoders see of frames that are not square."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, ViTModel

from t2vbatch.job import Clip, Job, Model
from t2vbatch.media.video import Video
from t2vbatch.metrics import job_metrics
from t2vbatch.metrics.networks import load_network
from t2vbatch.metrics.networks.views import resized_like_torchvision, tiles
from t2vbatch.metrics.protocol import Evidence, Weights
from t2vbatch.metrics.registry import build_metric

WIDE = np.random.default_rng(0).integers(0, 256, (3, 36, 64, 3), np.uint8)


def changed_left_edge() -> Any:
    """The same frames with a red square at the left edge."""
    frames = WIDE.copy()
    frames[:, 14:22, :8] = [255, 0, 0]
    return frames


@pytest.mark.parametrize(("view", "seen"), [("center", False), ("squash", True), ("tiles", True)])
def test_the_middle_square_hides_the_edges_of_a_wide_frame(tiny_clip: Path, view: str, seen: bool) -> None:
    """A red square at the left edge of a 16:9 frame changes squash and tiles, and not the middle square."""
    metric: Any = build_metric("clip_score", {"view": view}, Clip(path=str(tiny_clip)))
    weights = Weights("clip", str(tiny_clip))
    networks = {weights: load_network(weights, "cpu")}
    scores = [
        metric.score(Evidence(Video(frames, 8), "a red ball", None, networks))["clip_score"]
        for frames in (WIDE, changed_left_edge())
    ]
    assert (scores[0] != scores[1]) == seen


def test_the_jobs_clip_decides_the_view(tiny_clip: Path) -> None:
    """clip.view is the default of every CLIP metric of the job."""
    job = Job(
        manifest="m.csv",
        output="out",
        models={"a": Model(path="org/model")},
        metrics={"clip_score": {}, "clip_temporal": {"view": "tiles"}},
        clip=Clip(path=str(tiny_clip), view="squash"),
    )
    found: Any = job_metrics(job)
    assert (found["clip_score"].view, found["clip_temporal"].view) == ("squash", "tiles")


@pytest.mark.parametrize("shape", [(36, 64), (64, 36), (30, 30), (20, 50), (21, 61)])
def test_tiles_cover_the_frame(shape: tuple[int, int]) -> None:
    """Tiles are squares, as few as possible, and every pixel is in one of them."""
    marks: Any = np.arange(shape[0] * shape[1]).reshape(*shape, 1).repeat(3, axis=2)
    found = tiles(marks)
    assert {tile.shape for tile in found} == {(min(shape), min(shape), 3)}
    assert len(found) == -(-max(shape) // min(shape))
    assert set(np.concatenate([tile.ravel() for tile in found])) == set(marks.ravel())


def test_squash_is_the_whole_frame_resized(tiny_clip: Path) -> None:
    """squash equals CLIPModel on the frame resized to a square by PIL's bicubic filter."""
    model: Any = CLIPModel.from_pretrained(tiny_clip)
    network = load_network(Weights("clip", str(tiny_clip)), "cpu")
    squares = [
        np.asarray(Image.fromarray(frame).resize((32, 32), Image.Resampling.BICUBIC)) for frame in WIDE
    ]
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    pixels = torch.tensor((np.stack(squares) / 255 - mean) / std).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        features = model.get_image_features(pixel_values=pixels).pooler_output.double().numpy()
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert network.images(WIDE, "squash") == pytest.approx(expected, abs=1e-4)


def by_hand(frame: Any, height: int, width: int) -> Any:
    """Bilinear interpolation between the four nearest pixel centres, without antialiasing."""
    rows = np.clip((np.arange(height) + 0.5) * frame.shape[0] / height - 0.5, 0, None)
    columns = np.clip((np.arange(width) + 0.5) * frame.shape[1] / width - 0.5, 0, None)
    top, left = rows.astype(int), columns.astype(int)
    down = np.minimum(top + 1, frame.shape[0] - 1)
    right = np.minimum(left + 1, frame.shape[1] - 1)
    y, x = (rows - top)[:, None, None], (columns - left)[None, :, None]
    upper = frame[top][:, left] * (1 - x) + frame[top][:, right] * x
    lower = frame[down][:, left] * (1 - x) + frame[down][:, right] * x
    return upper * (1 - y) + lower * y


def test_vbenchs_resizing_is_bilinear_without_antialiasing() -> None:
    """The shorter side has the given length, the longer one is rounded down, and values are not rounded."""
    found = resized_like_torchvision(WIDE, 24, "bilinear")
    assert found.shape == (3, 3, 24, 42)
    expected = by_hand(WIDE[0].astype(float), 24, 42)
    assert found[0].permute(1, 2, 0).numpy() == pytest.approx(expected, abs=1e-3)


def test_vbenchs_bicubic_resizing_keeps_its_overshoot() -> None:
    """VBench resizes float32 frames, so an edge between black and white leaves 0 to 255."""
    edge = np.zeros((1, 16, 16, 3), np.uint8)
    edge[:, :, 8:] = 255
    found = resized_like_torchvision(edge, 32, "bicubic")
    assert found.min() < -5
    assert found.max() > 260


def test_dinos_vbench_view_takes_the_whole_frame(tiny_vit: Path) -> None:
    """resize: vbench equals ViTModel on the uncropped frame with an interpolated position encoding."""
    model: Any = ViTModel.from_pretrained(tiny_vit)
    network = load_network(Weights("vision", str(tiny_vit)), "cpu")
    resized = resized_like_torchvision(WIDE, 32, "bilinear") / 255
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    with torch.no_grad():
        hidden = model(pixel_values=(resized - mean) / std, interpolate_pos_encoding=True).last_hidden_state
    features = hidden[:, 0].double().numpy()
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert network.images(WIDE, "vbench") == pytest.approx(expected, abs=1e-5)


def test_clipscores_prefix_is_part_of_the_text(tiny_clip: Path) -> None:
    """prefix scores the prompt with the text before it."""
    weights = Weights("clip", str(tiny_clip))
    networks = {weights: load_network(weights, "cpu")}
    metric: Any = build_metric("clip_score", {"prefix": "A photo depicts "}, Clip(path=str(tiny_clip)))
    plain: Any = build_metric("clip_score", {}, Clip(path=str(tiny_clip)))
    given = Evidence(Video(WIDE, 8), "a red ball", None, networks)
    written = Evidence(Video(WIDE, 8), "A photo depicts a red ball", None, networks)
    assert metric.score(given) == plain.score(written) != plain.score(given)
