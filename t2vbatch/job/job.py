"""The job file: the manifest, the output, the models and their settings.

``sections.py`` has most keys, and ``load.py`` reads a job. This module does not know the arguments of a
pipeline (models/ does) or which metrics exist (metrics/ does).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    field_validator,
)

from t2vbatch.errors import CombinedJobError, ManifestError, UsageError
from t2vbatch.job.env_refs import redact, resolved
from t2vbatch.job.secrets import remember
from t2vbatch.job.sections import (
    COLUMNS,
    LIMITS,
    MEDIA_ACCESS,
    Budget,
    Clip,
    Columns,
    Distance,
    Expected,
    Limits,
    MediaAccess,
    Model,
    Ray,
    Report,
    Section,
    Tracker,
    VideoFile,
    Workers,
)
from t2vbatch.job.yaml_source import Document
from t2vbatch.job.yaml_syntax import dump_yaml

_NAMES = "a list of names, or {name: {options}}"


def _named_options(value: Any) -> Any:
    """Metrics and trackers are names, {name: options}, or a list of both."""
    if isinstance(value, Mapping):
        return {name: options or {} for name, options in value.items()}
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError(_NAMES)
    options: dict[str, Any] = {}
    for item in value:
        if not isinstance(item, str | Mapping):
            raise ValueError(_NAMES)
        options |= {item: {}} if isinstance(item, str) else {name: opts or {} for name, opts in item.items()}
    return options


class Job(Section):
    """A whole job, every default filled in and every path absolute.

    Text may refer to environment variables as ``${NAME}``. References in a model's ``call`` stay unresolved,
    because calls are written into plans, records and reports; ``call_values`` resolves them for the pipeline.
    """

    _variables: dict[str, str] = PrivateAttr(default_factory=dict)
    _document: Document = PrivateAttr(default_factory=lambda: Document("job", {}))

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        remember(self._variables)

    manifest: str = Field(description="Parquet, Arrow, CSV, JSON, text, or a folder of Parquet; path or URI")
    allow_paths: bool = Field(
        False, description="allow paths outside the manifest's folder; only for manifests that you trust"
    )
    on_bad_row: Literal["stop", "record"] | None = Field(
        None,
        description="stop: refuse the manifest; record: record bad rows as failed and generate the others; "
        "null: stop, but record rows whose remote media cannot be read",
    )
    columns: Columns = Field(COLUMNS, description="columns of the manifest to rename or to leave out")
    media: MediaAccess = Field(MEDIA_ACCESS, description="which remote media the cells may name")
    limits: Limits = Field(LIMITS, description="upper bounds of manifests, inputs and calls")
    output: str = Field(description="the output folder; path or URI")
    seed: int = Field(0, description="base of all derived seeds")
    samples: int = Field(1, ge=1, description="videos per row and model")
    models: dict[str, Model] = Field(min_length=1, description="name: model")
    pins: dict[str, str] = Field(
        default_factory=dict,
        description="REPOSITORY@REVISION: commit; a run writes its pins into the output's job.yaml",
    )
    metrics: Annotated[dict[str, dict[str, Any]], BeforeValidator(_named_options)] = Field(
        {"clip_score": {}, "clip_temporal": {}}, description="names, or {name: {options}}"
    )
    distances: dict[str, Distance] = Field(
        default_factory=dict, description="name: distance of each model's videos to a reference set"
    )
    expected: dict[str, Expected] = Field(
        default_factory=dict,
        description="name: published value that t2vbatch reproduce compares with the run",
    )
    unpublished: list[str] = Field(
        default_factory=list,
        description="settings that the source of the expected values does not state; reproduce prints them",
    )
    clip: Clip | None = Field(
        None, description="the CLIP model of the scores; default for bundled models: the bundled one"
    )
    video: VideoFile = Field(VideoFile(), description="how video files are encoded")
    workers: Workers = Field(Workers(), description="how many workers, and their resources")
    budget: Budget = Field(Budget(), description="what a run may cost")
    report: Report = Field(Report(), description="what the report shows")
    engine: Literal["ray", "inline"] = Field("ray", description="inline: run in one process, for debugging")
    ray: Ray = Field(Ray(), description="which Ray cluster runs the job")
    trackers: Annotated[dict[Literal["wandb", "mlflow"], Tracker], BeforeValidator(_named_options)] = Field(
        default_factory=dict,
        description="wandb, mlflow: experiment trackers; a tracker that fails does not fail the run",
    )

    @field_validator("models")
    @classmethod
    def _have_names(cls, models: dict[str, Model]) -> dict[str, Model]:
        if not all(name.strip() for name in models):
            raise ValueError("a name for every model; the results and the report list models by name")
        return models

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that the job refers to."""
        return tuple(self._variables)

    def call_values(self, model: str, call: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a sample's call, with references resolved; a manifest's cells never are."""
        own = self.models[model].call
        kept = object()
        return {
            name: resolved(value, self._variables) if own.get(name, kept) == value else value
            for name, value in call.items()
        }

    @contextmanager
    def with_location(self, section: str = "") -> Iterator[None]:
        """Add file and line to every error of the block that names a key of this job.

        Args:
            section: the section of the named keys, such as ``models.wan``.
        """
        try:
            yield
        except UsageError as error:
            raise self.located(error, section) from error.__cause__

    def located(self, error: UsageError, section: str = "") -> UsageError:
        """The error with file and line of the key that it names; unchanged if it names no key of this job."""
        if isinstance(error, CombinedJobError):
            found = [self.located(one, section) for one in error.errors]
            return CombinedJobError(sorted(found, key=lambda one: self._document.position(one.where)))
        key, document = f"{section}.{error.where}" if section else error.where, self._document
        named = key.split(".")[0].split(":")[0] in Job.model_fields and not key.startswith(document.name)
        if isinstance(error, ManifestError) or not named:
            return error
        return type(error)(document.where(document.path(key), key), error.found, error.expected, error.fix)


def dump_job(job: Job) -> str:
    """The job as YAML, with every default written out and references unresolved."""
    data = redact(job.model_dump(mode="json"), job._variables)
    return dump_yaml(data)


def keys(section: type[BaseModel] = Job, prefix: str = "") -> dict[str, str]:
    """Every key of the job file with its description, in the order of the documentation."""
    found: dict[str, str] = {}
    for name, field in section.model_fields.items():
        found[prefix + name] = field.description or ""
        if name == "models":
            found |= keys(Model, "models.NAME.")
        elif name == "distances":
            found |= keys(Distance, "distances.NAME.")
        elif name == "expected":
            found |= keys(Expected, "expected.NAME.")
        elif name == "trackers":
            found |= keys(Tracker, "trackers.NAME.")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= keys(field.annotation, f"{prefix}{name}.")
        elif name == "clip":
            found |= keys(Clip, "clip.")
    return found
