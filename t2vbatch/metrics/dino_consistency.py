"""dino_consistency: does the subject stay the same?"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from t2vbatch.metrics.options import Options
from t2vbatch.metrics.protocol import Column, Evidence, UnscorableError, Weights


class DinoConsistency(Options):
    """How well the subject keeps its looks, by DINO.

    Definition: over the frames from the second on, the mean of
        (max(cos(frame, the one before), 0) + max(cos(frame, the first), 0)) / 2, by class tokens.
    Source: VBench's subject_consistency (arXiv:2311.17982). It takes every frame; this takes ``frames`` of
        them, ``frames: null`` for all.
    Range: 0 to 1. A still image has 1: read it beside ``motion``.
    Direction: higher is more consistent.
    Cost: one pass a frame (CPU: 0.1 s for ViT-B/16).
    Weights: facebook/dino-vitb16, as VBench, or the option ``path``: also DINOv2, DINOv3 and other ViTs.
    """

    path: str = Field("facebook/dino-vitb16", description="hub id or folder of a vision transformer")
    revision: str | None = Field(None, description="branch, tag or commit of the hub repository")
    frames: int | None = Field(16, ge=2, description="frames looked at, uniform; null: all of them")
    columns: ClassVar[Mapping[str, Column]] = {"dino_consistency": Column("higher", 0, 1)}

    @property
    def weights(self) -> tuple[Weights, ...]:
        return (Weights("vision", self.path, self.revision),)

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        (dino,) = self.weights
        features = evidence.frame_features(dino, self.frames)
        if len(features) < 2:
            raise UnscorableError("one frame has no next one")
        before = np.einsum("nd,nd->n", features[:-1], features[1:])
        first = features[1:] @ features[0]
        return {"dino_consistency": float((np.maximum(before, 0) + np.maximum(first, 0)).mean() / 2)}
