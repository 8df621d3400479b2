"""Packages that a model needs besides our own dependencies, checked before anything is loaded.

diffusers imports some packages only when a call needs them, which may be hours into a run.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.models.calls.signature import CallSignature
from t2vbatch.models.catalog import absent
from t2vbatch.models.checkpoints.sources import CheckpointFiles
from t2vbatch.models.families import Need, family
from t2vbatch.models.pipelines import PipelineInfo


def check_packages(
    where: str,
    pipeline: PipelineInfo,
    spec: Model,
    source: CheckpointFiles,
    index: Mapping[str, Any],
    taken: CallSignature,
) -> None:
    """Refuse a model that lacks a package for all of its videos.

    Args:
        where: the model's key in the job.
        source: its checkpoint; ``index`` is its ``model_index.json``.
        taken: the signature of the pipeline's call.

    Raises:
        ModelError: with the packages to install.
    """
    for need in family(pipeline.name).needs:
        if need.component and not need.switches and spec.components.get(need.component, ...) is None:
            raise ModelError(
                f"{where}.components.{need.component}",
                f"null, and {pipeline.name} refuses every call without this part",
                "a class of your own, or the model's own part",
                f"remove the key, and pip install {need.package}",
            )
    if missing := absent(_needed(pipeline, spec, source, index, taken)):
        names = " ".join(sorted(set(missing)))
        raise ModelError(
            where,
            f"{pipeline.name}, which needs {names}; not installed on this machine",
            fix=f"pip install {names}",
        )


def lacking_columns(pipeline: PipelineInfo, spec: Model, taken: CallSignature) -> dict[str, str]:
    """Manifest columns that no row can use on this machine: the package to install."""
    lacking: dict[str, str] = {}
    for need in family(pipeline.name).needs:
        if columns := _columns(need, spec, taken.media.keys()):
            lacking |= dict.fromkeys(columns, "".join(absent([need.package])))
    return {column: f"{name}: pip install {name}" for column, name in lacking.items() if name}


def _needed(
    pipeline: PipelineInfo,
    spec: Model,
    source: CheckpointFiles,
    index: Mapping[str, Any],
    taken: CallSignature,
) -> Iterator[str]:
    """Import names of the packages that this checkpoint and this job need for every row."""
    config = source.read_json("transformer/config.json") or {}
    for need in family(pipeline.name).needs:
        switched_off = any(spec.call.get(name, index.get(name)) is False for name in need.switches)
        brought = need.component and need.component in spec.components
        if brought or switched_off or (need.flag and not config.get(need.flag)):
            continue
        if not need.columns or _columns(need, spec, taken.requires):
            yield need.package
    for part in index.values():
        # Processors for both images and videos exist only with torchvision.
        if isinstance(part, list) and str(part[-1]).endswith("VLProcessor"):
            yield "torchvision"
    if spec.loras:
        yield "peft"


def _columns(need: Need, spec: Model, columns: Collection[str]) -> set[str]:
    """The columns for which the model uses the package."""
    waived = {
        column for column in need.columns if spec.call.get(f"{column}_{need.waived_by}", 1) in (0, False)
    }
    return set(need.columns).intersection(columns) - waived
