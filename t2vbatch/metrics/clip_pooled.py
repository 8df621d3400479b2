"""clip_score_pooled: the prompt against the video's mean picture."""

from collections.abc import Mapping
from typing import ClassVar

from t2vbatch.metrics.options import ClipTextOptions
from t2vbatch.metrics.protocol import Column, Evidence


class ClipScorePooled(ClipTextOptions):
    """How well the video as a whole fits the prompt, by CLIP on pooled frames.

    Definition: 100 * max(cos(mean of the sampled frames' unit features, prompt), 0).
    Source: VGen's and other papers' "CLIP-T", which pool before they compare; always at least the mean that
        clip_score takes, since frames that differ pull their mean together.
    Range: 0 to 100.
    Direction: higher is better.
    Cost: that of clip_score, shared with it.
    Weights: the job's ``clip``.
    """

    columns: ClassVar[Mapping[str, Column]] = {"clip_score_pooled": Column("higher", 0, 100)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        (clip,) = self.weights
        text = evidence.text(clip, self.long_text).features
        pooled = evidence.frame_features(clip, self.frames).mean(axis=0)
        cosine = float(pooled @ text) / float((pooled @ pooled) ** 0.5)
        return {"clip_score_pooled": 100 * max(cosine, 0.0)}
