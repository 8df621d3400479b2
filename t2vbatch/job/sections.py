"""The sections of a job: their keys, with the default and the description of each.

``job.py`` combines the sections into a job and reads a job from a file.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator


class Section(BaseModel):
    """One mapping of the job. Any other key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Model(Section):
    """One model of the job: its weights, how they are loaded, how the pipeline is called."""

    path: str = Field(description="Hub id, local folder, single file of weights, or bundled:shapes")
    config: str | None = Field(
        None, description="for a single file: Hub id or folder in diffusers' layout with the file's config"
    )
    revision: str | None = Field(None, description="branch, tag or commit of the Hub repository")
    variant: str | None = Field(None, description="file variant, such as fp16")
    dtype: Literal["float32", "float16", "bfloat16"] = Field(
        "float32", description="precision of weights and arithmetic"
    )
    pipeline: str | None = Field(
        None, description="diffusers class, or package.module:Name; default: what model_index.json says"
    )
    scheduler: str | dict[str, Any] | None = Field(
        None, description="scheduler class, or {class: ..., any of its config}; default: the model's own"
    )
    components: dict[str, dict[str, Any] | None] = Field(
        default_factory=dict, description="name: {class, path, ...}, loaded and passed to the pipeline"
    )
    loras: list[dict[str, Any]] = Field(default_factory=list, description="list of {path, weight, name}")
    ip_adapter: dict[str, Any] | None = Field(
        None,
        description="{path, subfolder, weight_name, scale, image_encoder}, for the column ip_adapter_image",
    )
    memory: list[str | dict[str, Any]] = Field(
        default_factory=list, description="memory savings such as model_cpu_offload, vae_slicing, vae_tiling"
    )
    speed: dict[str, Any] = Field(
        default_factory=dict, description="compile, attention_backend, cache, quantization, text_encoder"
    )
    call: dict[str, Any] = Field(default_factory=dict, description="arguments of the pipeline's call")
    fps: Annotated[float, Field(ge=0.01, le=240, strict=False)] | None = Field(
        None, description="frames per second of the file; default: the model's own rate"
    )
    frames: Literal["auto", "any"] = Field(
        "auto", description="auto: refuse frame counts that the checkpoint cannot make; any: pass every count"
    )
    batch: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        1, description="samples per pipeline call; auto: the fastest number, measured at the first run"
    )
    retry_degenerate: Literal["float32"] | None = Field(
        None, description="float32: retry a degenerate sample once in that precision"
    )
    allow_pickle: bool = Field(
        False, description="also load pickled weights; a pickle can run any code when it is loaded"
    )
    fit: Literal["crop", "pad", "stretch", "keep"] = Field(
        "crop", description="how inputs are resized to the call's size; keep: left to the pipeline"
    )

    background: str = Field(
        "white",
        pattern="^(white|black|gr[ae]y|#[0-9a-fA-F]{6})$",
        description="colour behind transparent pixels of input media: white, black, gray or #rrggbb",
    )

    @property
    def batch_size(self) -> int:
        """``batch``; 1 while ``auto`` is not measured."""
        return 1 if self.batch == "auto" else self.batch

    @field_validator("retry_degenerate")
    @classmethod
    def _more_precise(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is not None and value == others.data.get("dtype"):
            raise ValueError(f"null, because dtype is {value} already and a retry would give the same video")
        return value


class VideoFile(Section):
    """How a video file is encoded."""

    format: Literal["mp4", "webm", "gif", "png"] = Field(
        "mp4", description="file format; png: a folder of frames; gif: without sound"
    )
    crf: int = Field(
        18,
        ge=0,
        le=63,
        description="constant rate factor: a smaller number gives better quality and larger files",
    )
    odd_sides: Literal["pad", "crop", "keep"] = Field(
        "pad",
        description="mp4 with an odd width or height: pad repeats the last column or row, crop removes it; "
        "keep: full-size chroma, which QuickTime, Safari and Firefox on Windows do not play",
    )


class Workers(Section):
    """How many workers a model gets, and the resources of each worker."""

    count: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="total number of workers; auto: as many as fit"
    )
    gpus: Annotated[float, Field(ge=0, strict=False)] | Literal["auto"] = Field(
        "auto", description="GPUs per worker; auto: 1 if the machine has GPUs, else 0"
    )
    cpus: int = Field(1, ge=1, description="CPU cores, and torch threads, per worker")
    min: int = Field(0, ge=0, description="minimum number of workers of a model while it has work")
    max: int | None = Field(None, ge=1, description="maximum number of workers of a model")
    timeout_s: Annotated[float, Field(gt=0, strict=False)] | None = Field(
        None, description="deadline of one unit in seconds; null: no deadline"
    )
    load_timeout_s: Annotated[float, Field(gt=0, strict=False)] | None = Field(
        3600, description="deadline for loading a model in seconds; null: no deadline"
    )
    finish: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = Field(
        "auto", description="threads that encode, check and score videos, per worker; auto: by the CPUs"
    )

    @property
    def gpus_each(self) -> float:
        """GPUs of a worker that has any."""
        return 1.0 if self.gpus == "auto" else self.gpus

    @model_validator(mode="after")
    def _min_fits_max(self) -> Self:
        if self.max is not None and self.min > self.max:
            raise ValueError("a min that is not larger than max")
        return self


