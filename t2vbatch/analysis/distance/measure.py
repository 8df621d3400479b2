"""Brings an output's distances up to date; remeasures only those whose videos or spec changed."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from t2vbatch.analysis.distance.extrapolation import extrapolate, too_few
from t2vbatch.analysis.distance.features import FeatureCache, VideoRef, clear_features, extract
from t2vbatch.analysis.distance.frechet import FloatArray, Moments, Statistics, frechet_distance, with_divisor
from t2vbatch.analysis.distance.reference import Reference, save_reference
from t2vbatch.analysis.distance.result import (
    ENOUGH_VIDEOS,
    Measured,
    ok_videos,
    read_distances,
    valid_distances,
    videos_digest,
    write_distances,
)
from t2vbatch.analysis.distance.spec import DistanceSpec
from t2vbatch.canonical import digest
from t2vbatch.engines import Ending, Engine, Progress
from t2vbatch.errors import RunError
from t2vbatch.job import Job
from t2vbatch.output.store import Store
from t2vbatch.output.tables import make_results
from t2vbatch.plan import Plan


def measure(
    store: Store,
    plan: Plan,
    job: Job,
    specs: Sequence[DistanceSpec],
    engine: Callable[[Job], Engine],
    watch: Callable[[Progress], None] = lambda progress: None,
    save: str | None = None,
) -> Ending:
    """Measure the distances of every model's ok videos and store them in the output.

    Args:
        engine: makes the engine; called only if features of a video are missing.
        save: path or URI for the statistics of the reference; allowed with a single spec.

    Returns:
        ``interrupted`` if the run was interrupted before all distances; the next call continues.

    Raises:
        UsageError: the backbone does not fit the spec.
        RunError: the engine failed, or the reference has too few usable videos.
    """
    results = make_results(plan, store.records(), ())
    for spec in specs:
        measurement = _Measurement(store, results, spec, FeatureCache(store, digest(spec.about)[:16]))
        models = measurement.outdated(list(job.models))
        if not models and save is None:
            continue
        videos = [video for model in models for video in measurement.videos(model)]
        videos += measurement.reference_videos()
        if (ending := extract(videos, spec, measurement.cache, job, engine, watch)) != "finished":
            return ending
        reference, notes = measurement.reference()
        if save is not None:
            save_reference(save, reference)
        measurement.keep([measurement.measured(model, reference, notes) for model in models])
    clear_features(store)
    return "finished"


@dataclass(frozen=True)
class _Set:
    """The features of a set of videos.

    Attributes:
        few: the features of each video, if there are fewer than ENOUGH_VIDEOS videos; else empty.
    """

    moments: Moments
    videos: int
    left_out: dict[str, int]
    few: list[FloatArray]


@dataclass(frozen=True)
class _Measurement:
    """One distance of one output."""

    store: Store
    results: pa.Table
    spec: DistanceSpec
    cache: FeatureCache

    def outdated(self, models: Sequence[str]) -> list[str]:
        """The models whose current videos lack this distance."""
        wanted = (self.spec.name, self.spec.identity)
        valid = valid_distances(self.store, self.results)
        current = {one.model for one in valid if (one.name, one.asked) == wanted}
        return [model for model in models if model not in current]

    def videos(self, model: str) -> list[VideoRef]:
        """The ok videos of the model."""
        rows = ok_videos(self.results, model).to_pylist()
        return [VideoRef(self.store.uri, row["video"], row["video_sha256"]) for row in rows]

    def reference_videos(self) -> list[VideoRef]:
        """The reference videos; none if the statistics of the reference are saved."""
        folder = self.spec.asked.reference
        return [
            VideoRef(folder, name, digest(["reference", folder, name, size]))
            for name, size in self.spec.reference_videos
        ]

    def reference(self) -> tuple[Reference, list[str]]:
        """The statistics of the reference, and notes about its videos."""
        if self.spec.saved is not None:
            return self.spec.saved, []
        found = self._set(self.reference_videos())
        notes = _left_out(found, "reference videos")
        if found.videos < 2:
            few = f"fewer than 2 usable videos in the reference {self.spec.asked.reference}"
            raise RunError("; ".join([few, *notes]))
        return Reference(found.moments.statistics(), found.videos, self.spec.about), notes

    def measured(self, model: str, reference: Reference, notes: Sequence[str]) -> Measured:
        """The distance of a model's videos to the reference; ``notes`` are about the reference."""
        found, spec = self._set(self.videos(model)), self.spec
        numbers = _numbers(found, reference.statistics, spec.asked.divisor)
        return Measured(
            name=spec.name,
            kind=spec.asked.kind,
            model=model,
            value=numbers.value,
            reason=numbers.reason,
            extrapolated=numbers.extrapolated,
            videos=found.videos,
            features=found.moments.n,
            dims=reference.statistics.dims,
            left_out=found.left_out,
            reference=spec.asked.reference,
            reference_videos=reference.videos,
            backbone=spec.asked.backbone,
            backbone_sha256=spec.backbone,
            frames=spec.asked.frames,
            stride=spec.about["stride"],
            size=spec.asked.size,
            start=spec.asked.start,
            divisor=spec.asked.divisor,
            notes=(*numbers.notes, *_small_reference(reference), *notes),
            asked=spec.identity,
            videos_sha256=videos_digest(self.results, model),
        )

    def keep(self, measured: Sequence[Measured]) -> None:
        """Store these distances; they replace earlier ones of the same name and model."""
        new = {(one.name, one.model) for one in measured}
        others = [one for one in read_distances(self.store) if (one.name, one.model) not in new]
        write_distances(self.store, (*others, *measured))

    def _set(self, refs: Sequence[VideoRef]) -> _Set:
        moments, left_out, few, videos = Moments(), Counter[str](), list[FloatArray](), 0
        for found in self.cache.read([ref.key for ref in refs]):
            if isinstance(found, str):
                left_out[found] += 1
                continue
            moments.add(found)
            videos += 1
            few.append(found)
            if videos >= ENOUGH_VIDEOS:
                few.clear()
        return _Set(moments, videos, dict(left_out.most_common()), few)


