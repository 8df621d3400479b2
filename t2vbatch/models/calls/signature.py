"""What a pipeline's call takes, read from its signature: the one road for every pipeline.

Owns the roles of parameters. It calls nothing and loads no weights.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from t2vbatch.canonical import NotCanonicalError, canonical
from t2vbatch.models.families import family

MEDIA: Mapping[str, tuple[str, ...]] = {
    "image": ("conditions", "image", "cond_image", "ref_image", "reference_images"),
    "last_image": ("conditions", "last_image"),
    "video": ("conditions", "video", "face_video", "reference_conditions"),
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
"""Manifest column: the call parameters that it can fill; of those that a pipeline has, the first is meant."""

CONTROLS = frozenset({"control_video", "conditioning_frames", "controls", "pose_video"})
"""Parameters without which a call raises, though their annotations let them be None."""

SHARED = frozenset({"conditions"})
"""Parameters that several columns fill together; any other belongs to one column."""

FRAMES = ("num_frames", "video_length", "frames", "segment_frame_length")
"""Names under which pipelines take the number of frames."""

FPS = ("frame_rate", "fps", "target_fps")
"""Names under which pipelines take the frame rate."""

CALLBACKS = ("callback_on_step_end", "callback")
"""Names under which pipelines take a function that is called after each denoising step; the second is an
older form of the first, with other arguments."""

_PLUMBING = re.compile(
    r"self|args|kwargs|generator|seed|return_dict|output_type|callback.*|.*latents?|.*_embeds(_.*)?|"
    r".*_attention_mask|prompt_cu_seqlens|num_(videos|images)_per_prompt|ip_adapter_.*|"
    r"(control|control_camera|pose|face|background|mask)_video|mask|.*conditions|.*_images?|controls"
)
"""What t2vbatch fills itself, and what has no form in a job file: tensors and functions."""


@dataclass(frozen=True)
class CallSignature:
    """What a call takes.

    Attributes:
        parameters: names that a job or a row may set.
        defaults: the call's own values of them, where they have a canonical form.
        media: manifest column: parameter.
        types: annotations of those parameters.
        requires: manifest columns without which no call is possible.
        negative_prompt, generator, output_type: whether the call has that parameter.
        batchable: whether lists of prompts are taken and no media are wanted; with media, what a list
            means differs from pipeline to pipeline, and one that misreads it raises nothing.
        frames, fps: name of the parameter for the number of frames and their rate, if there is one.
        callback: name of the parameter for a function that is called after each step, if there is one.
    """

    parameters: frozenset[str]
    defaults: Mapping[str, Any]
    media: Mapping[str, str]
    types: Mapping[str, Any]
    requires: frozenset[str]
    prompt: bool
    negative_prompt: bool
    generator: bool
    output_type: bool
    batchable: bool
    frames: str | None
    fps: str | None
    callback: str | None

    @property
    def accepts(self) -> frozenset[str]:
        """Manifest columns that the call can take."""
        prompts = [("prompt", self.prompt), ("negative_prompt", self.negative_prompt)]
        return frozenset([*self.media, *(name for name, there in prompts if there)])


@cache
def read_signature(pipeline: Any) -> CallSignature:
    """What ``pipeline.__call__`` takes."""
    parameters = inspect.signature(pipeline.__call__).parameters
    hints = _hints(pipeline)
    frames_from = family(pipeline.__name__).frames_from
    media = {frames_from: "image"} if frames_from else _media(frozenset(parameters))
    settable = frozenset(
        name
        for name in parameters
        if not _PLUMBING.fullmatch(name)
        and name not in ("prompt", "negative_prompt")
        and name not in media.values()
    )
    needed = {column for column, name in media.items() if _needed(parameters[name], hints.get(name))}
    alone = needed == set()
    # A call that takes an image or a video, and could do with either, names both without "| None".
    if {"image", "video"} <= needed and parameters[media["image"]].default is None:
        needed -= {"image", "video"}
    if "prompt" in parameters:
        needed.add("prompt")
    else:
        needed |= media.keys()
    if frames_from:
        needed.add(frames_from)
    if media.get("control") in CONTROLS:
        needed.add("control")
    return CallSignature(
        parameters=settable,
        defaults={
            name: parameters[name].default for name in settable if _has_canonical_default(parameters[name])
        },
        media=media,
        types={name: hints.get(name) for name in media.values()},
        requires=frozenset(needed),
        prompt="prompt" in parameters,
        negative_prompt="negative_prompt" in parameters,
        generator="generator" in parameters,
        output_type="output_type" in parameters,
        batchable=alone and "prompt" in parameters and _takes_list(hints.get("prompt")),
        frames=next((name for name in FRAMES if name in parameters), None),
        fps=next((name for name in FPS if name in parameters), None),
        callback=next((name for name in CALLBACKS if name in parameters), None),
    )


def _media(parameters: frozenset[str]) -> dict[str, str]:
    """Which parameter each column fills."""
    media: dict[str, str] = {}
    for column, names in MEDIA.items():
        taken = set(media.values()) - SHARED
        name = next((name for name in names if name in parameters and name not in taken), None)
        if name is not None:
            media[column] = name
    return media


def _hints(pipeline: type) -> Mapping[str, Any]:
    try:
        return get_type_hints(pipeline.__call__)
    except Exception:  # annotations of optional packages that are not installed
        return {}


def _needed(parameter: inspect.Parameter, hint: Any) -> bool:
    """Diffusers gives most needed inputs a default of None; the annotation tells, as it leaves None out."""
    if parameter.default is not None:
        return parameter.default is parameter.empty
    return hint is not None and NoneType not in get_args(hint)


def _takes_list(hint: Any) -> bool:
    return hint is None or any("list" in str(part).lower() for part in get_args(hint) or (hint,))


def _has_canonical_default(parameter: inspect.Parameter) -> bool:
    if parameter.default is parameter.empty:
        return False
    try:
        canonical(parameter.default)
    except NotCanonicalError:
        return False
    return True
