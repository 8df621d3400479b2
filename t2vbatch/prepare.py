"""Everything that can be refused before something starts: a job becomes a plan, or one clear message.

Loads no weights; what is cheap to check is checked before what takes an import of torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from t2vbatch.job import Job
from t2vbatch.manifest import read_manifest
from t2vbatch.metrics import check_metrics
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.plan import Plan, make_plan


@dataclass(frozen=True)
class Prepared:
    """A job that has passed every check that can be made beforehand."""

    job: Job
    facts: Mapping[str, ModelFacts]
    plan: Plan


def prepare(job: Job) -> Prepared:
    """Check the job and plan it.

    Raises:
        UsageError: the first thing that is wrong.
    """
    manifest = read_manifest(job.manifest, job.allow_paths)
    check_metrics(job)
    from t2vbatch.models import inspect_model  # Brings torch and diffusers, which take seconds.

    facts = {name: inspect_model(name, model) for name, model in job.models.items()}
    return Prepared(job, facts, make_plan(manifest, job, facts))