class Budget(Section):
    """What a run may cost."""

    gpu_hours: Annotated[float, Field(gt=0, strict=False)] | None = Field(
        None, description="GPU hours of one run, loading included; null: no limit"
    )
    money: Annotated[float, Field(gt=0, strict=False)] | None = Field(
        None, description="cost of one run's GPU hours; null: no limit"
    )
    cost_per_gpu_hour: Annotated[float, Field(gt=0, strict=False)] | None = Field(
        None, validate_default=True, description="price of one GPU hour, in any currency; money needs it"
    )

    @property
    def hours(self) -> float | None:
        """The GPU hours that both limits allow; None without a limit."""
        bought = self.money / self.cost_per_gpu_hour if self.money and self.cost_per_gpu_hour else None
        limits = [limit for limit in (self.gpu_hours, bought) if limit is not None]
        return min(limits) if limits else None

    @field_validator("cost_per_gpu_hour")
    @classmethod
    def _price(cls, value: float | None, others: ValidationInfo) -> float | None:
        if value is None and others.data.get("money") is not None:
            raise ValueError("cost_per_gpu_hour, the price of one GPU hour, because money is given")
        return value


class Ray(Section):
    """Which Ray cluster runs the job."""

    address: str | None = Field(
        None, description="address of a running cluster; null: start Ray on this machine"
    )


class Clip(Section):
    """The CLIP model that scores videos."""

    path: str = Field(description="Hub id or local folder of a transformers CLIPModel, or bundled:shapes")
    revision: str | None = Field(None, description="branch, tag or commit of the Hub repository")
    view: Literal["center", "squash", "tiles"] = Field(
        "center",
        description="what CLIP sees of a frame: the middle square, the whole frame squashed, or square tiles",
    )


class Distance(Section):
    """A distance between the set of a model's videos and a set of reference videos."""

    kind: Literal["fvd", "fid"] = Field(description="fvd: distance of videos; fid: distance of frames")
    reference: str = Field(
        description="folder of reference videos, path or URI; or an .npz file from --save-statistics"
    )
    backbone: str = Field(description="folder of a transformers model, or a TorchScript file")
    frames: int = Field(16, ge=1, description="frames per video; fvd: the first ones; fid: spread evenly")
    stride: int = Field(1, ge=1, description="fvd: use every n-th frame")
    size: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="side in pixels of the square that frames are resized to; null: the backbone resizes",
    )
    start: Literal["first", "random"] = Field(
        "first",
        description="fvd: the first frame of each clip: that of the video, or a random one (StyleGAN-V)",
    )
    divisor: Literal["n-1", "n"] = Field(
        "n-1", description="divisor of covariances; StyleGAN-V divides by n, which gives 3.9% less at n = 20"
    )
    allow_pickle: bool = Field(
        False, description="allow a TorchScript file as backbone; TorchScript can run any code"
    )


