"""What a pipeline's call takes, read from its signature, as plain data.

This module decides the role of each parameter: a call argument, the place of a manifest column, an array, or
a parameter that t2vbatch sets itself. It calls nothing, loads no weights and does not import torch.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from t2vbatch.canonical import NotCanonicalError, canonical
from t2vbatch.manifest.columns import NAMED
from t2vbatch.models.calls.conditions import Condition, read_condition, setting_kinds
from t2vbatch.models.calls.modular import block_parameters, blocks_of, is_modular
from t2vbatch.models.calls.value_kinds import Kinds, details_of, kinds_of
from t2vbatch.models.families import family

MEDIA: Mapping[str, tuple[str, ...]] = {
    "image": ("conditions", "image", "cond_image", "ref_image", "reference_images"),
    "last_image": ("conditions", "last_image"),
    "video": ("conditions", "video", "face_video", "driving_video", "reference_conditions"),
    "control": (
        "control_video",
        "conditioning_frames",
        "controls",
        "pose_video",
        "mask_video",
        "mask",
        "reference_conditions",
    ),
}
"""Manifest column: the call parameters that it can fill. It fills the first of them that a pipeline has."""

CONTROLS = frozenset({"control_video", "conditioning_frames", "controls", "pose_video"})
"""Parameters that a call needs, though their annotations allow None."""

SHARED = frozenset({"conditions"})
"""Parameters that several columns fill together, all of them optional. Any other belongs to one column."""

SEGMENT = "segment_frame_length"
"""The parameter for the number of frames of a segment; the video has as many segments as its inputs."""

FRAMES = ("num_frames", "video_length", "frames", SEGMENT)
"""Names of the parameter for the number of frames."""

FPS = ("frame_rate", "fps", "target_fps")
"""Names of the parameter for the frame rate."""

CALLBACKS = ("callback_on_step_end", "callback")
"""Names of the parameter for a function that is called after each denoising step; the second one is an older
form with other arguments."""

_RESERVED: tuple[tuple[str, str], ...] = (
    ("prompt|negative_prompt", "use the manifest column {0}"),
    ("num_(videos|images)_per_prompt", "use samples: in the job"),
    ("generator|seed", "use seed: in the job, or the manifest column seed"),
    ("output_type|return_dict", "remove it: t2vbatch reads the frames from the output"),
    ("callback.*", "remove it: t2vbatch counts the steps"),
    (
        ".*latents?|.*_embeds(_.*)?|.*_attention_mask|prompt_cu_seqlens",
        "use a manifest column {0} of .npy files",
    ),
    ("ip_adapter_.*", "use the manifest column ip_adapter_image"),
    ("(control|control_camera|pose|face|background|mask)_video|mask|.*conditions|.*_images?|controls", ""),
)
"""Parameters that a job cannot set under ``call``, and what to use instead. The last pattern is media."""

_ARRAYS = ("Tensor", "ndarray")


@dataclass(frozen=True)
class CallSignature:
    """What a call takes.

    Attributes:
        parameters: names that a job or a row may set. Those of conditions are ``COLUMN_FIELD``.
        defaults: the call's own values of them, if they have a canonical form.
        media: manifest column: parameter.
        tensors: media parameters whose frames are given as one tensor: the order of its axes after the batch.
        conditions: media parameters that take condition objects: their class.
        arrays: parameters that may be an array from a file: ``Tensor``, ``ndarray``, ``list`` or ``tuple``.
        reserved: parameters that only t2vbatch sets: what to use instead.
        kinds: the kinds of values that each of ``parameters`` takes.
        requires: manifest columns that every call needs.
        replaced_by: column of ``requires``: the array that a row may have in its place.
        prompt, negative_prompt, generator, output_type: whether the call has that parameter.
        batchable: whether it takes lists of prompts and needs no media; with media, the meaning of a list
            differs between pipelines, and a wrong one raises no error.
        embeds: whether it takes ``prompt_embeds``.
        gives_tensors: whether its output type "pt" gives the values of "np" as a tensor on the device.
        frames, fps: the parameter for the number of frames and for their rate, or None.
        callback: the parameter for a function that is called after each step, or None.
    """

    parameters: frozenset[str]
    defaults: Mapping[str, Any]
    media: Mapping[str, str]
    tensors: Mapping[str, str]
    conditions: Mapping[str, Condition]
    arrays: Mapping[str, str]
    reserved: Mapping[str, str]
    kinds: Mapping[str, Kinds]
    requires: frozenset[str]
    replaced_by: Mapping[str, str]
    prompt: bool
    negative_prompt: bool
    generator: bool
    output_type: bool
    batchable: bool
    embeds: bool
    gives_tensors: bool
    frames: str | None
    fps: str | None
    callback: str | None

    @property
    def accepts(self) -> frozenset[str]:
        """Manifest columns that the call can use."""
        prompts = [("prompt", self.prompt), ("negative_prompt", self.negative_prompt)]
        return frozenset([*self.media, *(name for name, there in prompts if there)])


@cache
def read_signature(pipeline: Any) -> CallSignature:
    """What ``pipeline.__call__`` takes."""
    parameters, hints = _call_of(pipeline)
    frames_from = family(pipeline.__name__).frames_from
    media = {frames_from: "image"} if frames_from else _media(frozenset(parameters))
    conditions = {
        name: condition
        for name in set(media.values())
        if (condition := read_condition(name, hints.get(name)))
    }
    places = {name: column for column, name in reversed(media.items())}
    reserved = {name: advice for name in parameters if (advice := _advice(name, places)) is not None}
    settings = {
        f"{column}_{key}": default
        for column, name in media.items()
        if name in conditions
        for key, default in conditions[name].settings.items()
    }
    arrays = _arrays(parameters, hints, media)
    settable = frozenset(parameters) - {"self", "args", "kwargs"} - reserved.keys()
    defaults = {name: parameters[name].default for name in settable if _has_default(parameters[name])}
    return CallSignature(
        parameters=settable | settings.keys(),
        defaults={**settings, **defaults},
        media=media,
        tensors={name: axes for name in media.values() if (axes := _tensor_axes(name, hints.get(name)))},
        conditions=conditions,
        arrays=arrays,
        reserved=reserved,
        kinds=_kinds(settable, parameters, hints) | setting_kinds(media, hints),
        requires=_requires(pipeline, parameters, hints, media),
        replaced_by=_replaced_by(parameters, media, arrays),
        prompt="prompt" in parameters,
        negative_prompt="negative_prompt" in parameters,
        generator="generator" in parameters,
        output_type="output_type" in parameters,
        batchable=not any(_needed(parameters[name], hints.get(name)) for name in media.values())
        and "prompt" in parameters
        and _takes_list(hints.get("prompt")),
        embeds="prompt_embeds" in parameters,
        gives_tensors=_gives_tensors(pipeline),
        frames=next((name for name in FRAMES if name in parameters), None),
        fps=next((name for name in FPS if name in parameters), None),
        callback=next((name for name in CALLBACKS if name in parameters), None),
    )


def _call_of(pipeline: Any) -> tuple[Mapping[str, inspect.Parameter], Mapping[str, Any]]:
    """The parameters of the call, and their annotations."""
    if is_modular(pipeline):
        return block_parameters(blocks_of(pipeline))
    return inspect.signature(pipeline.__call__).parameters, _hints(pipeline)


def _media(parameters: frozenset[str]) -> dict[str, str]:
    """Which parameter each column fills."""
    media: dict[str, str] = {}
    for column, names in MEDIA.items():
        taken = set(media.values()) - SHARED
        name = next((name for name in names if name in parameters and name not in taken), None)
        if name is not None:
            media[column] = name
    return media | {name: name for name in NAMED if name in parameters}


def _advice(name: str, places: Mapping[str, str]) -> str | None:
    """What to use instead of a parameter that a job cannot set; None for a call argument."""
    if name in places:
        return f"use the manifest column {places[name]}"
    for pattern, advice in _RESERVED:
        if re.fullmatch(pattern, name):
            return advice.format(name) or f"use the manifest column {name}"
    return None


def _requires(
    pipeline: Any,
    parameters: Mapping[str, inspect.Parameter],
    hints: Mapping[str, Any],
    media: Mapping[str, str],
) -> frozenset[str]:
    """The manifest columns that every call needs."""
    own = {column: name for column, name in media.items() if column in MEDIA and name not in SHARED}
    needed = {column for column, name in own.items() if _needed(parameters[name], hints.get(name))}
    # A call that takes either an image or a video annotates both without "| None".
    if {"image", "video"} <= needed and parameters[media["image"]].default is None:
        needed -= {"image", "video"}
    needed -= {column for column in needed if _checks_for_none(pipeline, own[column])}
    if "prompt" in parameters:
        needed.add("prompt")
    elif own:
        needed |= own.keys()
    elif "latents" in parameters:
        needed.add("latents")
    if frames_from := family(pipeline.__name__).frames_from:
        needed.add(frames_from)
    if media.get("control") in CONTROLS:
        needed.add("control")
    return frozenset(needed)


def _checks_for_none(pipeline: Any, name: str) -> bool:
    """Whether the call itself tests a parameter for None, so that it is optional."""
    return f"if {name} is not None" in _source(pipeline)


def _replaced_by(
    parameters: Mapping[str, inspect.Parameter], media: Mapping[str, str], arrays: Mapping[str, str]
) -> dict[str, str]:
    """The column of latents that a row may have in place of a column of frames."""
    found = {column: f"{name}_latents" for column, name in media.items() if "video" in name}
    if "prompt" not in parameters:
        # A pipeline that goes on from another one's latents also encodes a video to latents.
        found |= dict.fromkeys(found, "latents")
    return {column: array for column, array in found.items() if array in arrays}


def _source(pipeline: Any) -> str:
    """The source of the call; empty if it is not written in Python, or for a modular pipeline."""
    if is_modular(pipeline):
        return ""
    try:
        return inspect.getsource(pipeline.__call__)
    except (OSError, TypeError):
        return ""


def _gives_tensors(pipeline: Any) -> bool:
    """Whether the output type reaches only the video processor, and decides nothing else in the call."""
    source = _source(pipeline)
    decided = re.findall(r"output_type\s*(?:==|!=|in)\s*([^:\n]+)", source)
    passed = re.search(r"\.postprocess_video\(\s*(?:video=)?\w+,\s*output_type=output_type\s*\)", source)
    once = source.count("postprocess_video(") == 1
    return bool(passed) and once and all("latent" in value for value in decided)


def _arrays(
    parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any], media: Mapping[str, str]
) -> dict[str, str]:
    """Parameters that may be an array, and the form in which the call takes it."""
    found = {}
    for name in parameters.keys() - media.values() - {"self", "args", "kwargs", "generator"}:
        said = str(hints.get(name, parameters[name].annotation))
        if "Image" in said or "Callable" in said or name.startswith("callback"):
            continue
        if any(kind in said for kind in _ARRAYS):
            found[name] = "Tensor" if "Tensor" in said else "ndarray"
        elif re.search(r"\b(list|tuple)\[", said.lower()) and "str" not in said:
            found[name] = "list" if re.search(r"\blist\[", said.lower()) else "tuple"
    return found


def _kinds(
    settable: frozenset[str], parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]
) -> dict[str, Kinds]:
    """The kinds of values of each parameter that a job can set."""
    kinds = {name: kinds_of(name, hints.get(name), _default(parameters[name])) for name in sorted(settable)}
    return {name: kind | details_of(name, hints.get(name), kind) for name, kind in kinds.items()}


def _default(parameter: inspect.Parameter) -> Any:
    return None if parameter.default is parameter.empty else parameter.default


def _tensor_axes(name: str, hint: Any) -> str:
    """The axes of frames that a call takes only as a tensor; empty if it takes images too.

    Both layouts are those of diffusers' documentation: of EasyAnimate, and of a video processor's input.
    """
    if getattr(hint, "__name__", "") == "FloatTensor":
        return "CTHW"
    members = {getattr(part, "__name__", "") for part in get_args(hint)}
    return "TCHW" if "video" in name and members == {"Tensor", "NoneType"} else ""


def _hints(pipeline: type) -> Mapping[str, Any]:
    try:
        return get_type_hints(pipeline.__call__)
    except Exception:  # an annotation of an optional package that is not installed
        return {}


def _needed(parameter: inspect.Parameter, hint: Any) -> bool:
    """Whether an input is needed. Most have the default None; then the annotation excludes None."""
    if parameter.default is not None:
        return parameter.default is parameter.empty
    return hint is not None and NoneType not in get_args(hint)


def _takes_list(hint: Any) -> bool:
    return hint is None or any("list" in str(part).lower() for part in get_args(hint) or (hint,))


def _has_default(parameter: inspect.Parameter) -> bool:
    """Whether the default has a canonical form."""
    if parameter.default is parameter.empty:
        return False
    try:
        canonical(parameter.default)
    except NotCanonicalError:
        return False
    return True
