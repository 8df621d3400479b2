"""What the settings of ``memory:`` and ``speed:`` do to a loaded pipeline.

A setting without effect on this pipeline raises NoEffectError: each function counts its changes. On a CPU,
the settings that move weights do nothing.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import diffusers
import torch
from diffusers.hooks import apply_group_offloading

from t2vbatch.models.calls.modular import is_modular
from t2vbatch.models.checkpoints.quantization import is_quantized
from t2vbatch.models.checkpoints.settings import DENOISERS


class NoEffectError(ValueError):
    """The setting has no effect on this pipeline; the message says why."""


Options = Mapping[str, Any]
Apply = Callable[[Any, Options, str], None]
"""Changes a pipeline: called with the pipeline, the options and the device."""


def _denoisers(pipeline: Any) -> list[Any]:
    return [part for name in DENOISERS if (part := getattr(pipeline, name, None)) is not None]


def _parts(pipeline: Any) -> Iterator[Any]:
    return (part for part in pipeline.components.values() if isinstance(part, torch.nn.Module))


def _count_hooks(module: Any) -> int:
    """Number of diffusers' hooks on a network and its layers."""
    registries = (getattr(part, "_diffusers_hook", None) for part in module.modules())
    return sum(len(registry.hooks) for registry in registries if registry is not None)


def _vae_switch(flag: str, method: str) -> Apply:
    """Slicing and tiling: a flag of the autoencoder that one of its methods sets."""

    def apply(pipeline: Any, options: Options, device: str) -> None:
        able = [part for part in _parts(pipeline) if hasattr(part, flag)]
        for part in able:
            getattr(part, method)(**options)
        if not any(getattr(part, flag) for part in able):
            vae = type(getattr(pipeline, "vae", None)).__name__
            raise NoEffectError(f"its autoencoder ({vae}) has no {method}")

    return apply


def _forward_chunking(pipeline: Any, options: Options, device: str) -> None:
    able = [part for part in _denoisers(pipeline) if hasattr(part, "enable_forward_chunking")]
    for part in able:
        part.enable_forward_chunking(**{"chunk_size": 1, "dim": 1, **options})
    layers = (layer for part in able for layer in part.modules())
    if not any(getattr(layer, "_chunk_size", None) for layer in layers):
        raise NoEffectError("its denoiser has no feed-forward layers that can be chunked")


def _layerwise_casting(pipeline: Any, options: Options, device: str) -> None:
    able = [part for part in _denoisers(pipeline) if hasattr(part, "enable_layerwise_casting")]
    before = sum(map(_count_hooks, able))
    storage = getattr(torch, str(options.get("storage_dtype", "float8_e4m3fn")))
    for part in able:
        part.enable_layerwise_casting(storage_dtype=storage, compute_dtype=part.dtype)
    if sum(map(_count_hooks, able)) == before:
        raise NoEffectError("its denoiser has no layers that can be stored in another dtype")


def _is_cpu(device: str) -> bool:
    return torch.device(device).type == "cpu"


def _model_offload(pipeline: Any, options: Options, device: str) -> None:
    if _is_cpu(device):
        return
    if is_modular(type(pipeline)):
        manager = diffusers.ComponentsManager()
        for name, part in pipeline.components.items():
            manager.add(name, part)
        manager.enable_auto_cpu_offload(device=device, **options)
    else:
        pipeline.enable_model_cpu_offload(device=device, **options)


def _sequential_offload(pipeline: Any, options: Options, device: str) -> None:
    if _is_cpu(device):
        return
    if is_modular(type(pipeline)):
        _offload_layers(pipeline, device, options)
    else:
        pipeline.enable_sequential_cpu_offload(device=device, **options)


def _group_offload(pipeline: Any, options: Options, device: str) -> None:
    if _is_cpu(device):
        return
    given = {"use_stream": True, **options}
    if is_modular(type(pipeline)):
        _offload_layers(pipeline, device, given)
    else:
        pipeline.enable_group_offload(torch.device(device), **{"offload_type": "leaf_level", **given})


