"""Converts a pipeline's output to sound, from every form in which diffusers' pipelines return it.

The sound is read from the output and its rate from the pipeline's parts. Values are checked before they
become integers: afterwards NaN would be a click.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from diffusers import ModelMixin

from t2vbatch.errors import DegenerateError, RowError
from t2vbatch.media.audio import Audio
from t2vbatch.models.calls.outputs import as_array

_FIELDS = ("audio", "sound")
_RATES = ("output_sampling_rate", "sampling_rate", "sample_rate")
"""Config entries with a rate, in order of preference: a vocoder may raise the rate of its autoencoder."""


def to_audio(output: Any, count: int, rate_hz: int | None) -> list[Audio | None]:
    """The sound of each of the ``count`` videos in a pipeline's output; None for each if there is no sound.

    Args:
        output: a pipeline output. Its sound is numpy or torch, float in [-1, 1] or int16, (channels, N) or
            (N,); several sounds have a batch axis or are in a list.
        rate_hz: values a second; None: unknown.

    Raises:
        DegenerateError: the sound holds NaN or infinity.
        RowError: the sound has another shape, or its rate is unknown.
    """
    found = next((value for name in _FIELDS if (value := getattr(output, name, None)) is not None), None)
    if found is None:
        return [None] * count
    if rate_hz is None:
        raise RowError(
            "the pipeline made a sound, but no config of its parts has the sampling rate; "
            "give its class an attribute audio_sample_rate, in Hz"
        )
    return [Audio(_rounded(sound), rate_hz) for sound in _split(found, count)]


def sound_rate(pipeline: Any) -> int | None:
    """Values a second of the sound that a pipeline makes; None if neither its parts nor its class have it."""
    configs = [part.config for part in pipeline.components.values() if isinstance(part, ModelMixin)]
    rates = [getattr(config, name, None) for name in _RATES for config in configs]
    rates.append(getattr(pipeline, "audio_sample_rate", None))
    return next((rate for rate in rates if isinstance(rate, int)), None)


def _split(found: Any, count: int) -> Sequence[npt.NDArray[Any]]:
    """One waveform (channels, N) for each video; with several videos, the first of two axes is the batch."""
    if isinstance(found, list | tuple):
        sounds = [as_array(sound) for sound in found]
    else:
        array = as_array(found)
        sounds = list(array) if array.ndim == 3 or (array.ndim == 2 and count > 1) else [array]
    sounds = [sound[None] if sound.ndim == 1 else sound for sound in sounds]
    if len(sounds) != count or any(sound.ndim != 2 or len(sound) not in (1, 2) for sound in sounds):
        shapes = ", ".join(str(sound.shape) for sound in sounds)
        raise RowError(f"the pipeline made sounds of shape {shapes}; expected {count} of (1 or 2, N)")
    return sounds


def _rounded(sound: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    if sound.dtype == np.int16:
        return sound
    if bad := int((~np.isfinite(sound)).sum()):
        raise DegenerateError(
            f"{bad} of {sound.size} values of the sound are NaN or infinite; "
            "a wider dtype (bfloat16, float32) may help"
        )
    return (sound.clip(-1, 1) * 32767).round().astype(np.int16)
