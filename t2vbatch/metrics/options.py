"""The options that metrics share, checked as strictly as the job file."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from t2vbatch.metrics.protocol import Weights


class Options(BaseModel):
    """Base of the built-in metrics: their fields are their options in the job file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ClipOptions(Options):
    """Options of a metric that looks with CLIP."""

    path: str = Field(description="hub id or folder of a transformers CLIPModel; default: the job's clip")
    revision: str | None = Field(None, description="branch, tag or commit of the hub repository")
    frames: int = Field(16, ge=1, description="frames looked at: uniform, the first and the last among them")

    @property
    def weights(self) -> tuple[Weights, ...]:
        return (Weights("clip", self.path, self.revision),)


class ClipTextOptions(ClipOptions):
    """Options of a metric that compares frames with the prompt."""

    long_text: Literal["truncate", "chunk_mean"] = Field(
        "truncate",
        description="a prompt past the text encoder's limit: its beginning, or the mean over its pieces",
    )
