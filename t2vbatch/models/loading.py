"""From facts to a pipeline: weights, components, scheduler, LoRAs, savings, device, speed, in this order.

Only safetensors are read unless the job says otherwise, and no code of a repository is run.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers.quantizers.pipe_quant_config import PipelineQuantizationConfig
from transformers import CLIPTextModel

from t2vbatch.errors import ModelError
from t2vbatch.job import Model
from t2vbatch.models.checkpoint import INDEX, Checkpoint, from_single_file, holds, open_checkpoint
from t2vbatch.models.components import Component, find_components, hub_options
from t2vbatch.models.diffusers_model import DiffusersModel
from t2vbatch.models.facts import lora_source, memory_settings, scheduler_config
from t2vbatch.models.families import family
from t2vbatch.models.framewise import FramewiseModel
from t2vbatch.models.plugins import is_diffusers, resolve_class
from t2vbatch.models.protocol import ModelFacts, VideoModel
from t2vbatch.models.settings import MEMORY, OFFLOADS, SPEED, NoEffectError, Setting, options_of
from t2vbatch.models.sources import Source


def load_model(spec: Model, facts: ModelFacts, device: str) -> VideoModel:
    """Load a model onto ``device``, as ``inspect_model`` found it.

    Args:
        spec: the job's section for the model.
        facts: of the same section.
        device: ``cpu``, ``cuda``, ``cuda:1`` and the like.

    Raises:
        ModelError: when a setting has no effect on this pipeline, or a file is gone.
        Exception: whatever the library that loads it raises.
    """
    found: Any = resolve_class("pipeline", facts.pipeline)
    if not is_diffusers(found):
        model: VideoModel = found(spec, device)
        return model
    _silence()
    pipeline = _weighted(found, spec, facts)
    if spec.scheduler is not None:
        kind, config = scheduler_config("model", spec)
        pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **config)
    _add_loras(pipeline, spec)
    memory = dict.fromkeys(family(found.__name__).memory) | memory_settings(spec)
    savings = {name: value for name, value in memory.items() if name not in OFFLOADS}
    _apply(pipeline, MEMORY, savings, "memory", device)
    if torch.device(device).type == "cpu" or len(savings) == len(memory):
        pipeline.to(device)
    _apply(pipeline, MEMORY, {name: memory[name] for name in memory.keys() & OFFLOADS}, "memory", device)
    _apply(pipeline, SPEED, spec.speed, "speed", device)
    kind = FramewiseModel if family(found.__name__).frames_from else DiffusersModel
    return kind(pipeline, spec, facts, device)


def _silence() -> None:
    """Bars of thousands of calls, and of libraries, are not for the log of a run."""
    for name in ("diffusers.utils.logging", "transformers.utils.logging"):
        logging: Any = import_module(name)
        logging.disable_progress_bar()
        logging.set_verbosity_error()


def _weighted(pipeline: Any, spec: Model, facts: ModelFacts) -> Any:
    """The pipeline with its weights, from a checkpoint of diffusers' layout or from a single file."""
    checkpoint = open_checkpoint("model", spec, facts.identity["weights"])
    parts = _left_out(pipeline, checkpoint.source) | _components(spec, facts, checkpoint)
    dtype = getattr(torch, spec.dtype)
    if checkpoint.file is not None:
        parts = _outside(checkpoint, spec, parts) | parts
        loaded = from_single_file(pipeline, checkpoint, checkpoint.file, dtype, parts)
    else:
        loaded = pipeline.from_pretrained(
            checkpoint.source.location,
            dtype=dtype,
            variant=spec.variant,
            use_safetensors=None if spec.allow_pickle else True,
            **hub_options(checkpoint.commit),
            **parts,
            **_quantization(spec),
        )
    loaded.set_progress_bar_config(disable=True)
    for part in loaded.components.values():
        _mend_clip(part)
    return loaded


