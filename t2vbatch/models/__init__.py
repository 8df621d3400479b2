"""Video generators: the protocol, loading and calling a diffusers pipeline, plug-ins, and the bundled model.

Importing this package is fast: planning needs ``t2vbatch.models.protocol`` without torch. The functions below
are imported when they are first used, some of them with torch and diffusers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from t2vbatch.models.catalog import PipelineCard, describe_pipeline, list_pipelines, missing_packages
    from t2vbatch.models.checkpoints.hub import hub_reachable
    from t2vbatch.models.checkpoints.loading import load_model
    from t2vbatch.models.checkpoints.memory_check import memory_problems
    from t2vbatch.models.determinism import set_up_torch
    from t2vbatch.models.facts import inspect_model

__all__ = [
    "PipelineCard",
    "describe_pipeline",
    "hub_reachable",
    "inspect_model",
    "list_pipelines",
    "load_model",
    "memory_problems",
    "missing_packages",
    "set_up_torch",
]

_HOMES = {
    "PipelineCard": "catalog",
    "describe_pipeline": "catalog",
    "hub_reachable": "checkpoints.hub",
    "inspect_model": "facts",
    "list_pipelines": "catalog",
    "load_model": "checkpoints.loading",
    "missing_packages": "catalog",
    "set_up_torch": "determinism",
    "memory_problems": "checkpoints.memory_check",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
