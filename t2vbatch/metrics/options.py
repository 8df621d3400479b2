"""The options that several metrics share, validated as strictly as the job file."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from t2vbatch.metrics.protocol import Weights


class Options(BaseModel):
    """Base class of the built-in metrics: each field is an option in the job file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ClipOptions(Options):
    """Options of a metric that uses CLIP's image encoder."""

    path: str = Field(description="hub id or folder of a transformers CLIPModel; default: the job's clip")
    revision: str | None = Field(None, description="branch, tag or commit of the hub repository")
    frames: int = Field(16, ge=1, description="frames to score, spread evenly from the first to the last")

    @property
    def weights(self) -> tuple[Weights, ...]:
        return (Weights("clip", self.path, self.revision),)


class ClipTextOptions(ClipOptions):
    """Options of a metric that compares frames with the prompt."""

    long_text: Literal["truncate", "chunk_mean"] = Field(
        "truncate",
        description="prompts past the text encoder's limit: truncate, or chunk_mean, the mean over chunks",
    )