def _mend_clip(part: Any) -> None:
    """Give a CLIP text encoder of transformers 5 the name by which diffusers 0.42 finds its last layer.

    ``clip_skip`` reads ``text_encoder.text_model.final_layer_norm``; transformers 5 took that level away.
    """
    if isinstance(part, CLIPTextModel) and not hasattr(part, "text_model"):
        # Past torch's own __setattr__: a module that is its own child is walked for ever.
        object.__setattr__(part, "text_model", part)


def _left_out(pipeline: Any, source: Source) -> dict[str, None]:
    """The parts that the checkpoint itself leaves out; diffusers wants to be told so for some classes."""
    expected, _ = pipeline._get_signature_keys(pipeline)
    index = source.read_json(INDEX) or {}
    return {name: None for name in expected if index.get(name) == [None, None]}


def _outside(checkpoint: Checkpoint, spec: Model, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The text and image encoders that a single file does not hold, from the checkpoint that describes it."""
    index = checkpoint.source.read_json(INDEX) or {}
    named = {
        name: part[1] for name, part in index.items() if isinstance(part, list) and part[0] == "transformers"
    }
    found = {}
    for name, kind_name in named.items():
        kind = getattr(transformers, kind_name, object)
        if name not in parts and issubclass(kind, torch.nn.Module) and not holds(checkpoint, kind):
            component = Component(f"model.{name}", {}, kind, checkpoint.source, name)
            found[name] = component.load(getattr(torch, spec.dtype), spec.allow_pickle)
    return found


def _components(spec: Model, facts: ModelFacts, checkpoint: Checkpoint) -> dict[str, Any]:
    found = find_components("model", spec, checkpoint.source, facts.identity["components"])
    return {
        name: part and part.load(getattr(torch, part.given.get("dtype", spec.dtype)), spec.allow_pickle)
        for name, part in found.items()
    }


def _quantization(spec: Model) -> dict[str, Any]:
    asked = spec.speed.get("quantization")
    return {"quantization_config": PipelineQuantizationConfig(**asked)} if asked else {}


def _add_loras(pipeline: Any, spec: Model) -> None:
    if not spec.loras:
        return
    if not hasattr(pipeline, "load_lora_weights"):
        raise ModelError("loras", f"{len(spec.loras)} of them", "none: this pipeline takes no LoRA")
    weights = {}
    for index, lora in enumerate(spec.loras):
        name = str(lora.get("name", f"lora{index}"))
        source = lora_source(f"loras[{index}]", lora)
        file = source.file(lora.get("file", "pytorch_lora_weights.safetensors"))
        if file is None:
            raise ModelError(f"loras[{index}].path", "no weights", "a folder with safetensors")
        _load_lora(pipeline, index, file, name)
        weights[name] = float(lora.get("weight", 1.0))
    pipeline.set_adapters(list(weights), list(weights.values()))


def _load_lora(pipeline: Any, index: int, file: Path, name: str) -> None:
    """Diffusers passes over keys that fit nowhere; an adapter that reached no layer is refused."""
    try:
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=name)
    except (AttributeError, KeyError, ValueError, RuntimeError) as error:
        kind = type(pipeline).__name__
        raise ModelError(f"loras[{index}]", f"{file}, which {kind} cannot take: {error}") from error
    reached = {adapter for adapters in pipeline.get_list_adapters().values() for adapter in adapters}
    if name not in reached:
        raise ModelError(
            f"loras[{index}]", f"{file}, which changes no layer of this pipeline", "a LoRA made for it"
        )


def _apply(
    pipeline: Any, table: Mapping[str, Setting], given: dict[str, Any], section: str, device: str
) -> None:
    for name, value in given.items():
        try:
            table[name].apply(pipeline, options_of(value), device)
        except NoEffectError as error:
            raise ModelError(
                f"{section}: {name}",
                f"a setting without effect on {type(pipeline).__name__}: {error}",
                fix="leave it out",
            ) from error
        except (ValueError, TypeError, ImportError) as error:
            raise ModelError(f"{section}: {name}", f"{value!r}: {error}", table[name].meaning) from error