class Expected(Section):
    """A published value that the job reproduces: ``t2vbatch reproduce JOB`` compares it with the run."""

    model: str = Field(description="the model of the job")
    score: str = Field(description="the score column")
    value: float = Field(strict=False, allow_inf_nan=False, description="the published mean over all videos")
    tolerance: float | None = Field(
        None,
        ge=0,
        strict=False,
        allow_inf_nan=False,
        description="largest difference that agrees; null: the run's 95% interval",
    )
    source: str = Field(description="where the value was published")
    date: str = Field(description="when the value was published, as YYYY-MM-DD in quotes")


class Tracker(Section):
    """What is sent to an experiment tracker after a run."""

    project: str = Field("t2vbatch", min_length=1, description="project in W&B, experiment in MLflow")
    name: str | None = Field(
        None, description="name of the run in the tracker; null: the output folder's name"
    )
    videos: int = Field(4, ge=0, description="videos of each model to upload")


class Columns(Section):
    """Changes of the manifest's columns before they are read."""

    rename: dict[str, str] = Field(default_factory=dict, description="name in the manifest: new name")
    ignore: list[str] = Field(default_factory=list, description="columns to leave out")


COLUMNS = Columns()
"""No changes."""


class Report(Section):
    """What the report shows."""

    max_videos: int = Field(
        5000,
        ge=1,
        description="maximum number of samples on the page; a larger run shows all failures, the extremes "
        "and an even sample of the rest",
    )


class MediaAccess(Section):
    """Which remote media the cells of a manifest may name."""

    allow: list[str] = Field(
        default_factory=list,
        description="prefixes such as s3://bucket/images or https://host/images that cells may name; always "
        "allowed: the manifest's own folder, and https:// at public addresses",
    )

    @field_validator("allow")
    @classmethod
    def _prefixes(cls, values: list[str]) -> list[str]:
        for value in values:
            scheme, separator, rest = value.partition("://")
            if scheme not in ("s3", "gs", "az", "http", "https") or not separator or not rest.strip("/"):
                raise ValueError("prefixes with a bucket or a host, such as s3://bucket/images")
        return values


MEDIA_ACCESS = MediaAccess()
"""No other stores."""


class Limits(Section):
    """Upper bounds of what a manifest may contain, and of what its media decode to.

    The defaults are far above what people and scripts write on purpose, and below what exhausts a machine.
    """

    rows: int = Field(10_000_000, ge=1, description="rows of the manifest")
    samples: int = Field(10_000_000, ge=1, description="samples of all rows, for each model")
    columns: int = Field(1_000, ge=1, description="columns of the manifest")
    nesting: int = Field(32, ge=1, description="depth of nested lists and objects in one cell")
    prompt_chars: int = Field(
        10_000, ge=1, description="characters of a prompt; text encoders read a few hundred"
    )
    id_chars: int = Field(1_000, ge=1, description="characters of an id, which becomes part of file names")
    manifest_bytes: int = Field(64 << 30, ge=1, description="bytes of the manifest's files on disk")
    decoded_bytes: int = Field(2 << 30, ge=1, description="bytes of the manifest's cells in memory")
    media_pixels: int = Field(64_000_000, ge=1, description="pixels of an input image or of a video's frame")
    media_frames: int = Field(10_000, ge=1, description="frames of an input video or of a folder of frames")
    media_bytes: int = Field(
        4 << 30, ge=1, description="bytes of one input after decoding: frames x height x width x 3"
    )
    media_decode_s: Annotated[float, Field(gt=0, strict=False)] = Field(
        600.0, description="seconds that decoding one input may take"
    )
    height: int = Field(16_384, ge=1, description="height of a video in pixels")
    width: int = Field(16_384, ge=1, description="width of a video in pixels")
    num_frames: int = Field(100_000, ge=1, description="frames of a video")
    num_inference_steps: int = Field(2_000, ge=1, description="denoising steps of a call")
    video_bytes: int = Field(64 << 30, ge=1, description="bytes of one video's frames before encoding")
    problems: int = Field(
        1_000, ge=1, description="how many problems are listed in full; the rest are counted"
    )

    def bound(self, key: str, what: str = "") -> str:
        """The 'expected' text of a message about an exceeded limit; it names the job key to raise."""
        value = getattr(self, key)
        shown = f"{value:,}" if isinstance(value, int) else f"{value:g}"
        return f"at most {shown}{what and f' {what}'}; limits.{key} in the job raises this"


LIMITS = Limits()
"""The default limits."""
