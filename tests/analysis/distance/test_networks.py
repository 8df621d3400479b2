"""Backbones with unexpected inputs or outputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEImageProcessorPil

from t2vbatch.errors import MetricError
from t2vbatch.metrics.networks import load_network
from t2vbatch.metrics.protocol import UnscorableError, Weights
from tests.analysis.distance.conftest import TOWER, exported

FRAMES = np.zeros((5, 24, 24, 3), np.uint8)


class Unpooled(torch.nn.Module):
    """Returns a feature map instead of a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x))


def test_features_are_one_vector_a_frame(tmp_path: Path) -> None:
    """A network that returns maps is rejected with their shape and the advice to pool before export."""
    network = load_network(Weights("torchscript", str(exported(Unpooled(), tmp_path / "maps.pt"))), "cpu")
    with pytest.raises(MetricError, match=r"\(5, 2, 22, 22\) for 5 inputs(.|\n)*flatten or pool"):
        network.frame_features(FRAMES)


def test_a_video_network_takes_its_own_number_of_frames(backbones: Path) -> None:
    """A video network rejects another number of frames and single frames."""
    network = load_network(Weights("video", str(backbones / "videomae")), "cpu")
    with pytest.raises(ValueError, match="takes 4 frames, not 5"):
        network.video_features(FRAMES)
    with pytest.raises(UnscorableError, match="does not encode single frames"):
        network.frame_features(FRAMES)


def test_a_broken_torchscript_file_is_rejected(tmp_path: Path, backbones: Path) -> None:
    """A truncated file gives one message."""
    (tmp_path / "cut.pt").write_bytes((backbones / "i3d.pt").read_bytes()[:-100])
    with pytest.raises(MetricError, match="without a TorchScript program"):
        load_network(Weights("torchscript", str(tmp_path / "cut.pt")), "cpu")


@pytest.mark.parametrize("fine_tuned", [True, False])
def test_videomaes_features_are_those_before_its_classifier(tmp_path: Path, fine_tuned: bool) -> None:
    """A fine-tuned VideoMAE normalizes the mean over tokens by fc_norm, as its classifier gets it."""
    size: Any = {"image_size": 32, "patch_size": 8, "num_frames": 4, "tubelet_size": 2, "num_labels": 3}
    torch.manual_seed(1)
    model: Any = VideoMAEForVideoClassification(VideoMAEConfig(**TOWER, **size, use_mean_pooling=fine_tuned))
    if fine_tuned:
        torch.nn.init.normal_(model.fc_norm.weight)
    model.save_pretrained(tmp_path)
    crops: Any = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    VideoMAEImageProcessorPil(**crops).save_pretrained(tmp_path)
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    pixels = VideoMAEImageProcessorPil(**crops)(list(frames), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        tokens = model.videomae(pixel_values=pixels.reshape(1, 4, 3, 32, 32)).last_hidden_state[0]
        expected = model.fc_norm(tokens.mean(0)) if fine_tuned else tokens.mean(0)
        logits = model(pixel_values=pixels.reshape(1, 4, 3, 32, 32)).logits[0]
        if fine_tuned:
            assert model.classifier(expected).numpy() == pytest.approx(logits.numpy(), abs=1e-5)
    features = load_network(Weights("video", str(tmp_path)), "cpu").video_features(frames)
    assert features == pytest.approx(expected.double().numpy(), abs=1e-5)
