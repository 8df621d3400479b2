"""How input images and videos are decoded: within which limits, and on which background.  [pure]"""

from dataclasses import dataclass

from t2vbatch.job import LIMITS, Job, Limits

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

_NAMED = {"white": (255, 255, 255), "black": (0, 0, 0), "gray": (128, 128, 128), "grey": (128, 128, 128)}


@dataclass(frozen=True)
class Reading:
    """How inputs are decoded.

    Attributes:
        limits: the job's limits; None for files that this program wrote.
        background: the colour behind transparent pixels.
    """

    limits: Limits | None = LIMITS
    background: Colour = (255, 255, 255)


DEFAULT = Reading()
"""The default limits, on white."""

TRUSTED = Reading(limits=None)
"""Without limits, for files that this program wrote."""


def reading_of(job: Job, model: str) -> Reading:
    """How the inputs of a job's model are decoded."""
    return Reading(job.limits, colour(job.models[model].background))


def colour(text: str) -> Colour:
    """The colour of the job key ``background``: ``white``, ``black``, ``gray`` or ``#rrggbb``."""
    if text in _NAMED:
        return _NAMED[text]
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue
