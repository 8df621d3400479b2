"""The job file: what to make, from what, with which models. One place for every key and every default.

Owns reading, overriding and validating. It does not know what a pipeline's call takes (models/ does), nor
which metrics exist (metrics/ does).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from t2vbatch.environment import hidden, look_up, resolved
from t2vbatch.errors import JobError, nearest
from t2vbatch.files import local_path


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Model(_Section):
    """One model of the job: where it is, how it is loaded, how it is called."""

    path: str = Field(description="hub id, local folder, or bundled:shapes")
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

    @model_validator(mode="after")
    def _more_precise(self) -> "Model":
        if self.retry_degenerate == self.dtype:
            raise ValueError(f"retry_degenerate: {self.dtype} would repeat what dtype: {self.dtype} gave")
        return self


class VideoFile(_Section):
    """How a video is written."""

    format: Literal["mp4", "webm", "gif", "png"] = Field("mp4", description="png is a folder of frames")
    crf: int = Field(18, ge=0, le=63, description="constant rate factor: smaller is better and larger")


class Workers(_Section):
    """How many workers a model gets, and what each of them takes."""

    count: int | Literal["auto"] = Field("auto", description="workers in all; auto: as many as fit")
    gpus: Annotated[float, Field(ge=0, strict=False)] | Literal["auto"] = Field(
        "auto", description="GPUs a worker takes; auto: 1 where there are any, else 0"
    )
    cpus: int = Field(1, ge=1, description="CPU cores, and torch threads, a worker takes")
    min: int = Field(0, ge=0, description="workers that a model keeps while it has work")
    max: int | None = Field(None, ge=1, description="workers that a model gets at most")
    timeout_s: Annotated[float, Field(gt=0, strict=False)] | None = Field(
        None, description="seconds that one unit may take; null: no limit"
    )

    @field_validator("count")
    @classmethod
    def _positive(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError("must be at least 1, or auto")
        return value


class Ray(_Section):
    """Where Ray runs."""

    address: str | None = Field(None, description="a running cluster's address; null starts one here")


class Clip(_Section):
    """The CLIP that scores videos."""

    path: str = Field(description="hub id or local folder of a transformers CLIPModel, or bundled:shapes")
    revision: str | None = Field(None, description="branch, tag or commit of the hub repository")


def _metric_options(value: Any) -> Any:
    """Metrics may be written as names, as {name: options}, or as a list of both."""
    if isinstance(value, Mapping):
        return {name: options or {} for name, options in value.items()}
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError("must be a list of names, or {name: {options}}")
    options: dict[str, Any] = {}
    for item in value:
        if not isinstance(item, str | Mapping):
            raise ValueError("must be a list of names, or {name: {options}}")
        options |= {item: {}} if isinstance(item, str) else {name: opts or {} for name, opts in item.items()}
    return options


class Job(_Section):
    """A whole job, every default filled in and every path absolute.

    Text may refer to the environment, ``${NAME}``. References in a model's ``call`` are kept, as calls are
    written into plans, records and reports; ``call_values`` resolves them where the model is called.
    """

    _variables: dict[str, str] = PrivateAttr(default_factory=dict)

    manifest: str = Field(description="Parquet, CSV, JSON Lines, text, or a folder of Parquet; path or URI")
    allow_paths: bool = Field(
        False, description="let cells name files outside the manifest's folder; for manifests of one's own"
    )
    output: str = Field(description="the folder that is brought up to date; path or URI")
    seed: int = Field(0, description="changes the noise of every sample")
    samples: int = Field(1, ge=1, description="videos per row and model")
    models: dict[str, Model] = Field(min_length=1, description="name: model")
    metrics: Annotated[dict[str, dict[str, Any]], BeforeValidator(_metric_options)] = Field(
        {"clip_score": {}, "clip_temporal": {}}, description="names, or {name: {options}}"
    )
    clip: Clip | None = Field(None, description="the scorer; default: the bundled one for bundled models")
    video: VideoFile = Field(VideoFile(), description="how videos are written")
    workers: Workers = Field(Workers(), description="how many workers, and what each takes")
    engine: Literal["ray", "inline"] = Field("ray", description="inline: one process, for a debugger")
    ray: Ray = Field(Ray(), description="where Ray runs")

    def call_values(self, model: str, call: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a sample's call, references resolved: the job's own alone, never a manifest's."""
        own = self.models[model].call
        kept = object()
        return {
            name: resolved(value, self._variables) if own.get(name, kept) == value else value
            for name, value in call.items()
        }


