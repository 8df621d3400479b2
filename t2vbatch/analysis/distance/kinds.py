"""FVD and FID: which frames a backbone sees of each video, and what it makes of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from t2vbatch.job import Distance
from t2vbatch.media.frames import sampled
from t2vbatch.metrics.protocol import FloatArray, Kind, Network, UnscorableError

Frames = npt.NDArray[np.uint8]


class DistanceKind(ABC):
    """One way from a video to the vectors whose distribution is compared."""

    families: ClassVar[tuple[Kind, ...]]
    """Transformers models that can be the backbone; a TorchScript file always can."""

    @abstractmethod
    def chosen(self, frames: Frames, asked: Distance) -> Frames:
        """The frames that count. Raises UnscorableError for a video that has too few."""

    @abstractmethod
    def features(self, network: Network, frames: Frames) -> FloatArray:
        """Of the chosen frames of one video, shape (N, D)."""


class Fvd(DistanceKind):
    """How far the videos are, as a set, from a reference set: Fréchet video distance.

    Definition: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), of the means and covariances (divided by n - 1)
        of one feature vector a video. The backbone sees ``frames`` frames from the first on, every
        ``stride``-th. A video that is shorter is left out and counted.
    Source: Unterthiner et al., Towards Accurate Generative Models of Video, 2018 (arXiv:1812.01717). What is
        mostly published as FVD is that of StyleGAN-V's I3D export (arXiv:2112.14683) with ``frames: 16``. I3D
        looks at content rather than motion: Ge et al., CVPR 2024 (arXiv:2404.12391), who take VideoMAE.
    Range: 0 and up. Two numbers can be compared only where backbone, frames, stride, size, reference and the
        number of videos are the same: a smaller set has a larger distance. Under 2,048 videos it comes with a
        warning, and with FID-infinity's extrapolation (arXiv:1911.07023) where there are 3 videos a feature.
    Direction: lower is closer to the reference.
    Cost: one pass a video, spread over the workers; none for a reference whose statistics are saved.
    Weights: ``backbone``: a folder of a VideoMAE or TimeSformer with safetensors weights (features are the
        mean over tokens, or the class token), or a TorchScript file. That gets float32, RGB, 0 to 255, of
        shape (1, 3, T, H, W), with rescale, resize and return_features true where it takes them, and gives
        features of shape (1, D).

    Not a metric of single videos: the job key ``distances``, or ``t2vbatch distance OUTPUT``.
    """

    families = ("video",)

    def chosen(self, frames: Frames, asked: Distance) -> Frames:
        needed = (asked.frames - 1) * asked.stride + 1
        if len(frames) < needed:
            raise UnscorableError(f"shorter than {needed} frames")
        return frames[: needed : asked.stride]

    def features(self, network: Network, frames: Frames) -> FloatArray:
        return network.video_features(frames)[None]


class Fid(DistanceKind):
    """How far the frames are, as a set, from those of a reference set: Fréchet inception distance.

    Definition: as ``fvd``, of one feature vector a frame: ``frames`` frames of each video at equal distances,
        the first and the last among them; of a shorter video all.
    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017 (arXiv:1706.08500), with
        Inception. With CLIP it is Kynkäänniemi et al.'s (arXiv:2203.06026), with DINOv2 Stein et al.'s
        FD-DINOv2 (arXiv:2306.04675). Blind to motion: read it beside ``fvd``.
    Range: 0 and up; what can be compared, and the warning under 2,048 videos, are as for ``fvd``. Frames of
        one video are alike, so that it is videos that are counted there.
    Direction: lower is closer to the reference.
    Cost: one pass a frame, as for ``fvd``.
    Weights: ``backbone``: a folder of a CLIP, SigLIP, DINO, DINOv2, DINOv3 or ViT with safetensors weights,
        or a TorchScript file such as StyleGAN2-ADA's Inception. That gets float32 of shape (N, 3, H, W), RGB,
        0 to 255, with rescale, resize and return_features true where it takes them, and gives (N, D).

    Not a metric of single videos: the job key ``distances``, or ``t2vbatch distance OUTPUT --kind fid``.
    """

    families = ("clip", "siglip", "vision")

    def chosen(self, frames: Frames, asked: Distance) -> Frames:
        return sampled(frames, asked.frames)

    def features(self, network: Network, frames: Frames) -> FloatArray:
        return network.frame_features(frames)


KINDS: Mapping[Literal["fvd", "fid"], DistanceKind] = {"fvd": Fvd(), "fid": Fid()}
"""What a job may name as ``kind``."""


def resized(frames: Frames, size: int | None) -> Frames:
    """Frames as squares of this side, by PIL's bicubic filter, which looks at every pixel (Parmar et al., On
    Aliased Resizing, arXiv:2104.11222); as they are where ``size`` is None.
    """
    if size is None:
        return frames
    squares = [Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC) for frame in frames]
    return np.stack([np.asarray(square) for square in squares])
