"""Brings an output's distances up to date: what was asked of these very videos already is not asked again."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from t2vbatch.analysis.distance.extrapolation import extrapolate, too_few
from t2vbatch.analysis.distance.features import FeatureCache, VideoRef, clear_features, extract
from t2vbatch.analysis.distance.frechet import FloatArray, Moments, Statistics, frechet_distance
from t2vbatch.analysis.distance.question import DistanceSpec
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
    distance_specs: Sequence[DistanceSpec],
    engine: Callable[[Job], Engine],
    watch: Callable[[Progress], None] = lambda progress: None,
    save: str | None = None,
) -> Ending:
    """Measure the distances of every model's ok videos, and keep them in the output.

    Args:
        engine: makes the engine; called only where a video is to be looked at.
        save: where to write the statistics of the reference; with one question.

    Returns:
        ``interrupted`` where a distance is missing for that reason; the next call goes on from there.

    Raises:
        UsageError: the backbone cannot be used as it is asked to be.
        RunError: it cannot go on, or the reference has too few videos that can be used.
    """
    results = make_results(plan, store.records(), ())
    for question in distance_specs:
        asker = _Asker(store, results, question, FeatureCache(store, digest(question.about)[:16]))
        models = asker.unanswered(list(job.models))
        if not models and save is None:
            continue
        films = [film for model in models for film in asker.films(model)] + asker.reference_films()
        if (ending := extract(films, question, asker.keeper, job, engine, watch)) != "finished":
            return ending
        reference, notes = asker.reference()
        if save is not None:
            save_reference(save, reference)
        asker.answer([asker.measured(model, reference, notes) for model in models])
    clear_features(store)
    return "finished"


@dataclass(frozen=True)
class _Set:
    """The features of a set of videos.

    Attributes:
        few: the features of each, where they are under ENOUGH_VIDEOS; else none.
    """

    moments: Moments
    videos: int
    left_out: dict[str, int]
    few: list[FloatArray]


@dataclass(frozen=True)
class _Asker:
    """One question, of one output."""

    store: Store
    results: pa.Table
    question: DistanceSpec
    keeper: FeatureCache

    def unanswered(self, models: Sequence[str]) -> list[str]:
        """Those of whose videos, as they are now, this was not asked before."""
        asked = (self.question.name, self.question.identity)
        valid = valid_distances(self.store, self.results)
        answered = {one.model for one in valid if (one.name, one.asked) == asked}
        return [model for model in models if model not in answered]

    def films(self, model: str) -> list[VideoRef]:
        """The model's videos."""
        rows = ok_videos(self.results, model).to_pylist()
        return [VideoRef(self.store.uri, row["video"], row["video_sha256"]) for row in rows]

    def reference_films(self) -> list[VideoRef]:
        """The reference's videos; none where its statistics are saved."""
        folder = self.question.asked.reference
        return [
            VideoRef(folder, name, digest(["reference", folder, name, size]))
            for name, size in self.question.films
        ]

    def reference(self) -> tuple[Reference, list[str]]:
        """The reference's statistics, and what is to be said of its videos."""
        if self.question.saved is not None:
            return self.question.saved, []
        found = self._set(self.reference_films())
        notes = _left_out(found, "the reference's")
        if found.videos < 2:
            raise RunError(f"no distance to {self.question.asked.reference}: {'; '.join(notes)}")
        return Reference(found.moments.statistics(), found.videos, self.question.about), notes

    def measured(self, model: str, reference: Reference, notes: Sequence[str]) -> Measured:
        """The distance of a model's videos, with what belongs beside it; ``notes`` are of the reference."""
        found, question = self._set(self.films(model)), self.question
        numbers = _numbers(found, reference.statistics)
        return Measured(
            name=question.name,
            kind=question.asked.kind,
            model=model,
            value=numbers.value,
            reason=numbers.reason,
            extrapolated=numbers.extrapolated,
            videos=found.videos,
            features=found.moments.n,
            dims=reference.statistics.dims,
            left_out=found.left_out,
            reference=question.asked.reference,
            reference_videos=reference.videos,
            backbone=question.asked.backbone,
            backbone_sha256=question.backbone,
            frames=question.asked.frames,
            stride=question.about["stride"],
            size=question.asked.size,
            notes=(*numbers.notes, *_of_reference(reference), *notes),
            asked=question.identity,
            videos_sha256=videos_digest(self.results, model),
        )

    def answer(self, measured: Sequence[Measured]) -> None:
        """Keep what was measured, in the place of what was said before of the same name and model."""
        said = {(one.name, one.model) for one in measured}
        others = [one for one in read_distances(self.store) if (one.name, one.model) not in said]
        write_distances(self.store, (*others, *measured))

    def _set(self, films: Sequence[VideoRef]) -> _Set:
        moments, left_out, few, videos = Moments(), Counter[str](), list[FloatArray](), 0
        for found in self.keeper.read([film.key for film in films]):
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
    """What two sets come to; see Measured."""

    value: float | None
    extrapolated: float | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()


def _numbers(found: _Set, reference: Statistics) -> _Numbers:
    left_out, vectors, dims = _left_out(found), found.moments.n, reference.dims
    if found.videos < 2:
        return _Numbers(None, reason="; ".join(["no two videos", *left_out]))
    value = frechet_distance(found.moments.statistics(), reference)
    notes = [*left_out]
    if vectors <= dims:
        spans = f"{vectors:,} vectors cannot span {dims:,} features"
        notes.append(f"{spans}: the covariance is singular, and the value far too large")
    if found.videos >= ENOUGH_VIDEOS:
        return _Numbers(value, notes=tuple(notes))
    why_not = too_few(found.videos, dims)
    few = (
        f"only {found.videos:,} videos, under {ENOUGH_VIDEOS:,}: the value is too large, by an amount of each"
    )
    without = f"to extrapolate {why_not}" if why_not else "extrapolated is without that"
    notes.append(f"{few} model's own; {without}")
    return _Numbers(value, None if why_not else extrapolate(found.few, reference), notes=tuple(notes))


def _of_reference(reference: Reference) -> list[str]:
    if reference.videos >= ENOUGH_VIDEOS:
        return []
    return [f"the reference has only {reference.videos:,} videos: that makes all values larger too"]


def _left_out(found: _Set, whose: str = "its") -> list[str]:
    return [f"{count:,} of {whose} videos left out: {reason}" for reason, count in found.left_out.items()]
