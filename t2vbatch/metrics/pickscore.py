"""pickscore: predicted human preference for the frames, given the prompt."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from t2vbatch.metrics.options import MetricOptions
from t2vbatch.metrics.protocol import Column, Evidence, Weights


class PickScore(MetricOptions):
    """How much people would prefer the frames for this prompt, by PickScore.

    Definition: the mean over the sampled frames of scale * cos(frame, prompt), with the network's learned
        scale (about 100).
    Source: Kirstain et al., Pick-a-Pic, NeurIPS 2023 (arXiv:2305.01569), trained on still images.
    Range: unbounded; about 17 to 24.
    Direction: higher is better.
    Cost: one CLIP H/14 pass per frame (CPU: about 4 s).
    Weights: yuvalkirstain/PickScore_v1 with the processor of laion/CLIP-ViT-H-14-laion2B-s32B-b79K.
    """

    path: str = Field("yuvalkirstain/PickScore_v1", description="Hub id or folder of a CLIPModel")
    revision: str | None = Field(None, description="branch, tag or commit of the Hub repository")
    processor: str | None = Field(
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        description="Hub id or folder of the tokenizer and the image processor; null: those of the model",
    )
    frames: int = Field(16, ge=1, description="frames to score, spread evenly from the first to the last")
    columns: ClassVar[Mapping[str, Column]] = {"pickscore": Column("higher")}

    @property
    def weights(self) -> tuple[Weights, ...]:
        return (Weights("clip", self.path, self.revision, self.processor),)

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        (pick,) = self.weights
        cosines = evidence.frame_features(pick, self.frames) @ evidence.text(pick).features
        return {"pickscore": float(evidence.network(pick).scale * cosines.mean())}
