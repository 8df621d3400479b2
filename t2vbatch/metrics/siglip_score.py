"""siglip_score: similarity of the frames to the prompt, by SigLIP."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from t2vbatch.metrics.options import MetricOptions
from t2vbatch.metrics.protocol import Column, Evidence, Weights


class SiglipScore(MetricOptions):
    """How well the frames match the prompt, by SigLIP.

    Definition: the mean over the sampled frames of 100 * max(cos(frame, prompt), 0), as clip_score. It
        uses the cosine and not the sigmoid of SigLIP's training, because the sigmoid saturates near 0 and 1.
    Source: Zhai et al., Sigmoid Loss for Language Image Pre-Training, ICCV 2023 (arXiv:2303.15343).
    Range: 0 to 100; real pairs give about 5 to 20. It is not comparable with clip_score.
    Direction: higher is better.
    Cost: one image pass per frame (CPU: about 1 s for so400m at 384 pixels), one text pass per prompt.
    Weights: google/siglip-so400m-patch14-384, or the option ``path``. Its text encoder reads 64 tokens.
    """

    path: str = Field("google/siglip-so400m-patch14-384", description="Hub id or folder of a SiglipModel")
    revision: str | None = Field(None, description="branch, tag or commit of the Hub repository")
    frames: int = Field(16, ge=1, description="frames to score, spread evenly from the first to the last")
    long_text: Literal["truncate", "chunk_mean"] = Field(
        "truncate",
        description="prompts past the text encoder's limit: truncate, or chunk_mean, the mean over chunks",
    )
    columns: ClassVar[Mapping[str, Column]] = {"siglip_score": Column("higher", 0, 100)}

    @property
    def weights(self) -> tuple[Weights, ...]:
        return (Weights("siglip", self.path, self.revision),)

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        (siglip,) = self.weights
        text = evidence.text(siglip, self.long_text).features
        cosines = evidence.frame_features(siglip, self.frames) @ text
        return {"siglip_score": float(100 * np.maximum(cosines, 0).mean())}
