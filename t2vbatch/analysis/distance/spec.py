"""The distances of a job, checked: backbone, reference, and what determines the features."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from t2vbatch.analysis.distance.kinds import KINDS
from t2vbatch.analysis.distance.reference import Reference, is_saved, read_reference, videos_in
from t2vbatch.canonical import digest
from t2vbatch.errors import ErrorCollector, MetricError
from t2vbatch.job import Distance, Job
from t2vbatch.metrics.protocol import Weights
from t2vbatch.metrics.weights import kind_at, locate
from t2vbatch.models.pins import using_pins
from t2vbatch.storage.files import open_folder

Where = Callable[[str], str]
"""The user's name of a key of a distance, for errors."""


@dataclass(frozen=True)
class DistanceSpec:
    """One distance of a job, whose backbone and reference exist.

    Attributes:
        backbone: digest of the content of the backbone's weights.
        saved: the saved statistics of the reference, or None.
        reference_videos: name and size of each reference video; empty if the statistics are saved.
    """

    name: str
    asked: Distance
    weights: Weights
    backbone: str
    saved: Reference | None
    reference_videos: tuple[tuple[str, int], ...]

    @property
    def about(self) -> dict[str, Any]:
        """What determines the features of a video."""
        return _about(self.asked, self.backbone)

    @property
    def identity(self) -> str:
        """Digest of everything that determines the distance, except the model's videos."""
        about = self.about | ({"divisor": "n"} if self.asked.divisor == "n" else {})
        if self.saved is None:
            return digest({**about, "reference": self.reference_videos})
        found = self.saved.statistics
        return digest({**about, "reference": [found.mean.tobytes(), found.covariance.tobytes()]})


def distance_specs(job: Job, where: Callable[[str], Where] | None = None) -> tuple[DistanceSpec, ...]:
    """Check the distances of the job.

    Args:
        where: from the name of a distance to the user's names of its keys; by default those of a job.

    Raises:
        MetricError: the problem of each distance; a CombinedJobError for several.
    """
    keys = where or (lambda name: lambda key: f"distances.{name}.{key}")
    problems, specs = ErrorCollector(), []
    with using_pins(job.pins):
        for name, asked in job.distances.items():
            with problems.collect():
                specs.append(_spec(name, asked, keys(name)))
    problems.raise_if_any()
    return tuple(specs)


def check_distances(job: Job) -> None:
    """Check the distances before any worker starts. Raises MetricError."""
    distance_specs(job)


def _spec(name: str, asked: Distance, where: Where) -> DistanceSpec:
    weights = _weights(asked, where)
    located = locate(weights)
    weights, backbone = replace(weights, revision=located.commit), digest(located.identity())
    if is_saved(asked.reference):
        saved = read_reference(asked.reference, _about(asked, backbone), where("reference"))
        return DistanceSpec(name, asked, weights, backbone, saved, ())
    if open_folder(asked.reference).size("plan.parquet") is not None:
        found = f"{asked.reference}, the output of a run, which also contains other images"
        folder = f"{asked.reference}/videos/MODEL"
        raise MetricError(where("reference"), found, f"the folder of one model's videos: {folder}")
    videos = videos_in(asked.reference)
    if len(videos) < 2:
        raise MetricError(
            where("reference"),
            f"{asked.reference}, a folder of {len(videos)} videos",
            "a folder of at least 2 videos, better thousands, or an .npz file of statistics",
        )
    return DistanceSpec(name, asked, weights, backbone, None, tuple(videos))


def _about(asked: Distance, backbone: str) -> dict[str, Any]:
    stride = asked.stride if asked.kind == "fvd" else 1
    return {
        "kind": asked.kind,
        "backbone": backbone,
        "frames": asked.frames,
        "stride": stride,
        "size": asked.size,
        **({"start": "random"} if asked.kind == "fvd" and asked.start == "random" else {}),
    }


def _weights(asked: Distance, where: Where) -> Weights:
    if Path(asked.backbone).is_file():
        if not asked.allow_pickle:
            raise MetricError(
                where("backbone"),
                f"{asked.backbone}, a TorchScript file, which can run any code",
                "a folder of a transformers model with safetensors weights",
                f"set {where('allow_pickle')} if you trust the author of the file",
            )
        return Weights("torchscript", asked.backbone)
    weights = Weights(kind_at(asked.backbone, KINDS[asked.kind].families, where("backbone")), asked.backbone)
    if asked.size is not None:
        raise MetricError(where("size"), f"{asked.size}", "no size: the model has an image processor")
    if asked.kind == "fvd" and (frames := _frames(weights)) != asked.frames:
        raise MetricError(
            where("frames"), f"{asked.frames}", f"{frames}, the number of frames of the backbone"
        )
    return weights


def _frames(weights: Weights) -> int:
    from transformers import AutoConfig  # The import takes seconds, and most jobs have no distances.

    located = locate(weights)
    return int(AutoConfig.from_pretrained(located.path, **located.at).num_frames)
