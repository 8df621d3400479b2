"""Loads a pipeline's weights: the checkpoint, the parts that the job replaces, quantization.

Only safetensors are read, unless the job allows pickles. Code of a repository is never run.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
import transformers
from diffusers import PipelineQuantizationConfig
from transformers import CLIPTextModel

from t2vbatch.job import Model
from t2vbatch.models.checkpoints.checkpoint import Checkpoint, planned_checkpoint
from t2vbatch.models.checkpoints.components import Component, planned_components
from t2vbatch.models.checkpoints.hub import hub_options
from t2vbatch.models.checkpoints.index import read_index
from t2vbatch.models.checkpoints.load_component import load_component
from t2vbatch.models.checkpoints.quantization import quantization
from t2vbatch.models.checkpoints.single_file_weights import from_single_file, holds
from t2vbatch.models.protocol import ModelFacts


def with_weights(pipeline: Any, spec: Model, facts: ModelFacts) -> Any:
    """The pipeline with its weights, from a checkpoint of diffusers' layout or from a single file.

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
    quantized = quantization("", spec, index)
    parts = _left_out(pipeline, index) | _components(spec, facts, checkpoint, quantized)
    dtype = getattr(torch, spec.dtype)
    if checkpoint.file is not None:
        parts = _outside(checkpoint, index, spec, parts) | parts
        loaded = from_single_file(pipeline, checkpoint, checkpoint.file, dtype, parts)
    else:
        loaded = pipeline.from_pretrained(
            checkpoint.source.location,
            dtype=dtype,
            variant=spec.variant,
            use_safetensors=None if spec.allow_pickle else True,
            **_switched_off(pipeline, spec),
            **hub_options(checkpoint.commit),
            **_quantized({name: config for name, config in quantized.items() if name not in parts}),
            **parts,
        )
    loaded.set_progress_bar_config(disable=True)
    for part in loaded.components.values():
        _mend_clip(part)
    return loaded


def _mend_clip(part: Any) -> None:
    """Let diffusers 0.42 find the last layer of a CLIP text encoder of transformers 5.

    ``clip_skip`` reads ``text_encoder.text_model.final_layer_norm``; transformers 5 removed ``text_model``.
    """
    if isinstance(part, CLIPTextModel) and not hasattr(part, "text_model"):
        # Not by torch's own __setattr__: a module that is its own child makes .modules() endless.
        object.__setattr__(part, "text_model", part)


def _left_out(pipeline: Any, index: Mapping[str, Any]) -> dict[str, None]:
    """The parts that the checkpoint leaves out; some classes of diffusers need an explicit None for them."""
    expected, _ = pipeline._get_signature_keys(pipeline)
    return {name: None for name in expected if index.get(name) == [None, None]}


def _switched_off(pipeline: Any, spec: Model) -> dict[str, bool]:
    """Switches off the safety checker in the constructor, which would otherwise construct one."""
    left_out = spec.components.get("safety_checker", ...) is None
    if not (left_out or spec.call.get("enable_safety_check") is False):
        return {}
    switches = inspect.signature(pipeline.__init__).parameters.keys() & {"enable_safety_checker"}
    return dict.fromkeys(switches, False)


def _outside(
    checkpoint: Checkpoint, index: Mapping[str, Any], spec: Model, parts: Mapping[str, Any]
) -> dict[str, Any]:
    """The text and image encoders that are not in the single file, from the checkpoint of its configs."""
    found = {}
    for name, part in index.items():
        library, class_name = part if isinstance(part, list) else (None, "")
        kind = getattr(transformers, class_name, object) if library == "transformers" else object
        if name not in parts and issubclass(kind, torch.nn.Module) and not holds(checkpoint, kind):
            component = Component(name, {}, class_name, checkpoint.source, name)
            found[name] = load_component(component, getattr(torch, spec.dtype), spec.allow_pickle)
    return found


def _components(
    spec: Model, facts: ModelFacts, checkpoint: Checkpoint, quantized: Mapping[str, Any]
) -> dict[str, Any]:
    found = planned_components(spec, checkpoint.source, facts.identity["components"])
    return {name: part and _loaded(part, spec, quantized.get(name)) for name, part in found.items()}


def _loaded(part: Component, spec: Model, quantized: Any) -> Any:
    dtype = getattr(torch, part.given.get("dtype", spec.dtype))
    return load_component(part, dtype, spec.allow_pickle, quantized)


def _quantized(configs: Mapping[str, Any]) -> dict[str, Any]:
    return {"quantization_config": PipelineQuantizationConfig(quant_mapping=dict(configs))} if configs else {}
