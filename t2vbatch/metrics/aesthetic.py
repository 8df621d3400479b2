"""aesthetic: visual quality of the frames by LAION's predictor."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from t2vbatch.metrics.options import MetricOptions
from t2vbatch.metrics.protocol import Column, Evidence, Weights


class Aesthetic(MetricOptions):
    """How good the frames look, by LAION's aesthetic predictor.

    Definition: a linear head rates the unit-length CLIP L/14 feature of each sampled frame; the score is the
        mean over these frames.
    Source: LAION-Aesthetics predictor V1, which VBench's aesthetic_quality uses too. VBench divides it by 10,
        takes every frame, and resizes without antialiasing (``resize: vbench``).
    Range: unbounded; about 1 to 10.
    Direction: higher is better.
    Cost: one CLIP L/14 pass per frame (CPU: about 2 s). clip_score uses the same pass if CLIP L/14 is the
        job's ``clip``.
    Weights: openai/clip-vit-large-patch14, and the option ``head``: the file sa_0_4_vit_l_14_linear.pth from
        github.com/LAION-AI/aesthetic-predictor, or a .safetensors file with the same ``weight`` and ``bias``.
    """

    head: str = Field(description="file of the linear head, .pth or .safetensors")
    path: str = Field("openai/clip-vit-large-patch14", description="Hub id or folder of a CLIPModel")
    revision: str | None = Field(None, description="branch, tag or commit of the Hub repository")
    frames: int = Field(16, ge=1, description="frames to score, spread evenly from the first to the last")
    resize: Literal["processor", "vbench"] = Field(
        "processor",
        description="how frames are resized: by the image processor of the model, or as VBench does",
    )
    columns: ClassVar[Mapping[str, Column]] = {"aesthetic": Column("higher")}

    @property
    def weights(self) -> tuple[Weights, ...]:
        return Weights("clip", self.path, self.revision), Weights("head", self.head)

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        clip, head = self.weights
        return {
            "aesthetic": float(
                evidence.network(head).rate(evidence.frame_features(clip, self.frames, self.resize)).mean()
            )
        }