@dataclass(frozen=True)
class _Numbers:
    """The numbers of one distance; see Measured."""

    value: float | None
    extrapolated: float | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()


def _numbers(found: _Set, reference: Statistics, divisor: Literal["n-1", "n"]) -> _Numbers:
    left_out, vectors, dims = _left_out(found), found.moments.n, reference.dims
    if found.videos < 2:
        return _Numbers(None, reason="; ".join(["fewer than 2 usable videos", *left_out]))
    reference = with_divisor(reference, divisor)
    value = frechet_distance(with_divisor(found.moments.statistics(), divisor), reference)
    notes = [*left_out]
    if vectors <= dims:
        counts = f"{vectors:,} feature vectors of {dims:,} dimensions"
        notes.append(f"{counts} have a singular covariance, so the value is far too large")
    if found.videos >= ENOUGH_VIDEOS:
        return _Numbers(value, notes=tuple(notes))
    why_not = too_few(found.videos, dims)
    bias = (
        f"only {found.videos:,} videos, fewer than {ENOUGH_VIDEOS:,}: the value is too large, by an amount"
        " that differs between models"
    )
    remedy = f"extrapolation {why_not}" if why_not else "the column extrapolated corrects this bias"
    notes.append(f"{bias}; {remedy}")
    return _Numbers(
        value, None if why_not else extrapolate(found.few, reference, divisor=divisor), notes=tuple(notes)
    )


def _small_reference(reference: Reference) -> list[str]:
    if reference.videos >= ENOUGH_VIDEOS:
        return []
    return [f"the reference has only {reference.videos:,} videos, which makes all values larger"]


def _left_out(found: _Set, which: str = "videos") -> list[str]:
    return [f"{count:,} {which} left out: {reason}" for reason, count in found.left_out.items()]
