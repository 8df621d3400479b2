"""The options that several metrics share, validated as strictly as the job file."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from t2vbatch.metrics.protocol import Evidence, FloatArray, View, Weights


class MetricOptions(BaseModel):
    """Base class of the built-in metrics: each field is an option in the job file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ClipOptions(MetricOptions):
    """Options of a metric that uses CLIP's image encoder."""

    path: str = Field(description="Hub id or folder of a transformers CLIPModel; default: the job's clip")
    revision: str | None = Field(None, description="branch, tag or commit of the Hub repository")
    frames: int = Field(16, ge=1, description="frames to score, spread evenly from the first to the last")

    view: Literal["center", "squash", "tiles"] = Field(
        "center",
        description="what CLIP sees of a frame: the middle square, the whole frame squashed, or square tiles",
    )

    @property
    def weights(self) -> tuple[Weights, ...]:
        return (Weights("clip", self.path, self.revision),)

    @property
    def clip_view(self) -> View:
        """The view by the name of the protocol."""
        return "processor" if self.view == "center" else self.view

    def frame_features(self, evidence: Evidence, count: int | None) -> FloatArray:
        """Unit-length CLIP features of ``count`` evenly spread frames (None: all frames), shape (N, D)."""
        return evidence.frame_features(self.weights[0], count, self.clip_view)


class ClipTextOptions(ClipOptions):
    """Options of a metric that compares frames with the prompt."""

    long_text: Literal["truncate", "chunk_mean"] = Field(
        "truncate",
        description="prompts past the text encoder's limit: truncate, or chunk_mean, the mean over chunks",
    )
    prefix: str = Field("", description="text before the prompt; CLIPScore's paper uses 'A photo depicts '")

    def text_features(self, evidence: Evidence) -> FloatArray:
        """Unit-length CLIP features of the prompt, shape (D,)."""
        return evidence.text(self.weights[0], self.long_text, self.prefix).features
