"""Loads a model.

The order: weights, scheduler, IP adapter, LoRAs, memory settings, device, offloads, speed settings.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import diffusers
import torch

from t2vbatch.errors import MemoryExceededError, ModelError
from t2vbatch.job import Model
from t2vbatch.media.reading import DEFAULT, Reading
from t2vbatch.models.calls.diffusers_model import DiffusersModel
from t2vbatch.models.calls.framewise import FramewiseModel
from t2vbatch.models.calls.modular import is_modular
from t2vbatch.models.calls.modular_model import ModularModel
from t2vbatch.models.calls.plugin_model import PluginModel
from t2vbatch.models.checkpoints.effects import EFFECTS, NoEffectError
from t2vbatch.models.checkpoints.ip_adapters import add_ip_adapter
from t2vbatch.models.checkpoints.loras import add_loras
from t2vbatch.models.checkpoints.memory_check import check_room
from t2vbatch.models.checkpoints.modular import modular_with_weights
from t2vbatch.models.checkpoints.settings import MEMORY, OFFLOADS, SPEED, Setting, options_of
from t2vbatch.models.checkpoints.weights import with_weights
from t2vbatch.models.facts import memory_settings, scheduler_config
from t2vbatch.models.families import family
from t2vbatch.models.plugins import check_plugin, is_diffusers, resolve_class
from t2vbatch.models.protocol import ModelFacts, VideoModel


def load_model(spec: Model, facts: ModelFacts, device: str, how: Reading = DEFAULT) -> VideoModel:
    """Load a model onto ``device``, as ``inspect_model`` found it.

    Args:
        spec: the job's section for the model.
        facts: of the same section.
        device: ``cpu``, ``cuda``, ``cuda:1`` and the like.
        how: how media are decoded.

    Raises:
        ModelError: a setting has no effect on this pipeline, a file is missing, or the disk is too small.
        MemoryExceededError: the device is too small.
        NodeError: the disk or the memory is too small, or local files are not those of the plan.
        Exception: any error of the library that loads the weights.
    """
    found: Any = resolve_class("pipeline", facts.pipeline)
    try:
        if not is_diffusers(found):
            check_plugin(found, facts.identity)
            return PluginModel(found(spec, device), spec.fps or facts.fps, how)
        return _load(found, spec, facts, device, how)
    except torch.OutOfMemoryError as error:
        raise MemoryExceededError(f"the model does not fit: {error}") from error


def _load(found: Any, spec: Model, facts: ModelFacts, device: str, how: Reading) -> VideoModel:
    _silence()
    check_room(spec, facts, device)
    pipeline = (modular_with_weights if is_modular(found) else with_weights)(found, spec, facts)
    if spec.scheduler is not None:
        name, config = scheduler_config("model", spec)
        pipeline.scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config, **config)
    add_ip_adapter(pipeline, spec, facts.identity.get("ip_adapter"))
    add_loras(pipeline, spec, facts.identity["loras"])
    memory = dict.fromkeys(family(found.__name__).memory) | memory_settings(spec)
    savings = {name: value for name, value in memory.items() if name not in OFFLOADS}
    _apply(pipeline, MEMORY, savings, "memory", device)
    if torch.device(device).type == "cpu" or len(savings) == len(memory):
        pipeline.to(device)
    _apply(pipeline, MEMORY, {name: memory[name] for name in memory.keys() & OFFLOADS}, "memory", device)
    _apply(pipeline, SPEED, spec.speed, "speed", device)
    return _model_class(found)(pipeline, spec, facts, device, how)


def _model_class(pipeline: type) -> type[DiffusersModel]:
    if is_modular(pipeline):
        return ModularModel
    return FramewiseModel if family(pipeline.__name__).frames_from else DiffusersModel


def _silence() -> None:
    """Switch off the progress bars and warnings of the libraries: a run's log would have thousands."""
    for name in ("diffusers.utils.logging", "transformers.utils.logging"):
        logging: Any = import_module(name)
        logging.disable_progress_bar()
        logging.set_verbosity_error()


def _apply(
    pipeline: Any, table: Mapping[str, Setting], given: dict[str, Any], section: str, device: str
) -> None:
    for name, value in given.items():
        try:
            EFFECTS[name](pipeline, options_of(value), device)
        except NoEffectError as error:
            raise ModelError(
                f"{section}: {name}",
                f"a setting without effect on {type(pipeline).__name__}: {error}",
                fix="remove the key",
            ) from error
        except (ValueError, TypeError, ImportError) as error:
            raise ModelError(f"{section}: {name}", f"{value!r}: {error}", table[name].meaning) from error
