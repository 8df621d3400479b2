"""What a job makes the user's machine run, load or give away.  [pure]

A job file of the user is trusted. The job.yaml of an output may be another person's: commands that follow it
ask about these uses first.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from t2vbatch.job.job import Job

_LIBRARIES = ("t2vbatch", "diffusers", "transformers")


@dataclass(frozen=True)
class CodeUse:
    """One use.

    Attributes:
        key: the key of the job.
        what: what it does, as text for a message.
    """

    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.key}: {self.what}"


def model_code(job: Job) -> Iterator[CodeUse]:
    """What its models import and load."""
    for name, model in job.models.items():
        key = f"models.{name}"
        if model.allow_pickle:
            yield CodeUse(f"{key}.allow_pickle", "loads pickled weights, which can run any code")
        named = {"pipeline": model.pipeline, "scheduler": model.scheduler, **model.components}
        named["speed"] = model.speed
        for part, value in named.items():
            own = f"{key}.components.{part}" if part in model.components else f"{key}.{part}"
            yield from (CodeUse(own, f"imports {module}") for module in _modules(value))


def _modules(value: Any) -> Iterator[str]:
    """The classes ``module:Name`` in a value, except those of the libraries."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in ("path", "config"):
                yield from _modules(item)
    elif isinstance(value, str) and ":" in value and "://" not in value and not _is_bundled(value):
        yield value


def _is_bundled(name: str) -> bool:
    return name.split(":")[0].split(".")[0] in _LIBRARIES


def metric_code(job: Job) -> Iterator[CodeUse]:
    """The programs that its metrics run."""
    for name, options in job.metrics.items():
        if "command" in options or "program" in options:
            # A program of t2vbatch too: its arguments may send videos, and the key of an endpoint, elsewhere.
            parts = [options.get(key) for key in ("command", "program", "arguments")]
            words = [word for part in parts for word in (part if isinstance(part, list) else [part])]
            shown = shlex.join(str(word) for word in words if word is not None)
            yield CodeUse(f"metrics.{name}", f"runs the program: {shown}")


def distance_code(job: Job) -> Iterator[CodeUse]:
    """The backbones of its distances that are programs."""
    for name, distance in job.distances.items():
        if distance.allow_pickle:
            what = f"loads {distance.backbone}, which can run any code"
            yield CodeUse(f"distances.{name}.allow_pickle", what)


def surroundings(job: Job) -> Iterator[CodeUse]:
    """The cluster that it connects to, and the environment variables that it reads."""
    if job.engine == "ray" and job.ray.address is not None:
        what = f"connects to {job.ray.address}, whose programs can run code here"
        yield CodeUse("ray.address", what)
    for name in job.variables:
        yield CodeUse(f"${{{name}}}", "reads this environment variable, which may be a secret")
