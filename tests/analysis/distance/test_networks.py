"""Backbones with unexpected inputs or outputs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from t2vbatch.errors import MetricError
from t2vbatch.metrics.networks import load_network
from t2vbatch.metrics.protocol import UnscorableError, Weights
from tests.analysis.distance.conftest import exported

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
