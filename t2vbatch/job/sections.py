"""The sections of a job: their keys, and every key's default and description.

``job.py`` puts them together, and reads them from a file.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Section(BaseModel):
    """A mapping of the job with these keys and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Model(Section):
    """One model of the job: where it is, how it is loaded, how it is called."""

    path: str = Field(description="hub id, local folder, single file of weights, or bundled:shapes")
    config: str | None = Field(
        None, description="with a single file: hub id or folder in diffusers' layout that it belongs to"
    )
    revision: str | None = Field(None, description="branch, tag or commit of the hub repository")
    variant: str | None = Field(None, description="file variant, such as fp16")
    dtype: Literal["float32", "float16", "bfloat16"] = Field(
        "float32", description="of weights and arithmetic"
    )
    pipeline: str | None = Field(
        None, description="diffusers class, or package.module:Name; default: what model_index.json says"
    )
    scheduler: str | dict[str, Any] | None = Field(
        None, description="scheduler class, or {class: ..., any of its config}; default: the model's own"
    )
    components: dict[str, dict[str, Any] | None] = Field(
        default_factory=dict, description="name: {class, path, ...}, loaded and handed to the pipeline"
    )
    loras: list[dict[str, Any]] = Field(default_factory=list, description="list of {path, weight, name}")
    memory: list[str | dict[str, Any]] = Field(
        default_factory=list, description="savings such as model_cpu_offload, vae_slicing, vae_tiling"
    )
    speed: dict[str, Any] = Field(
        default_factory=dict, description="compile, attention_backend, cache, quantization"
    )
    call: dict[str, Any] = Field(default_factory=dict, description="arguments of the pipeline's call")
    fps: Annotated[float, Field(gt=0, le=240, strict=False)] | None = Field(
        None, description="frames per second of the file; default: the model's own"
    )
    batch: int = Field(1, ge=1, description="samples that one pipeline call makes together")
    retry_degenerate: Literal["float32"] | None = Field(
        None, description="float32: make a sample that shows nothing once more in that precision"
    )
    allow_pickle: bool = Field(False, description="also read weights that are pickles; a pickle is a program")
    fit: Literal["crop", "pad", "stretch", "keep"] = Field(
        "crop", description="how media come to the call's height and width; keep: the pipeline's way"
    )

    @field_validator("retry_degenerate")
    @classmethod
    def _more_precise(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is not None and value == others.data.get("dtype"):
            raise ValueError(f"null, as dtype: {value} would repeat what it gave")
        return value


class VideoFile(Section):
    """How a video is written."""

    format: Literal["mp4", "webm", "gif", "png"] = Field(
        "mp4", description="png is a folder of frames; a gif has no sound"
    )
    crf: int = Field(18, ge=0, le=63, description="constant rate factor: smaller is better and larger")


class Workers(Section):
    """How many workers a model gets, and what each of them takes."""

    count: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="workers in all; auto: as many as fit"
    )
    gpus: Annotated[float, Field(ge=0, strict=False)] | Literal["auto"] = Field(
        "auto", description="GPUs a worker takes; auto: 1 where there are any, else 0"
    )
    cpus: int = Field(1, ge=1, description="CPU cores, and torch threads, a worker takes")
    min: int = Field(0, ge=0, description="workers that a model keeps while it has work")
    max: int | None = Field(None, ge=1, description="workers that a model gets at most")
    timeout_s: Annotated[float, Field(gt=0, strict=False)] | None = Field(
        None, description="seconds that one unit may take; null: no limit"
    )


class Ray(Section):
    """Where Ray runs."""

    address: str | None = Field(None, description="a running cluster's address; null starts one here")


class Clip(Section):
    """The CLIP that scores videos."""

    path: str = Field(description="hub id or local folder of a transformers CLIPModel, or bundled:shapes")
    revision: str | None = Field(None, description="branch, tag or commit of the hub repository")


class Distance(Section):
    """How far each model's videos are, as a set, from a set of reference videos."""

    kind: Literal["fvd", "fid"] = Field(description="fvd: of videos; fid: of their frames")
    reference: str = Field(
        description="folder of videos, path or URI; or an .npz that --save-statistics wrote"
    )
    backbone: str = Field(description="folder of a transformers model, or a TorchScript file")
    frames: int = Field(16, ge=1, description="fvd: each video's first ones; fid: spread over each video")
    stride: int = Field(1, ge=1, description="fvd: take every second frame, third, and so on")
    size: Annotated[int, Field(ge=1)] | None = Field(
        None, description="resize frames to a square of this side; null: the backbone resizes them"
    )
    allow_pickle: bool = Field(
        False, description="let the backbone be a TorchScript file, which is a program"
    )


class Tracker(Section):
    """What an experiment tracker is shown of a finished run."""

    project: str = Field("t2vbatch", min_length=1, description="W&B's project, MLflow's experiment")
    name: str | None = Field(None, description="of the run there; null: the output folder's name")
    videos: int = Field(4, ge=0, description="videos of each model to show there")


class Limits(Section):
    """How much a manifest may hold.

    The defaults are far above what people or scripts write on purpose, and far below what exhausts a machine.
    """

    rows: int = Field(10_000_000, ge=1, description="rows of the manifest")
    columns: int = Field(1_000, ge=1, description="columns of the manifest")
    nesting: int = Field(32, ge=1, description="lists and objects inside one another in one cell")
    prompt_chars: int = Field(10_000, ge=1, description="characters of a prompt; encoders read a few hundred")
    id_chars: int = Field(1_000, ge=1, description="characters of an id, which becomes part of file names")
    manifest_bytes: int = Field(
        64 << 30, ge=1, description="bytes of the manifest's files as they are stored"
    )
    problems: int = Field(1_000, ge=1, description="problems that are listed; of more, the number is told")

    def bound(self, key: str, what: str = "") -> str:
        """What a message expects where a limit is passed, and the job's key that raises it."""
        return f"at most {getattr(self, key):,}{what and f' {what}'}, or a job with a higher limits.{key}"


LIMITS = Limits()
"""The limits where nobody says otherwise."""