def load_job(path: str | Path, overrides: Sequence[str] = ()) -> Job:
    """Read a job file, apply ``key.path=value`` overrides, fill in defaults, make paths absolute.

    Raises:
        JobError: naming the key, what was found, what was expected and the nearest known key.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise JobError(str(path), "no such file", "a job file", "see jobs/ for examples") from None
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(str(path), f"a file that cannot be read ({error})", "a YAML file") from error
    return _located(parse_job(text, str(path), overrides), file.absolute().parent)


def parse_job(text: str, where: str, overrides: Sequence[str] = ()) -> Job:
    """The job in a YAML text, its paths as they are written. Raises JobError, which names ``where``."""
    data = _parse(text, where)
    if not isinstance(data, dict):
        found = "nothing" if data is None else f"a {type(data).__name__}"
        raise JobError(where, found, "a mapping of keys, such as manifest: and models:")
    for override in overrides:
        _override(data, override)
    variables = look_up(data, where, os.environ)
    try:
        job = Job.model_validate(_resolved(data, variables))
    except ValidationError as error:
        raise _explain(where, error) from None
    job._variables.update(variables)
    return job


def dump_job(job: Job) -> str:
    """The job as YAML, with every default written out, and references as they were written."""
    data = hidden(job.model_dump(mode="json"), job._variables)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _resolved(data: Mapping[str, Any], variables: Mapping[str, str]) -> Any:
    """The job with all references resolved but those in calls."""
    values, written = resolved(data, variables), data.get("models")
    for name, model in written.items() if isinstance(written, Mapping) else ():
        if isinstance(model, Mapping) and "call" in model:
            values["models"][name]["call"] = model["call"]
    return values


def keys(section: type[BaseModel] = Job, prefix: str = "") -> dict[str, str]:
    """Every key of the job file with its description, in the order in which they are documented."""
    found: dict[str, str] = {}
    for name, field in section.model_fields.items():
        found[prefix + name] = field.description or ""
        if name == "models":
            found |= keys(Model, "models.NAME.")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, _Section):
            found |= keys(field.annotation, f"{prefix}{name}.")
        elif name == "clip":
            found |= keys(Clip, "clip.")
    return found


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _UniqueKeys)
    except yaml.YAMLError as error:
        raise JobError(where, str(error).replace("\n", " "), "YAML") from None


class _UniqueKeys(yaml.SafeLoader):
    """YAML keeps the last of two equal keys without a word; here the second one is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not text; put it in quotes", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise JobError(f"--set {override}", "no key=value", "a dotted key, '=', and a value in YAML")
    *parents, last = key.split(".")
    place: Any = data
    for depth, parent in enumerate(parents):
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise JobError(
                f"--set {override}", f"{'.'.join(parents[: depth + 1])} holds a value", "a section"
            )
    place[last] = _parse(text, f"--set {override}")


def _explain(where: str, error: ValidationError) -> JobError:
    """One message for the first mistake; pydantic's own are written for programmers."""
    mistakes = error.errors()
    # A key that is missing is often one that is misspelt, and the misspelt one says more.
    first = next((mistake for mistake in mistakes if mistake["type"] == "extra_forbidden"), mistakes[0])
    place = [str(part) for part in first["loc"]]
    at, last = f"{where}: {'.'.join(place)}", place[-1]
    # What the documentation calls this key: model names are the user's own.
    documented = ".".join(["models", "NAME", *place[2:]] if place[0] == "models" else place)
    if first["type"] == "extra_forbidden":
        section = documented.rpartition(".")[0]
        known = [key.rpartition(".")[2] for key in keys() if key.rpartition(".")[0] == section]
        return JobError(at, "an unknown key", nearest(last, known))
    if first["type"] == "missing":
        return JobError(at, "nothing", keys().get(documented, ""), f"write {last}: ...")
    found = "nothing" if first["input"] is None else repr(first["input"])
    return JobError(at, found, first["msg"].removeprefix("Value error, "))


def _located(job: Job, base: Path) -> Job:
    def located(uri: str) -> str:
        path = local_path(uri)
        return uri if path is None else str((base / path.expanduser()).resolve())

    def model_path(uri: str) -> str:
        # A hub id looks like a relative path; a folder that exists is what the user means.
        path = local_path(uri)
        if path is None or uri.startswith("bundled:"):
            return uri
        explicit = uri.startswith((".", "/", "~"))
        return located(uri) if explicit or (base / path).exists() else uri

    def part(section: dict[str, Any]) -> dict[str, Any]:
        path = section.get("path")
        return section | {"path": model_path(path)} if isinstance(path, str) else section

    def model_parts(model: Model) -> dict[str, Any]:
        components = {name: value and part(value) for name, value in model.components.items()}
        loras = [part(lora) for lora in model.loras]
        return {"path": model_path(model.path), "components": components, "loras": loras}

    models = {name: model.model_copy(update=model_parts(model)) for name, model in job.models.items()}
    clip = job.clip and job.clip.model_copy(update={"path": model_path(job.clip.path)})
    update = {
        "manifest": located(job.manifest),
        "output": located(job.output),
        "models": models,
        "clip": clip,
    }
    return job.model_copy(update=update)
