"""siglip_score: clip_score by a network that was trained on more pictures."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from t2vbatch.metrics.options import Options
from t2vbatch.metrics.protocol import Column, Evidence, Weights


class SiglipScore(Options):
    """How well the frames fit the prompt, by SigLIP.

    Definition: the mean over the sampled frames of 100 * max(cos(frame, prompt), 0), as clip_score. The
        cosine, and not the sigmoid that the network was trained with: that one saturates near 0 and 1.
    Source: Zhai et al., Sigmoid Loss for Language Image Pre-Training, ICCV 2023 (arXiv:2303.15343).
    Range: 0 to 100; real pairs give about 5 to 20, so it never compares with clip_score.
    Direction: higher is better.
    Cost: one image pass a frame (CPU: about 1 s for so400m at 384 pixels), one text pass a video.
    Weights: google/siglip-so400m-patch14-384, or the option ``path``. It reads 64 tokens.
    """

    path: str = Field("google/siglip-so400m-patch14-384", description="hub id or folder of a SiglipModel")
    revision: str | None = Field(None, description="branch, tag or commit of the hub repository")
    frames: int = Field(16, ge=1, description="frames looked at: uniform, the first and the last among them")
    long_text: Literal["truncate", "chunk_mean"] = Field(
        "truncate",
        description="a prompt past the text encoder's limit: its beginning, or the mean over its pieces",
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
