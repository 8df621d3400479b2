"""clip_score_pooled: similarity of the prompt to the mean frame feature."""

from collections.abc import Mapping
from typing import ClassVar

from t2vbatch.metrics.options import ClipTextOptions
from t2vbatch.metrics.protocol import Column, Evidence


class ClipScorePooled(ClipTextOptions):
    """How well the pooled frames match the prompt, by CLIP.

    Definition: 100 * max(cos(mean of the sampled frames' unit features, prompt), 0).
    Source: the "CLIP-T" of VGen and other papers, which pool the frame features before the comparison. It is
        never below clip_score, because the mean of different unit vectors is shorter than 1.
    Range: 0 to 100.
    Direction: higher is better.
    Cost: that of clip_score; both use the same features.
    Weights: the job's ``clip``.
    """

    columns: ClassVar[Mapping[str, Column]] = {"clip_score_pooled": Column("higher", 0, 100)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        text = self.text_features(evidence)
        pooled = self.frame_features(evidence, self.frames).mean(axis=0)
        cosine = float(pooled @ text) / float((pooled @ pooled) ** 0.5)
        return {"clip_score_pooled": 100 * max(cosine, 0.0)}
