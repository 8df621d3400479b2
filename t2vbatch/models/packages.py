"""Packages that a model needs besides our own dependencies, checked before anything is loaded.

diffusers imports some packages only when a call needs them, which may be hours into a run.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.models.calls.signature import CallSignature
from t2vbatch.models.catalog import absent
from t2vbatch.models.checkpoints.sources import Source
from t2vbatch.models.families import Need, family


def check_packages(
    where: str, pipeline: type, spec: Model, source: Source, index: Mapping[str, Any], taken: CallSignature
) -> None:
    """Refuse a model that lacks a package for all of its videos.

    Args:
        where: the model's key in the job.
        source: its checkpoint; ``index`` is its ``model_index.json``.
        taken: the signature of the pipeline's call.

    Raises:
        ModelError: with the packages to install.
    """
    if missing := absent(_needed(pipeline, spec, source, index, taken)):
        names = " ".join(sorted(set(missing)))
        raise ModelError(
            where,
            f"{pipeline.__name__}, which needs {names}; not installed on this machine",
            fix=f"pip install {names}",
        )


def lacking_columns(pipeline: type, spec: Model, taken: CallSignature) -> dict[str, str]:
    """Manifest columns that no row can use on this machine: the package to install, by its name for pip."""
    lacking: dict[str, str] = {}
    for need in family(pipeline.__name__).needs:
        if need.columns and _called_for(need, spec, need.columns) and (missing := absent([need.package])):
            lacking |= dict.fromkeys(need.columns & taken.media.keys(), missing[0])
    return lacking


def _needed(
    pipeline: type, spec: Model, source: Source, index: Mapping[str, Any], taken: CallSignature
) -> Iterator[str]:
    """Import names of the packages that this checkpoint and this job need for every row."""
    config = source.read_json("transformer/config.json") or {}
    for need in family(pipeline.__name__).needs:
        if _called_for(need, spec, taken.requires) and (not need.flag or config.get(need.flag)):
            yield need.package
    for part in index.values():
        # Processors for both images and videos exist only with torchvision.
        if isinstance(part, list) and str(part[-1]).endswith("VLProcessor"):
            yield "torchvision"
    if spec.loras:
        yield "peft"


def _called_for(need: Need, spec: Model, columns: frozenset[str]) -> bool:
    """Whether the model uses the package for rows with these columns."""
    brought = spec.components.get(need.component) is not None
    waived = need.waived_by in spec.call and not spec.call[need.waived_by]
    return not brought and not waived and (not need.columns or bool(need.columns & columns))
