"""The list of metrics, and the metrics of a job with their options. Loads no network."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel, ValidationError

from t2vbatch.errors import CombinedJobError, ErrorCollector, MetricError, UsageError, nearest, similar
from t2vbatch.job import Clip, Job
from t2vbatch.job.validation import problems
from t2vbatch.job.yaml_source import dotted
from t2vbatch.metrics.aesthetic import Aesthetic
from t2vbatch.metrics.clip_image import ClipImage
from t2vbatch.metrics.clip_pooled import ClipScorePooled
from t2vbatch.metrics.clip_score import ClipScore
from t2vbatch.metrics.clip_temporal import ClipTemporal, ClipTemporalAll
from t2vbatch.metrics.command import CommandScore, directed
from t2vbatch.metrics.dino_consistency import DinoConsistency
from t2vbatch.metrics.motion_flow import MotionFlow
from t2vbatch.metrics.options import ClipOptions
from t2vbatch.metrics.pickscore import PickScore
from t2vbatch.metrics.pixels import FirstFrameError, Flicker, Motion, Sharpness
from t2vbatch.metrics.program_file import bundled_programs
from t2vbatch.metrics.protocol import Column, Metric
from t2vbatch.metrics.siglip_score import SiglipScore
from t2vbatch.metrics.vbench import VBENCH_COLUMNS
from t2vbatch.metrics.weights import BUNDLED, locate
from t2vbatch.metrics.xclip_score import XClipScore
from t2vbatch.models.pins import using_pins

METRICS: dict[str, type[Metric]] = {
    "clip_score": ClipScore,
    "clip_score_pooled": ClipScorePooled,
    "clip_temporal": ClipTemporal,
    "clip_temporal_all": ClipTemporalAll,
    "clip_image": ClipImage,
    "xclip_score": XClipScore,
    "siglip_score": SiglipScore,
    "dino_consistency": DinoConsistency,
    "pickscore": PickScore,
    "aesthetic": Aesthetic,
    "flicker": Flicker,
    "motion": Motion,
    "motion_flow": MotionFlow,
    "sharpness": Sharpness,
    "first_frame_error": FirstFrameError,
    "command": CommandScore,
}
"""The built-in metrics by their name in a job. A metric with ``command`` or ``program`` may have any name."""

OF_SETS = frozenset({"fvd", "fid"})
"""Distances of whole sets of videos. They are in t2vbatch.analysis.distance, and users look for them here."""

DEFAULT_CLIP = Clip(path="openai/clip-vit-large-patch14", revision=None)


def known_metrics() -> dict[str, type[Metric]]:
    """The built-in metrics and the metrics of installed packages (entry points ``t2vbatch.metrics``)."""
    plugins = {point.name: point.load() for point in entry_points(group="t2vbatch.metrics")}
    return plugins | METRICS


def metric_class(name: str) -> type[Metric]:
    """The metric with this name. Raises MetricError, which suggests the nearest name."""
    if name in METRICS:
        return METRICS[name]
    known = known_metrics()
    if name in bundled_programs():
        expected = f"metrics: {{{name}: {{program: {name}}}}}"
        raise MetricError(f"metrics.{name}", "the name of a program", expected)
    if name in OF_SETS:
        found = "a distance between sets of videos, which is not defined for a single video"
        raise MetricError(f"metrics.{name}", found, f"{name} under distances, with reference and backbone")
    if name not in known:
        near = similar(name, [*known, *OF_SETS, *bundled_programs()])
        raise MetricError(f"metrics.{name}", "an unknown metric", near or nearest(name, list(known)))
    return known[name]


def known_columns(jobs: Sequence[Job] = ()) -> dict[str, Column]:
    """The score columns whose direction is known, by name.

    They are the columns of all metrics, of VBench's dimensions, and of the metrics in these jobs, which
    may name their columns themselves (``yields``).
    """
    declared = [_default_columns(kind) for kind in known_metrics().values()]
    declared += [directed(program.yields) for program in bundled_programs().values()]
    for job in jobs:
        # A metric of a plug-in that is not installed here has no known columns.
        with suppress(UsageError):
            declared += [metric.columns for metric in job_metrics(job).values()]
    return {name: column for columns in declared for name, column in columns.items()} | {**VBENCH_COLUMNS}


def _default_columns(kind: type[Metric]) -> Mapping[str, Column]:
    """The columns of a metric with its default options; none if it has required options."""
    columns = getattr(kind, "columns", None)
    if isinstance(columns, Mapping):
        return columns
    try:
        return kind().columns
    except (ValidationError, TypeError):
        return {}


def job_clip(job: Job) -> Clip:
    """The CLIP that scores this job: the job's ``clip``, else the bundled CLIP for bundled models."""
    if job.clip is not None:
        return job.clip
    bundled = all(model.path.startswith("bundled:") for model in job.models.values())
    return Clip(path=BUNDLED, revision=None) if bundled else DEFAULT_CLIP


