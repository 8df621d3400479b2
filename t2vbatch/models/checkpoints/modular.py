"""Loads a modular pipeline of diffusers: its own blocks, and each part from its files.

diffusers itself logs a part that it cannot load, and goes on without it. Here that is an error. Code of a
repository is never run.
"""

from typing import Any

import torch

from t2vbatch.job import Model
from t2vbatch.models.calls.modular import blocks_of
from t2vbatch.models.checkpoints.checkpoint import planned_checkpoint
from t2vbatch.models.checkpoints.components import Component, planned_components
from t2vbatch.models.checkpoints.index import part_class, read_index
from t2vbatch.models.checkpoints.load_component import load_component
from t2vbatch.models.checkpoints.quantization import quantization
from t2vbatch.models.checkpoints.sources import CheckpointFiles
from t2vbatch.models.protocol import ModelFacts


def modular_with_weights(pipeline: Any, spec: Model, facts: ModelFacts) -> Any:
    """The pipeline with its weights.

    Args:
        pipeline: its class.
        facts: of ``spec``; the commits in them are loaded.

    Raises:
        ModelError: a file is missing, or does not hold the weights that the job names.
        NodeError: the local files are not those of the plan.
        Exception: any error of the library that loads the weights.
    """
    checkpoint = planned_checkpoint(spec, facts.identity["weights"])
    index = read_index(checkpoint.source, spec) or {}
    loaded = pipeline(blocks=_silent(blocks_of(pipeline)))
    own = {
        name: _own_part(name, index[name], checkpoint.source, spec)
        for name in loaded.pretrained_component_names
        if isinstance(index.get(name), list) and index[name][1] is not None
    }
    parts = own | planned_components(spec, checkpoint.source, facts.identity["components"])
    quantized = quantization("", spec, index)
    settings = {one.name: index[one.name] for one in loaded.blocks.expected_configs if one.name in index}
    found = {name: part and _loaded(part, spec, quantized.get(name)) for name, part in parts.items()}
    loaded.update_components(**settings)
    if getattr(loaded, "requires_safety_checker", False):
        _set_checker(loaded, found)
    loaded.update_components(**found)
    return loaded


def _silent(blocks: Any) -> Any:
    """The blocks without their progress bars."""
    for block in blocks.sub_blocks.values():
        if hasattr(block, "set_progress_bar_config"):
            block.set_progress_bar_config(disable=True)
        _silent(block)
    return blocks


def _own_part(name: str, listed: list[str], source: CheckpointFiles, spec: Model) -> Component:
    given = {} if spec.variant is None else {"variant": spec.variant}
    return Component("path", given, part_class(listed), source, name)


def _loaded(part: Component, spec: Model, quantized: Any) -> Any:
    dtype = getattr(torch, part.given.get("dtype", spec.dtype))
    return load_component(part, dtype, spec.allow_pickle, quantized)


def _set_checker(pipeline: Any, parts: dict[str, Any]) -> None:
    """Use the job's safety checker, the pipeline's own, or none where the job leaves it out."""
    if "safety_checker" in parts and parts["safety_checker"] is None:
        pipeline.disable_safety_checker()
    else:
        pipeline.enable_safety_checker(parts.get("safety_checker"))
    # It is no component of the pipeline.
    parts.pop("safety_checker", None)
