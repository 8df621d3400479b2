"""clip_temporal: does the video stay itself from frame to frame?"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from t2vbatch.metrics.options import ClipOptions
from t2vbatch.metrics.protocol import Column, Evidence, UnscorableError


class ClipTemporal(ClipOptions):
    """How alike consecutive frames are, by CLIP.

    Definition: the mean over consecutive sampled frames of cos(frame i, frame i + 1), both by CLIP's image
        encoder.
    Source: "frame consistency" of Tune-A-Video (arXiv:2212.11565) and Gen-1 (arXiv:2302.03011).
    Range: -1 to 1; real videos lie above 0.9. A still image has 1: read it beside a metric of motion.
    Direction: higher is smoother.
    Cost: one CLIP image pass a frame, shared with clip_score where both sample the same frames.
    Weights: the job's ``clip``.
    """

    columns: ClassVar[Mapping[str, Column]] = {"clip_temporal": Column("higher", -1, 1)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        (clip,) = self.weights
        features = evidence.frame_features(clip, self.frames)
        if len(features) < 2:
            raise UnscorableError("one frame has no next one")
        cosines = np.einsum("nd,nd->n", features[:-1], features[1:])
        return {"clip_temporal": float(cosines.mean())}
