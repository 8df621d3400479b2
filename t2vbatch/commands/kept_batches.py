"""``batch: auto`` before anything is measured.  [pure]

It is the number of the output's last run, or 1 where a call makes one video.
"""

from collections.abc import Iterator, Mapping

import pyarrow.compute as pc

from t2vbatch.job import Job, Model
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.plan import Plan

_NO_MATTER = {"batch", "fps", "frames", "fit", "background", "retry_degenerate", "allow_pickle"}
"""Keys of a model that change neither the time nor the memory of a call."""


def with_kept_batches(job: Job, before: Job | None) -> Job:
    """The job with the batch sizes of the output's last run, for models without another edited key."""
    kept = {
        name: known.batch
        for name, model in job.models.items()
        if model.batch == "auto" and (known := before and before.models.get(name)) and _alike(model, known)
    }
    return _with(job, kept)


def with_forced_batches(job: Job, facts: Mapping[str, ModelFacts], plan: Plan) -> Job:
    """The job with batch size 1 for models whose calls make one video, by pipeline or because of media."""
    forced = {
        name: 1
        for name, model in job.models.items()
        if model.batch == "auto" and (not facts[name].batchable or _has_media(plan, name))
    }
    return _with(job, forced)


def batch_notes(asked: Job, job: Job) -> Iterator[str]:
    """What ``auto`` means in this job."""
    for name, model in asked.models.items():
        if model.batch == "auto":
            number = job.models[name].batch
            if number == "auto":
                yield f"models.{name}.batch: auto is measured when the run starts; this plan has 1"
            else:
                yield f"models.{name}.batch: auto is {number} for this output"


def _with(job: Job, numbers: Mapping[str, int | str]) -> Job:
    models = {
        name: model.model_copy(update={"batch": numbers.get(name, model.batch)})
        for name, model in job.models.items()
    }
    return job.model_copy(update={"models": models})


def _alike(model: Model, known: Model) -> bool:
    return model.model_dump(exclude=_NO_MATTER) == known.model_dump(exclude=_NO_MATTER)


def _has_media(plan: Plan, model: str) -> bool:
    """Whether any row names media that the model reads."""
    files = pc.list_flatten(plan.rows["media"])
    names = set(pc.unique(pc.struct_field(files, "name")).to_pylist())
    return bool(names & plan.models[model].reads)
