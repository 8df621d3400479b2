"""The job file: the manifest, the output, the models and their settings.

Owns reading, overriding and validation; ``sections.py`` has most keys. It does not know the arguments of a
pipeline (models/ does) or which metrics exist (metrics/ does).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
)

from t2vbatch.errors import CombinedJobError, ErrorCollector, JobError, ManifestError, UsageError, nearest
from t2vbatch.job.env_refs import collect, redact, resolved
from t2vbatch.job.secrets import redacted, remember
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
from t2vbatch.job.validation import problems
from t2vbatch.job.yaml_source import Document, dump_yaml, read_document
from t2vbatch.storage.files import expanded, local_path

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

    manifest: str = Field(description="Parquet, CSV, JSON Lines, text, or a folder of Parquet; path or URI")
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
            return CombinedJobError([self.located(one, section) for one in error.errors])
        key, document = f"{section}.{error.where}" if section else error.where, self._document
        named = key.split(".")[0].split(":")[0] in Job.model_fields and not key.startswith(document.name)
        if isinstance(error, ManifestError) or not named:
            return error
        return type(error)(document.where(document.path(key), key), error.found, error.expected, error.fix)


def load_job(path: str | Path, overrides: Sequence[str] = ()) -> Job:
    """Read a job file, apply ``key.path=value`` overrides, fill in defaults, make paths absolute.

    Raises:
        JobError: with every problem: file, line and key, what was found, what was expected, what to do.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise JobError(str(path), "no such file", "a job file", "see jobs/ for examples") from None
    except IsADirectoryError:
        inside = file / "job.yaml"
        fix = f"the job of this output is {inside}" if inside.is_file() else ""
        raise JobError(str(path), "a folder", "a job file (YAML)", fix) from None
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(str(path), f"a file that cannot be read ({error})", "a YAML file") from error
    return _located(parse_job(text, str(path), overrides), file.absolute().parent)


def parse_job(text: str, where: str, overrides: Sequence[str] = ()) -> Job:
    """The job in a YAML text, with its paths unchanged. Raises JobError, which names ``where``."""
    data, document = read_document(text, where, overrides)
    found = ErrorCollector()
    for invented in _invented_models(data, document):
        found.add(invented)
    variables: dict[str, str] = {}
    with found.collect():
        variables = collect(data, os.environ, document.where)
    remember(variables)
    values = _resolved(data, variables)
    try:
        job = Job.model_validate(values)
    except ValidationError as error:
        wrong = problems(error, Job, values)
        for path in sorted(wrong, key=document.order):
            problem = wrong[path]
            shown = redacted(problem.found, variables)
            found.add(JobError(document.where(path), shown, problem.expected, problem.fix))
    found.raise_if_any()
    job._variables.update(variables)
    job._document = document
    return job


def _invented_models(data: dict[str, Any], document: Document) -> Iterator[JobError]:
    """Remove models that a misspelt ``--set models.NAME.KEY=...`` created: a new model needs a path."""
    models = data.get("models")
    written = [path[1] for path in document.places if path[0] == "models" and len(path) == 2]
    for path, option in document.options.items():
        match path:
            case ("models", str(name), _, *_) if written and name not in written:
                made = models.get(name) if isinstance(models, dict) else None
                if isinstance(made, dict) and "path" not in made:
                    del data["models"][name]
                    fix = f"to add a model, give it a path too: --set models.{name}.path=..."
                    found = f"no model {name!r} in {document.name}"
                    yield JobError(option, found, nearest(name, [str(known) for known in written]), fix)


def dump_job(job: Job) -> str:
    """The job as YAML, with every default written out and references unresolved."""
    data = redact(job.model_dump(mode="json"), job._variables)
    return dump_yaml(data)


def _resolved(data: Mapping[str, Any], variables: Mapping[str, str]) -> Any:
    """The job with all references resolved, except those in calls."""
    values, written = resolved(data, variables), data.get("models")
    for name, model in written.items() if isinstance(written, Mapping) else ():
        if isinstance(model, Mapping) and "call" in model:
            values["models"][name]["call"] = model["call"]
    return values


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


class _Locator:
    """Makes paths absolute: from the folder of the job file, or from the working directory for ``--set``."""

    def __init__(self, document: Document, base: Path) -> None:
        self._document, self._base = document, base

    def path(self, uri: str, *key: str | int) -> str:
        """A path or URI that is one for certain, such as the manifest."""
        if "\0" in uri:
            raise JobError(self._document.where(key), repr(uri)[:60], "a path without the character NUL")
        path = local_path(uri)
        return uri if path is None else str((self._start(key) / expanded(path)).resolve())

    def model_path(self, uri: str, *key: str | int) -> str:
        """A path or a Hub id. A Hub id looks like a relative path; if such a folder exists, it is a path."""
        path = local_path(uri)
        if path is None or uri.startswith("bundled:"):
            return uri
        explicit = uri.startswith((".", "/", "~"))
        return self.path(uri, *key) if explicit or (self._start(key) / path).exists() else uri

    def part(self, section: Mapping[str, Any], *key: str | int) -> dict[str, Any]:
        """A model, component or LoRA, with its ``path`` and ``config`` located."""
        found = {
            name: self.model_path(section[name], *key, name)
            for name in ("path", "config")
            if isinstance(section.get(name), str)
        }
        return {**section, **found}

    def _start(self, key: tuple[str | int, ...]) -> Path:
        return Path.cwd() if self._document.is_option(key) else self._base


def _located(job: Job, base: Path) -> Job:
    locate = _Locator(job._document, base)

    def located_model(name: str, model: Model) -> Model:
        key = ("models", name)
        parts = {
            part: section and locate.part(section, *key, "components", part)
            for part, section in model.components.items()
        }
        loras = [locate.part(lora, *key, "loras", index) for index, lora in enumerate(model.loras)]
        adapter = model.ip_adapter and locate.part(model.ip_adapter, *key, "ip_adapter")
        own = locate.part({"path": model.path, "config": model.config}, *key)
        found = {**own, "components": parts, "loras": loras, "ip_adapter": adapter}
        return model.model_copy(update=found)

    def located_distance(name: str, distance: Distance) -> Distance:
        key = ("distances", name)
        reference = locate.path(distance.reference, *key, "reference")
        backbone = locate.model_path(distance.backbone, *key, "backbone")
        return distance.model_copy(update={"reference": reference, "backbone": backbone})

    clip = job.clip and job.clip.model_copy(update={"path": locate.model_path(job.clip.path, "clip", "path")})
    update = {
        "manifest": locate.path(job.manifest, "manifest"),
        "output": locate.path(job.output, "output"),
        "models": {name: located_model(name, model) for name, model in job.models.items()},
        "distances": {name: located_distance(name, one) for name, one in job.distances.items()},
        "clip": clip,
    }
    return job.model_copy(update=update)
