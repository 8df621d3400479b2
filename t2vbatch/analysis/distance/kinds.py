"""FVD and FID: which frames of each video the backbone encodes, and how."""

import hashlib
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
    """How a distance turns a video into feature vectors."""

    families: ClassVar[tuple[Kind, ...]]
    """Kinds of transformers models that can be the backbone. A TorchScript file always can."""

    @abstractmethod
    def chosen(self, frames: Frames, asked: Distance, key: str) -> Frames:
        """The frames to encode. Raises UnscorableError if the video has too few frames.

        Args:
            key: identifies the video's content; a random choice depends on nothing else.
        """

    @abstractmethod
    def features(self, network: Network, frames: Frames) -> FloatArray:
        """The features of the chosen frames of one video, shape (N, D)."""


class Fvd(DistanceKind):
    """Fréchet video distance between the videos of a model and a reference set.

    Definition: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with the means and covariances (divided by n - 1)
        of one feature vector per video. The backbone encodes ``frames`` frames, starting with the first,
        every ``stride``-th frame. Shorter videos are left out and counted.
    Source: Unterthiner et al., Towards Accurate Generative Models of Video, 2018 (arXiv:1812.01717). Most
        published FVD values use StyleGAN-V's I3D export (arXiv:2112.14683) with ``frames: 16``; its code
        divides covariances by n and starts the clips of real videos at random frames (``divisor: n``,
        ``start: random``). I3D depends on content more than on motion; Ge et al., CVPR 2024
        (arXiv:2404.12391), use VideoMAE instead.
    Range: 0 and up. Two distances are comparable only if backbone, frames, stride, size, reference and the
        number of videos are the same, because a smaller set has a larger distance. Below 2,048 videos it
        has a warning, and an extrapolation as in FID-infinity (arXiv:1911.07023) from 3 videos per feature
        on.
    Direction: lower is closer to the reference.
    Cost: one pass per video, spread over the workers. Saved statistics of a reference need no pass.
    Weights: ``backbone``: a folder of a VideoMAE or TimeSformer with safetensors weights (features are the
        mean over tokens, or the class token), or a TorchScript file. A TorchScript network receives
        float32 RGB, 0 to 255, of shape (1, 3, T, H, W), with rescale, resize and return_features set to
        true if it has them, and returns features of shape (1, D).

    This is not a metric of single videos: use the job key ``distances``, or ``t2vbatch distance OUTPUT``.
    """

    families = ("video",)

    def chosen(self, frames: Frames, asked: Distance, key: str) -> Frames:
        needed = (asked.frames - 1) * asked.stride + 1
        if len(frames) < needed:
            raise UnscorableError(f"shorter than {needed} frames")
        # SHA-256 is as good as a random number, and the same in every process.
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
        start = number % (len(frames) - needed + 1) if asked.start == "random" else 0
        return frames[start : start + needed : asked.stride]

    def features(self, network: Network, frames: Frames) -> FloatArray:
        return network.video_features(frames)[None]


class Fid(DistanceKind):
    """Fréchet inception distance between the frames of a model's videos and those of a reference set.

    Definition: as ``fvd``, with one feature vector per frame: ``frames`` frames of each video, spread evenly
        from the first to the last; all frames of a shorter video.
    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017 (arXiv:1706.08500), with
        Inception. With CLIP it is Kynkäänniemi et al.'s (arXiv:2203.06026), with DINOv2 Stein et al.'s
        FD-DINOv2 (arXiv:2306.04675). It ignores motion, so read it together with ``fvd``.
    Range: 0 and up. The rules for comparable values and the warning below 2,048 videos are those of ``fvd``.
        The warning counts videos and not frames, because frames of one video are similar.
    Direction: lower is closer to the reference.
    Cost: one pass per frame, spread over the workers.
    Weights: ``backbone``: a folder of a CLIP, SigLIP, DINO, DINOv2, DINOv3 or ViT with safetensors weights,
        or a TorchScript file such as StyleGAN2-ADA's Inception. It receives float32 RGB, 0 to 255, of shape
        (N, 3, H, W), with rescale, resize and return_features set to true if it has them, and returns (N, D).

    This is not a metric of single videos: use the job key ``distances``, or ``t2vbatch distance OUTPUT
    --kind fid``.
    """

    families = ("clip", "siglip", "vision")

    def chosen(self, frames: Frames, asked: Distance, key: str) -> Frames:
        return sampled(frames, asked.frames)

    def features(self, network: Network, frames: Frames) -> FloatArray:
        return network.frame_features(frames)


KINDS: Mapping[Literal["fvd", "fid"], DistanceKind] = {"fvd": Fvd(), "fid": Fid()}
"""The values of the key ``kind``."""


def resized(frames: Frames, size: int | None) -> Frames:
    """Frames resized to ``size`` x ``size`` pixels by PIL's antialiased bicubic filter (Parmar et al., On
    Aliased Resizing, arXiv:2104.11222). With ``size`` None the frames stay unchanged.
    """
    if size is None:
        return frames
    squares = [Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC) for frame in frames]
    return np.stack([np.asarray(square) for square in squares])
