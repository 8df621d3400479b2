"""xclip_score: similarity of the whole video to the prompt."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from t2vbatch.metrics.options import MetricOptions
from t2vbatch.metrics.protocol import Column, Evidence, Weights


class XClipScore(MetricOptions):
    """How well the sequence of frames matches the prompt, by X-CLIP.

    Definition: 100 * max(cos(video, prompt), 0), where the video feature comes from attention over the
        ordered frames and the prompt feature is conditioned on the video, as in XCLIPModel's forward pass.
    Source: Ni et al., X-CLIP, ECCV 2022 (arXiv:2208.02816).
    Range: 0 to 100.
    Direction: higher is better.
    Cost: one pass over 8 frames (the network's own number, spread evenly; CPU: about 1 s).
    Weights: microsoft/xclip-base-patch32, or the option ``path``.
    """

    path: str = Field("microsoft/xclip-base-patch32", description="Hub id or folder of an XCLIPModel")
    revision: str | None = Field(None, description="branch, tag or commit of the Hub repository")
    columns: ClassVar[Mapping[str, Column]] = {"xclip_score": Column("higher", 0, 100)}

    @property
    def weights(self) -> tuple[Weights, ...]:
        return (Weights("xclip", self.path, self.revision),)

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        return {"xclip_score": 100 * max(evidence.match(*self.weights).cosine, 0.0)}
