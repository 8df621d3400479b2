"""Notes for the user before a run: columns that look misspelt or are not used, models, files."""

from collections.abc import Iterable, Iterator, Mapping

from t2vbatch.job import Job
from t2vbatch.manifest import MEDIA, Manifest
from t2vbatch.manifest.columns import likely
from t2vbatch.media.playable import file_notes
from t2vbatch.models.protocol import ModelFacts


def plan_notes(manifest: Manifest, job: Job, models: Mapping[str, ModelFacts]) -> Iterator[str]:
    """The notes of a plan, besides those of its manifest."""
    yield from _misspelt(manifest.columns.names, models)
    yield from _unused(manifest.table.column_names, models)
    for name, facts in models.items():
        yield from (f"models.{name}: {note}" for note in (*facts.notes, *_file_notes(name, job, facts)))


def _file_notes(name: str, job: Job, facts: ModelFacts) -> Iterator[str]:
    """Sentences about a model's files that differ from its frames, by the job's call."""
    spec = job.models[name]
    width, height = (
        spec.call.get(side, facts.call.get(side, facts.signature.get(side))) for side in ("width", "height")
    )
    return file_notes(job.video, spec.fps or facts.fps, width, height)


def _misspelt(columns: Iterable[str], models: Mapping[str, ModelFacts]) -> Iterator[str]:
    """A sentence for each column that is nearly an argument, but stays an extra column."""
    arguments = frozenset().union(*(facts.parameters for facts in models.values()))
    for column in columns:
        if column not in arguments and (close := likely(column, arguments)):
            yield f"column {column!r} is an extra column, not an argument; did you mean {close!r}?"


def _unused(columns: Iterable[str], models: Mapping[str, ModelFacts]) -> Iterator[str]:
    """A sentence for each column of media, or with an argument's name, that no model uses."""
    for column in columns:
        takers = sorted(name for name, facts in models.items() if column in facts.reserved)
        if takers and not any(column in facts.inputs | facts.parameters for facts in models.values()):
            advice = models[takers[0]].reserved[column]
            yield f"column {column!r} is not used: t2vbatch sets that argument itself; {advice}"
        elif column in MEDIA and not any(column in facts.accepts for facts in models.values()):
            yield f"column {column!r} is not used: no model of the job takes it"
