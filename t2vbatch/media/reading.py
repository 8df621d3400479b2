"""How input images and videos are decoded: within which limits, and on which background.  [pure]"""

from dataclasses import dataclass

import psutil

from t2vbatch.job import LIMITS, Job, Limits
from t2vbatch.media.decode_budget import OutputLimits

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

_NAMED = {"white": (255, 255, 255), "black": (0, 0, 0), "gray": (128, 128, 128), "grey": (128, 128, 128)}


@dataclass(frozen=True)
class Reading:
    """How inputs are decoded.

    Attributes:
        limits: the job's limits; None for files that this process has just written.
        background: the colour behind transparent pixels.
    """

    limits: Limits | None = LIMITS
    background: Colour = (255, 255, 255)


DEFAULT = Reading()
"""The default limits, on white."""

TRUSTED = Reading(limits=None)
"""Without limits, for files that this process has just written."""

OUTPUT = Reading(
    limits=OutputLimits(
        media_pixels=LIMITS.height * LIMITS.width,
        media_frames=LIMITS.num_frames,
        media_bytes=min(LIMITS.video_bytes, max(LIMITS.media_bytes, psutil.virtual_memory().total // 2)),
        media_decode_s=3600.0,
    )
)
"""The videos of an output folder: as large as a job may make them, and half of this machine's memory."""


def reading_of(job: Job, model: str) -> Reading:
    """How the inputs of a job's model are decoded."""
    return Reading(job.limits, colour(job.models[model].background))


def colour(text: str) -> Colour:
    """The colour of the job key ``background``: ``white``, ``black``, ``gray`` or ``#rrggbb``."""
    if text in _NAMED:
        return _NAMED[text]
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue
