"""Metrics share the passes of a video's frames, and no score depends on which other metrics share them."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from t2vbatch.media.video import Video
from t2vbatch.metrics.clip_image import ClipImage
from t2vbatch.metrics.clip_temporal import ClipTemporal
from t2vbatch.metrics.networks import load_network
from t2vbatch.metrics.protocol import Evidence, Network, View, Weights

FRAMES = np.random.default_rng(0).integers(0, 256, (11, 40, 56, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["clip", "siglip", "vision"])
def network(request: pytest.FixtureRequest) -> Network:
    """A network of each kind that encodes single frames."""
    folder = {"clip": "tiny_clip", "siglip": "tiny_siglip", "vision": "tiny_vit"}[request.param]
    return load_network(Weights(request.param, str(request.getfixturevalue(folder))), "cpu")


@pytest.mark.parametrize("view", get_args(View))
def test_a_frame_has_the_same_features_beside_any_frames(network: Network, view: View) -> None:
    """Alone, in another order and in any group, the features are equal to the bit."""
    together = network.images(FRAMES, view)
    order = np.random.default_rng(1).permutation(len(FRAMES))
    assert np.array_equal(network.images(FRAMES[order], view), together[order])
    for start, stop in ((0, 1), (3, 4), (2, 9), (7, 11)):
        assert np.array_equal(network.images(FRAMES[start:stop], view), together[start:stop])


def test_preprocessing_a_batch_is_preprocessing_each_frame(network: Any) -> None:
    """The processor makes the same pixels of several frames as of one."""
    batch = network._pixels(FRAMES)
    assert all(np.array_equal(batch[at], network._pixels(FRAMES[at][None])[0]) for at in range(len(FRAMES)))


def test_metrics_share_frames(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three metrics with other numbers of frames send each frame once through the network."""
    weights = Weights("clip", str(tiny_clip))
    network = load_network(weights, "cpu")
    sent: list[int] = []
    images = network.images

    def counted(frames: npt.NDArray[np.uint8], view: View = "processor") -> Any:
        sent.append(len(frames))
        return images(frames, view)

    monkeypatch.setattr(network, "images", counted)
    path = str(tiny_clip)
    metrics = {
        "few": ClipTemporal(path=path, frames=4),
        "most": ClipTemporal(path=path, frames=9),
        "all": ClipTemporal(path=path, frames=11),
    }
    video = Video(FRAMES, fps=8)
    evidence = Evidence(video, networks={weights: network})
    together = {name: metric.score(evidence) for name, metric in metrics.items()}
    assert sum(sent) == len(FRAMES)
    for name, metric in metrics.items():
        assert together[name] == metric.score(Evidence(video, networks={weights: network}))


def test_the_first_frame_alone_is_encoded_for_it(tiny_clip: Path) -> None:
    """clip_image of one frame encodes that frame and the first one, and no other."""
    metric = ClipImage(path=str(tiny_clip), frames=1)
    (weights,) = metric.weights
    network = load_network(weights, "cpu")
    evidence = Evidence(Video(FRAMES, fps=8), None, Image.fromarray(FRAMES[0]), {weights: network})
    found = metric.score(evidence)
    assert set(evidence._features[weights, "processor"]) == {0, len(FRAMES) // 2}
    assert found["clip_image_first"] == pytest.approx(1.0)
