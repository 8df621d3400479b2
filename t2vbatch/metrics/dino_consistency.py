"""dino_consistency: how much the subject keeps its appearance."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from t2vbatch.metrics.options import MetricOptions
from t2vbatch.metrics.protocol import ONE_FRAME, Column, Evidence, UnscorableError, Weights


class DinoConsistency(MetricOptions):
    """How well the subject keeps its appearance, by DINO.

    Definition: the mean over all frames but the first of
        (max(cos(frame, previous frame), 0) + max(cos(frame, first frame), 0)) / 2, with DINO class tokens.
    Source: VBench's subject_consistency (arXiv:2311.17982). VBench scores every frame (``frames: null``)
        and resizes frames without a crop and without antialiasing (``resize: vbench``); its position encoding
        is that of DINO's code, which differs slightly for frames that are not square.
    Range: 0 to 1. A still image scores 1, so read it together with ``motion``.
    Direction: higher is more consistent.
    Cost: one pass per frame (CPU: 0.1 s for ViT-B/16).
    Weights: facebook/dino-vitb16, as in VBench, or the option ``path``: DINOv2, DINOv3 and other ViTs work
        too.
    """

    path: str = Field("facebook/dino-vitb16", description="Hub id or folder of a vision transformer")
    revision: str | None = Field(None, description="branch, tag or commit of the Hub repository")
    frames: int | None = Field(16, ge=2, description="frames to score, spread evenly; null: all frames")
    resize: Literal["processor", "vbench"] = Field(
        "processor",
        description="how frames are resized: by the image processor of the model, or as VBench does",
    )
    columns: ClassVar[Mapping[str, Column]] = {"dino_consistency": Column("higher", 0, 1)}

    @property
    def weights(self) -> tuple[Weights, ...]:
        return (Weights("vision", self.path, self.revision),)

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        (dino,) = self.weights
        features = evidence.frame_features(dino, self.frames, self.resize)
        if len(features) < 2:
            raise UnscorableError(ONE_FRAME)
        before = np.einsum("nd,nd->n", features[:-1], features[1:])
        first = features[1:] @ features[0]
        return {"dino_consistency": float((np.maximum(before, 0) + np.maximum(first, 0)).mean() / 2)}
