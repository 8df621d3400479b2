"""Which metrics there are, and a job's metrics with their options filled in. Loads no network."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel, ValidationError

from t2vbatch.errors import CombinedJobError, ErrorCollector, MetricError, UsageError, nearest
from t2vbatch.job import Clip, Job
from t2vbatch.job.validation import problems
from t2vbatch.job.yaml_source import dotted
from t2vbatch.metrics.aesthetic import Aesthetic
from t2vbatch.metrics.clip_image import ClipImage
from t2vbatch.metrics.clip_pooled import ClipScorePooled
from t2vbatch.metrics.clip_score import ClipScore
from t2vbatch.metrics.clip_temporal import ClipTemporal, ClipTemporalAll
from t2vbatch.metrics.command import CommandScore
from t2vbatch.metrics.dino_consistency import DinoConsistency
from t2vbatch.metrics.motion_flow import MotionFlow
from t2vbatch.metrics.options import ClipOptions
from t2vbatch.metrics.pickscore import PickScore
from t2vbatch.metrics.pixels import FirstFrameError, Flicker, Motion, Sharpness
from t2vbatch.metrics.protocol import Column, Metric
from t2vbatch.metrics.siglip_score import SiglipScore
from t2vbatch.metrics.weights import BUNDLED, locate
from t2vbatch.metrics.xclip_score import XClipScore

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
"""The built-in metrics by their names in a job; one with the option ``command`` may have any name."""

OF_SETS = frozenset({"fvd", "fid"})
"""What one may look for here, and finds in t2vbatch.analysis.distance."""

DEFAULT_CLIP = Clip(path="openai/clip-vit-large-patch14", revision=None)


def known_metrics() -> dict[str, type[Metric]]:
    """The built-in metrics, and those of installed packages (entry points ``t2vbatch.metrics``)."""
    plugins = {point.name: point.load() for point in entry_points(group="t2vbatch.metrics")}
    return plugins | METRICS


def metric_class(name: str) -> type[Metric]:
    """The metric of this name. Raises MetricError that names the nearest one."""
    if name in METRICS:
        return METRICS[name]
    known = known_metrics()
    if name in OF_SETS:
        found = "a distance of whole sets of videos, which no single video has"
        raise MetricError(f"metrics.{name}", found, f"{name} under distances, with reference and backbone")
    if name not in known:
        raise MetricError(f"metrics.{name}", "an unknown metric", nearest(name, list(known)))
    return known[name]


def known_columns() -> dict[str, Column]:
    """What is known of score columns, by their names: those that a metric's class names."""
    named = [getattr(kind, "columns", None) for kind in known_metrics().values()]
    return {
        name: column for columns in named if isinstance(columns, Mapping) for name, column in columns.items()
    }


def job_clip(job: Job) -> Clip:
    """The CLIP that scores this job: the one it names; else the bundled one for bundled models."""
    if job.clip is not None:
        return job.clip
    bundled = all(model.path.startswith("bundled:") for model in job.models.values())
    return Clip(path=BUNDLED, revision=None) if bundled else DEFAULT_CLIP


def job_metrics(job: Job) -> dict[str, Metric]:
    """The job's metrics by name. Raises MetricError for an unknown metric, option or value."""
    clip, wrong, metrics = job_clip(job), ErrorCollector(), {}
    for name, options in job.metrics.items():
        with wrong.collect():
            metrics[name] = build_metric(name, options, clip)
    wrong.raise_if_any()
    return metrics


def build_metric(name: str, options: Mapping[str, Any], clip: Clip) -> Metric:
    """One metric with its options; ``clip`` is what it looks with where the options name no other."""
    kind = CommandScore if "command" in options else metric_class(name)
    if issubclass(kind, ClipOptions) and "path" not in options:
        options = {**clip.model_dump(), **options}
    try:
        return kind(**options)
    except ValidationError as error:
        raise _explain(name, kind, options, error) from None
    except TypeError as error:
        raise MetricError(f"metrics.{name}", f"options that it does not take ({error})") from None


def check_metrics(job: Job) -> None:
    """Refuse before anything starts what no worker could score with.

    Raises:
        MetricError: an unknown metric or option, two metrics with one column, or weights that are not there.
    """
    owners: dict[str, str] = {}
    metrics = job_metrics(job)
    for name, metric in metrics.items():
        for column in metric.columns:
            if column in owners:
                raise MetricError(
                    f"metrics.{name}",
                    f"the column {column!r}, which {owners[column]} yields too",
                    "other names",
                )
            owners[column] = name
    for weights in dict.fromkeys(weights for metric in metrics.values() for weights in metric.weights):
        locate(weights)


def metric_columns(job: Job) -> tuple[str, ...]:
    """The score columns of this job's results, in their order."""
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