def job_metrics(job: Job) -> dict[str, Metric]:
    """The metrics of the job by name. Raises MetricError for an unknown metric, option or value."""
    clip, wrong, metrics = job_clip(job), ErrorCollector(), {}
    for name, options in job.metrics.items():
        with wrong.collect():
            metrics[name] = build_metric(name, options, clip)
    wrong.raise_if_any()
    return metrics


def build_metric(name: str, options: Mapping[str, Any], clip: Clip) -> Metric:
    """One metric with its options. CLIP metrics use ``clip`` unless the options name another model."""
    kind = CommandScore if {"command", "program"} & set(options) else metric_class(name)
    if issubclass(kind, ClipOptions) and "path" not in options:
        options = {**clip.model_dump(), **options}
    try:
        return kind(**options)
    except ValidationError as error:
        raise _explain(name, kind, options, error) from None
    except TypeError as error:
        raise MetricError(f"metrics.{name}", f"unsupported options ({error})") from None


def check_metrics(job: Job) -> None:
    """Check all metrics of the job before any worker starts.

    Raises:
        MetricError: an unknown metric or option, two metrics with the same column, or missing weights.
    """
    owners: dict[str, str] = {}
    metrics, problems = job_metrics(job), ErrorCollector()
    for name, metric in metrics.items():
        for column in metric.columns:
            if (owner := owners.setdefault(column, name)) != name:
                found = f"the column {column!r}, which {owner} also computes"
                problems.add(MetricError(f"metrics.{name}", found, "different column names"))
    with using_pins(job.pins):
        needed = {weights: name for name, metric in metrics.items() for weights in metric.weights}
        for weights, name in needed.items():
            try:
                locate(weights)
            except MetricError as error:
                is_clip = job.clip is not None and weights.path == job.clip.path
                where = "clip.path" if is_clip else f"metrics.{name}"
                problems.add(MetricError(where, f"{error.where}: {error.found}", error.expected, error.fix))
    problems.raise_if_any()


def asked_texts(job: Job) -> tuple[str, ...]:
    """The manifest columns whose cells the job's metrics ask for, sorted."""
    asked = (getattr(metric, "needs_texts", ()) for metric in job_metrics(job).values())
    return tuple(sorted({name for names in asked for name in names}))


def metric_columns(job: Job) -> tuple[str, ...]:
    """The score columns of the job's results, in order."""
    return tuple(column for metric in job_metrics(job).values() for column in metric.columns)


def _explain(name: str, kind: type[Metric], options: Mapping[str, Any], error: ValidationError) -> UsageError:
    assert issubclass(kind, BaseModel)
    wrong = [
        MetricError(
            f"metrics.{name}.{dotted(path)}".rstrip("."), problem.found, problem.expected, problem.fix
        )
        for path, problem in problems(error, kind, options).items()
    ]
    return wrong[0] if len(wrong) == 1 else CombinedJobError(wrong)