def _offload_layers(pipeline: Any, device: str, options: Options) -> None:
    """Group offloading of each network: a modular pipeline has no such method of its own."""
    for part in _parts(pipeline):
        apply_group_offloading(part, torch.device(device), **{"offload_type": "leaf_level", **options})


def _compile(pipeline: Any, options: Options, device: str) -> None:
    """Compile the repeated blocks if the network lists them: that takes seconds instead of minutes."""
    for part in _denoisers(pipeline):
        if getattr(part, "_repeated_blocks", None):
            part.compile_repeated_blocks(**{"fullgraph": True, **options})
        else:
            part.compile(**options)
    if not _denoisers(pipeline):
        raise NoEffectError("it has no denoiser that can be compiled")


def _attention_backend(pipeline: Any, options: Options, device: str) -> None:
    able = [part for part in _denoisers(pipeline) if hasattr(part, "set_attention_backend")]
    for part in able:
        part.set_attention_backend(options["name"])
    layers = (getattr(layer, "processor", None) for part in able for layer in part.modules())
    if not any(getattr(processor, "_attention_backend", None) for processor in layers):
        raise NoEffectError("its attention layers choose no backend")


def _cache(pipeline: Any, options: Options, device: str) -> None:
    kind = getattr(diffusers, str(options["name"]), None)
    if not (isinstance(kind, type) and kind.__name__.endswith("Config")):
        raise ValueError(f"diffusers has no cache called {options['name']!r}")
    if is_modular(type(pipeline)) and not _names_passes(pipeline.blocks):
        raise NoEffectError("its blocks do not tell a cache which pass of a step they run")
    able = [part for part in _denoisers(pipeline) if hasattr(part, "enable_cache")]
    given = {key: value for key, value in options.items() if key != "name"}
    if "current_timestep_callback" in kind.__dataclass_fields__:  # type: ignore[attr-defined]
        if not hasattr(type(pipeline), "current_timestep"):
            raise NoEffectError(
                f"{kind.__name__} reads the current timestep, which the pipeline does not have"
            )
        given["current_timestep_callback"] = lambda: pipeline.current_timestep
    before = sum(map(_count_hooks, able))
    for part in able:
        part.enable_cache(kind(**given))
    if sum(map(_count_hooks, able)) == before:
        raise NoEffectError(f"{kind.__name__} supports no layer of its denoiser")


def _names_passes(blocks: Any) -> bool:
    """Whether one of these blocks calls the denoiser within a cache context, which step caches need."""
    source = inspect.getsource(sys.modules[type(blocks).__module__])
    return "cache_context(" in source or any(map(_names_passes, blocks.sub_blocks.values()))


def _at_load(pipeline: Any, options: Options, device: str) -> None:
    """Check the effect of quantization, which happens while weights are read (see weights.py)."""
    for name in options:
        if not is_quantized(pipeline.components[name]):
            kind = type(pipeline.components[name]).__name__
            raise NoEffectError(f"no weight of its {name} ({kind}) was quantized")


def _after_load(pipeline: Any, options: Options, device: str) -> None:
    """Check the option; the call itself takes the encoders off the device (see calls/prompts.py)."""
    if options != {"name": "precompute"}:
        raise ValueError("expected precompute")


EFFECTS: Mapping[str, Apply] = {
    "model_cpu_offload": _model_offload,
    "sequential_cpu_offload": _sequential_offload,
    "group_offload": _group_offload,
    "vae_slicing": _vae_switch("use_slicing", "enable_slicing"),
    "vae_tiling": _vae_switch("use_tiling", "enable_tiling"),
    "forward_chunking": _forward_chunking,
    "layerwise_casting": _layerwise_casting,
    "compile": _compile,
    "attention_backend": _attention_backend,
    "cache": _cache,
    "text_encoder": _after_load,
    "quantization": _at_load,
}
"""Setting: its effect."""
