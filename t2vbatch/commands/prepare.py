"""Checks everything that can be checked before a run starts, and plans the job.

One message reports all problems, not only the first. No weights are loaded, and torch is not even imported
if no model folder exists.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from t2vbatch.analysis.distance.spec import check_distances
from t2vbatch.commands.kept_batches import batch_notes, with_forced_batches, with_kept_batches
from t2vbatch.commands.pins import find_pins, pin
from t2vbatch.errors import ErrorCollector, JobError, StoreError, UsageError, closest
from t2vbatch.job import OF_MANIFEST, Draft, Job, Limits, load_draft
from t2vbatch.manifest import MEDIA, ManifestOptions, read_manifest
from t2vbatch.metrics import check_metrics, job_metrics
from t2vbatch.models.calls.check import UNLIMITED
from t2vbatch.models.checkpoints.folders import check_folder, is_checkpoint
from t2vbatch.models.pins import using_pins
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.output.own_files import foreign_files
from t2vbatch.output.store import open_store
from t2vbatch.plan import Plan, check_rows, make_plan
from t2vbatch.plan.media import Hints
from t2vbatch.storage.access import check_access
from t2vbatch.storage.files import local_path
from t2vbatch.storage.writable import check_writable


@dataclass(frozen=True)
class Prepared:
    """A job that has passed every check that can be made beforehand."""

    job: Job
    facts: Mapping[str, ModelFacts]
    plan: Plan


def prepare_file(path: str | Path, overrides: Sequence[str] = (), update_models: bool = False) -> Prepared:
    """Read a job file with ``key.path=value`` overrides, check the job and plan it, as ``prepare`` does.

    The error has the problems of the file and those of the checks of its valid parts.
    """
    return prepare_draft(load_draft(path, overrides), update_models)


def prepare(job: Job, update_models: bool = False) -> Prepared:
    """Check the job and plan it.

    Args:
        update_models: look up again what the Hub revisions mean, instead of using the pins of the output.

    Raises:
        UsageError: the problem, with file and line of the job; a CombinedJobError for several.
    """
    return prepare_draft(Draft(job), update_models)


def prepare_draft(draft: Draft, update_models: bool = False) -> Prepared:
    """Check a job that may have problems already, and plan it; the error has those problems too."""
    job, problems = draft.job, ErrorCollector(draft.problems)
    before = None
    if draft.is_valid("output"):
        with problems.collect():
            _check_output(job.output)
            before = _job_before(job.output)
    if before and not update_models:
        job = job.model_copy(update={"pins": {**before.pins, **job.pins}})
    with using_pins(job.pins) as found:
        prepared = _prepare(replace(draft, job=job), before, problems)
    pins = {**find_pins(prepared.job, prepared.facts), **found, **job.pins}
    return replace(prepared, job=prepared.job.model_copy(update={"pins": pins}))


def _prepare(draft: Draft, before: Job | None, problems: ErrorCollector) -> Prepared:
    manifest = None
    asked, job = draft.job, with_kept_batches(draft.job, before)
    model_problems = ErrorCollector()
    facts = _facts(job, job.limits if draft.is_valid("limits") else UNLIMITED, model_problems)
    all_models = draft.all_models and len(facts) == len(job.models)
    hints = open_store(job.output).read_hints() if before else Hints()
    if draft.is_valid("manifest"):
        with problems.collect():
            _check_manifest(job.manifest)
            if draft.is_valid(*OF_MANIFEST):
                options = _options(job, facts if all_models else None, before, hints)
                manifest = read_manifest(job.manifest, job.allow_paths, job.limits, options)
    if draft.is_valid("metrics"):
        with problems.collect():
            job_metrics(job)
    with problems.collect():
        model_problems.raise_if_any()
    # After the models, whose scorer may be a default: what a user names comes first.
    if all_models and draft.is_valid("metrics", "clip"):
        with problems.collect():
            check_metrics(job)
    with problems.collect():
        check_distances(job)
    if problems.errors and manifest is not None and all_models:
        with problems.collect():
            check_rows(manifest, job, facts)
    with job.with_location():
        problems.raise_if_any()
        assert manifest is not None
        plan = make_plan(manifest, job, facts, hints.media, hints.fan_out)
    job = with_forced_batches(job, facts, plan)
    notes = (*plan.notes, *batch_notes(asked, job), *_memory_notes(job, facts))
    return Prepared(job, facts, replace(plan, notes=notes))


def _job_before(output: str) -> Job | None:
    """The resolved job of the output's last run."""
    with contextlib.suppress(UsageError, StoreError):
        return open_store(output).read_known_job()
    return None


def _options(
    job: Job, facts: Mapping[str, ModelFacts] | None, before: Job | None, hints: Hints
) -> ManifestOptions:
    """How the job reads its manifest. Without the facts of all models, every media column counts as read.

    Images that the last plan checked with the same limits are not checked again while they do not change.
    """
    reads = frozenset(MEDIA)
    if facts is not None:
        reads = frozenset().union(*(one.accepts for one in facts.values()))
    checked = hints.images if before and before.limits == job.limits else {}
    return ManifestOptions(job.columns, tuple(job.media.allow), job.on_bad_row == "record", reads, checked)


def _facts(job: Job, limits: Limits, problems: ErrorCollector) -> dict[str, ModelFacts]:
    """What is known of each model that can be used; the problems of the others are collected."""
    there = {}
    for name, model in job.models.items():
        with problems.collect():
            if is_checkpoint(model.pipeline):
                check_folder(f"models.{name}.path", model.path)
            there[name] = model
    if not there:
        return {}
    from t2vbatch.models import inspect_model

    facts = {}
    for name, model in there.items():
        with problems.collect():
            facts[name] = inspect_model(name, pin(model, job.pins), limits)
    return facts


def _memory_notes(job: Job, facts: Mapping[str, ModelFacts]) -> Iterator[str]:
    """What this machine lacks for the models, if the workers will run on it.

    These are notes only: finished samples need no worker, and a worker that starts checks again and refuses.
    """
    if job.engine == "ray" and job.ray.address is not None:
        return
    # Imported here, because a refused job needs no engine.
    from t2vbatch.engines.devices import local_gpus
    from t2vbatch.models import memory_problems

    device = "cuda" if job.workers.gpus != 0 and local_gpus() else "cpu"
    for name, model in job.models.items():
        with job.with_location(f"models.{name}"):
            for problem in memory_problems(model, facts[name], device, probe=False):
                yield f"models.{name}.{problem}"


def _check_output(uri: str) -> None:
    path = local_path(uri)
    if path is not None:
        check_writable("output", path, JobError)
    try:
        folder = open_store(uri, "output", JobError).folder
    except StoreError as error:
        raise JobError("output", uri, "a local path or an s3://, gs:// or az:// URI") from error
    if found := foreign_files(folder):
        raise JobError(
            "output",
            f"{uri}, which contains files that no run wrote: {', '.join(found)}",
            "a new folder, or the output of an earlier run",
            "name another folder; a run would replace these files",
        )


def _check_manifest(uri: str) -> None:
    path = local_path(uri)
    if path is None:
        folder, _, name = uri.rstrip("/").rpartition("/")
        check_access(folder, name, "manifest", JobError)
    if path is None or path.exists():
        return
    beside = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    near = closest(path.name, beside)
    hint = (
        f"did you mean {near!r}?"
        if near
        else "a file or folder; a path in the job is relative to the job file"
    )
    raise JobError("manifest", f"{path}: no such file", hint)
