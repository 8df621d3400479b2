"""clip_score: similarity of the frames to the prompt."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from t2vbatch.metrics.options import ClipTextOptions
from t2vbatch.metrics.protocol import Column, Evidence


class ClipScore(ClipTextOptions):
    """How well the frames match the prompt, by CLIP.

    Definition: ``clip_score`` is the mean over the sampled frames of 100 * max(cos(frame, prompt), 0);
        ``clip_score_min`` is the lowest of these frame scores. Each frame is scored separately and the scores
        are averaged; ``clip_score_pooled`` pools the frames first and gives another number.
    Source: Hessel et al., CLIPScore, EMNLP 2021 (arXiv:2104.08718), with the factor 100 of torchmetrics
        instead of the paper's 2.5. It equals 100 times the CLIPSIM of GODIVA (arXiv:2104.14806) if no
        cosine is negative.
    Range: 0 to 100; openai/clip-vit-* give about 20 to 35 on real pairs. Values of two different CLIP
        models are not comparable.
    Direction: higher is better.
    Cost: one CLIP image pass per frame (CPU: 0.07 s for B/32, about 2 s for L/14), one text pass per prompt.
    Weights: the job's ``clip``.
    """

    columns: ClassVar[Mapping[str, Column]] = {
        "clip_score": Column("higher", 0, 100),
        "clip_score_min": Column("higher", 0, 100),
    }

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        cosines = self.frame_features(evidence, self.frames) @ self.text_features(evidence)
        scores = 100 * np.maximum(cosines, 0)
        return {"clip_score": float(scores.mean()), "clip_score_min": float(scores.min())}
