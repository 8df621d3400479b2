"""What a score depends on besides its video: the metric, its options and its weights, as a digest.

A record keeps the digest of each of its scores, so that values of two scorers never enter one mean.
"""

import hashlib

from pydantic import BaseModel

from t2vbatch.canonical import digest
from t2vbatch.job import Job
from t2vbatch.metrics.program_file import find_program
from t2vbatch.metrics.protocol import Metric
from t2vbatch.metrics.registry import job_metrics
from t2vbatch.metrics.weights import locate
from t2vbatch.models.pins import using_pins

_NOT_IDENTITY = {"path", "revision", "processor", "head", "timeout_s"}
"""Weights are identified by their content, so moving them changes nothing; nor does a time limit."""
_DIGITS = 16


def score_identities(job: Job) -> dict[str, str]:
    """The digest of what decides a score, by score column."""
    metrics = job_metrics(job)
    with using_pins(job.pins):
        digests = {name: digest(_identity(job, name, metric))[:_DIGITS] for name, metric in metrics.items()}
    return {column: digests[name] for name, metric in metrics.items() for column in metric.columns}


def _identity(job: Job, name: str, metric: Metric) -> dict[str, object]:
    options = metric.model_dump(exclude=_NOT_IDENTITY) if isinstance(metric, BaseModel) else job.metrics[name]
    identity: dict[str, object] = {
        "options": options,
        "weights": [locate(weights).identity() for weights in metric.weights],
        "version": getattr(metric, "VERSION", None),
    }
    if program := getattr(metric, "program", None):
        # The text and not the place: the same program may be elsewhere on another machine.
        file = find_program(program)
        text = hashlib.sha256(file.path.read_bytes()).hexdigest()
        identity |= {"options": {**options, "program": text}, "packages": sorted(file.constraints)}
    return identity
