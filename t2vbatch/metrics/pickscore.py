"""pickscore: would people pick these frames for this prompt?"""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from t2vbatch.metrics.options import Options
from t2vbatch.metrics.protocol import Column, Evidence, Weights


class PickScore(Options):
    """How much people would prefer the frames, by PickScore.

    Definition: the mean over the sampled frames of scale * cos(frame, prompt), with the network's own scale
        (about 100).
    Source: Kirstain et al., Pick-a-Pic, NeurIPS 2023 (arXiv:2305.01569), trained on still images.
    Range: open; about 17 to 24.
    Direction: higher is better.
    Cost: one pass of CLIP H/14 a frame (CPU: about 4 s).
    Weights: yuvalkirstain/PickScore_v1 with the processor of laion/CLIP-ViT-H-14-laion2B-s32B-b79K.
    """

    path: str = Field("yuvalkirstain/PickScore_v1", description="hub id or folder of a CLIPModel")
    revision: str | None = Field(None, description="branch, tag or commit of the hub repository")
    processor: str | None = Field(
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        description="hub id or folder of tokenizer and image processor; null: the model's own",
    )
    frames: int = Field(16, ge=1, description="frames looked at: uniform, the first and the last among them")
    columns: ClassVar[Mapping[str, Column]] = {"pickscore": Column("higher")}

    @property
    def weights(self) -> tuple[Weights, ...]:
        return (Weights("clip", self.path, self.revision, self.processor),)

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        (pick,) = self.weights
        cosines = evidence.frame_features(pick, self.frames) @ evidence.text(pick).features
        return {"pickscore": float(evidence.network(pick).scale * cosines.mean())}
