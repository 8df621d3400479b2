"""A distance that is asked for, checked: what the backbone is, and what decides the features."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2vbatch.analysis.distance.kinds import KINDS
from t2vbatch.analysis.distance.reference import Reference, is_saved, read_reference, videos_in
from t2vbatch.canonical import digest
from t2vbatch.errors import MetricError
from t2vbatch.job import Distance, Job
from t2vbatch.metrics.protocol import Weights
from t2vbatch.metrics.weights import kind_at, locate
from t2vbatch.storage.files import open_folder

Where = Callable[[str], str]
"""How the user calls a key of a distance."""


@dataclass(frozen=True)
class DistanceSpec:
    """One distance of a job, whose parts are all there.

    Attributes:
        backbone: digest of the backbone's weights; where they lie decides nothing.
        saved: the reference's statistics, where they are saved.
        films: name and size of the reference's videos; none where its statistics are saved.
    """

    name: str
    asked: Distance
    weights: Weights
    backbone: str
    saved: Reference | None
    films: tuple[tuple[str, int], ...]

    @property
    def about(self) -> dict[str, Any]:
        """What decides the features of a video."""
        return _about(self.asked, self.backbone)

    @property
    def identity(self) -> str:
        """Digest of all that decides the distance, but the videos themselves."""
        if self.saved is None:
            return digest({**self.about, "reference": self.films})
        found = self.saved.statistics
        return digest({**self.about, "reference": [found.mean.tobytes(), found.covariance.tobytes()]})


def distance_specs(job: Job, where: Callable[[str], Where] | None = None) -> tuple[DistanceSpec, ...]:
    """The job's distances.

    Args:
        where: of a distance's name, how the user calls its keys; by default as in a job.

    Raises:
        MetricError: the first thing that is wrong.
    """
    keys = where or (lambda name: lambda key: f"distances.{name}.{key}")
    return tuple(_question(name, asked, keys(name)) for name, asked in job.distances.items())


def check_distances(job: Job) -> None:
    """Refuse before anything starts what no worker could measure. Raises MetricError."""
    distance_specs(job)


def _question(name: str, asked: Distance, where: Where) -> DistanceSpec:
    weights = _weights(asked, where)
    backbone = digest(locate(weights).identity())
    if is_saved(asked.reference):
        saved = read_reference(asked.reference, _about(asked, backbone), where("reference"))
        return DistanceSpec(name, asked, weights, backbone, saved, ())
    if open_folder(asked.reference).size("plan.parquet") is not None:
        found = f"{asked.reference}, the output of a run, whose report has pictures too"
        raise MetricError(where("reference"), found, f"its videos: {asked.reference}/videos/MODEL")
    films = videos_in(asked.reference)
    if len(films) < 2:
        raise MetricError(
            where("reference"),
            f"{asked.reference}, where {len(films)} videos are",
            "a folder of two videos or more, better of thousands, or an .npz of statistics",
        )
    return DistanceSpec(name, asked, weights, backbone, None, tuple(films))


def _about(asked: Distance, backbone: str) -> dict[str, Any]:
    stride = asked.stride if asked.kind == "fvd" else 1
    return {
        "kind": asked.kind,
        "backbone": backbone,
        "frames": asked.frames,
        "stride": stride,
        "size": asked.size,
    }


def _weights(asked: Distance, where: Where) -> Weights:
    if Path(asked.backbone).is_file():
        if not asked.allow_pickle:
            raise MetricError(
                where("backbone"),
                f"{asked.backbone}, a file, which as TorchScript is a program",
                "a folder of a transformers model with safetensors weights",
                f"set {where('allow_pickle')} where you trust whoever made it",
            )
        return Weights("torchscript", asked.backbone)
    weights = Weights(kind_at(asked.backbone, KINDS[asked.kind].families, where("backbone")), asked.backbone)
    if asked.size is not None:
        raise MetricError(where("size"), f"{asked.size}", "nothing: the model's own image processor resizes")
    if asked.kind == "fvd" and (frames := _frames(weights)) != asked.frames:
        raise MetricError(where("frames"), f"{asked.frames}", f"{frames}, which is what the backbone takes")
    return weights


def _frames(weights: Weights) -> int:
    from transformers import AutoConfig  # Takes seconds to import, and most jobs ask for no distance.

    located = locate(weights)
    return int(AutoConfig.from_pretrained(located.path, **located.at).num_frames)
