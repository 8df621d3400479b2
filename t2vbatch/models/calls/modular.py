"""What a modular pipeline of diffusers takes, in the form of a call.

Such a pipeline is made of blocks, and its call takes the inputs of all blocks. The strength of guidance is a
setting of its guiders, which are parts of the pipeline. This module gives both as parameters of one call, by
the names that other pipelines use: ``guidance_scale``, ``guidance_scale_2``, ``audio_guidance_scale``.
"""

import inspect
from importlib import import_module
from typing import Any

_CONDITIONS = {"conditions": "LTX2VideoCondition", "reference_conditions": "LTX2ReferenceCondition"}
"""Inputs that blocks annotate only as a list: the class of its entries."""

_LEFT_OUT = (
    "action",
    "batch_size",
    "chunk_id",
    "control_videos",
    "memory_audio_sample_rates",
    "memory_audio_waveforms",
    "references",
)
"""Inputs that blocks count themselves, or whose values no manifest can hold."""

_PLAIN = (int, float, bool, str, list[float])
"""Annotations of values that a user can also set where another block makes them."""


def is_modular(pipeline: type) -> bool:
    """Whether a class is a modular pipeline; this imports nothing."""
    return hasattr(pipeline, "default_blocks_name")


def blocks_of(pipeline: Any) -> Any:
    """The blocks of a modular class."""
    return pipeline().blocks


def guidance_settings(blocks: Any) -> dict[str, tuple[str, str]]:
    """Parameter of the call: the guider that has this setting, and the setting's own name."""
    return {
        _named(component.name, setting): (component.name, setting)
        for component in blocks.expected_components
        if "guider" in component.name
        for setting in component.config or ()
    }


def block_parameters(blocks: Any) -> tuple[dict[str, inspect.Parameter], dict[str, Any]]:
    """The parameters of the call of these blocks, and their annotations.

    A value that one block passes to another is left out, except for plain values and noise: users set those.
    """
    passed = {output.name for output in blocks.intermediate_outputs} - {"latents", "audio_latents"}
    inputs = {taken.name: taken for taken in blocks.inputs if taken.name and taken.name not in _LEFT_OUT}
    if "conditions" in inputs:
        inputs.pop("image", None)  # The column image becomes a condition.
    always = _always_given(blocks)
    parameters, hints = {}, {}
    for name, taken in inputs.items():
        hint = _hint(taken)
        if name in passed and taken.type_hint not in _PLAIN:
            continue
        needed = taken.default is None and (taken.required or name in always)
        parameters[name] = _parameter(name, inspect.Parameter.empty if needed else taken.default)
        if hint is not None:
            hints[name] = hint if needed else hint | None
    configs = {part.name: part.config for part in blocks.expected_components}
    for name, (guider, setting) in guidance_settings(blocks).items():
        parameters.setdefault(name, _parameter(name, configs[guider][setting]))
    return parameters, hints


def _always_given(blocks: Any) -> frozenset[str]:
    """The inputs that each way to use these blocks needs: a call without them runs none of the ways."""
    ways = (blocks._workflow_map or {}).values()
    needed = [frozenset(one) for way in ways for one in (way if isinstance(way, tuple) else (way,))]
    return frozenset.intersection(*needed) if needed else frozenset()


def _named(guider: str, setting: str) -> str:
    """``audio_guider`` gives its settings a prefix, ``guider_2`` a suffix, ``guider`` neither."""
    before, _, after = guider.partition("guider")
    return f"{before}{setting}{after}"


def _parameter(name: str, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)


def _hint(taken: Any) -> Any:
    if taken.name in _CONDITIONS:
        return getattr(import_module("diffusers.pipelines.ltx2"), _CONDITIONS[taken.name])
    # Several prompts in one call are another form of output for each pipeline.
    return str if taken.name == "prompt" else taken.type_hint
