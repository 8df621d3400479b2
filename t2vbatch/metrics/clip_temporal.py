"""clip_temporal, clip_temporal_all: similarity of the frames of a video to each other."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from t2vbatch.metrics.options import ClipOptions
from t2vbatch.metrics.protocol import ONE_FRAME, Column, Evidence, FloatArray, UnscorableError


class ClipTemporal(ClipOptions):
    """How similar consecutive frames are, by CLIP.

    Definition: the mean over consecutive sampled frames of cos(frame i, frame i + 1), with features of CLIP's
        image encoder.
    Source: "frame consistency" of Gen-1 (arXiv:2302.03011).
    Range: -1 to 1; real videos are above 0.9. A still image scores 1, so read it together with ``motion``.
    Direction: higher is smoother.
    Cost: one CLIP image pass per frame, shared with clip_score if both use the same ``frames``.
    Weights: the job's ``clip``.
    """

    columns: ClassVar[Mapping[str, Column]] = {"clip_temporal": Column("higher", -1, 1)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        features = _features(self, evidence)
        return {"clip_temporal": float(np.einsum("nd,nd->n", features[:-1], features[1:]).mean())}


class ClipTemporalAll(ClipOptions):
    """How similar all frames of a video are, by CLIP.

    Definition: the mean cosine over all pairs of sampled frames, with features of CLIP's image encoder.
    Source: "frame consistency" of Tune-A-Video (arXiv:2212.11565).
    Range: -1 to 1; below clip_temporal if the content changes over the video.
    Direction: higher is more consistent.
    Cost: that of clip_temporal; both use the same features.
    Weights: the job's ``clip``.
    """

    columns: ClassVar[Mapping[str, Column]] = {"clip_temporal_all": Column("higher", -1, 1, by_rate=True)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        features = _features(self, evidence)
        pairs = np.triu_indices(len(features), k=1)
        return {"clip_temporal_all": float((features @ features.T)[pairs].mean())}


def _features(metric: ClipOptions, evidence: Evidence) -> FloatArray:
    features = metric.frame_features(evidence, metric.frames)
    if len(features) < 2:
        raise UnscorableError(ONE_FRAME)
    return features
