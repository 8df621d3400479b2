"""What a model is to the rest of the house: one method, one request a sample, and facts known before loading.

A plug-in implements ``VideoModel`` and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from t2vbatch.manifest import Media
from t2vbatch.media.video import Video


@dataclass(frozen=True)
class Request:
    """What one sample asks of a model.

    ``call`` holds the arguments beside prompts, media and seed, complete: the model's own defaults, then the
    job's ``call``, then the row's columns. ``media`` is keyed by manifest column: ``image``, ``last_image``,
    ``video``, ``control``.
    """

    prompt: str | None
    negative_prompt: str | None
    seed: int
    media: Mapping[str, Media] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)


class VideoModel(Protocol):
    """A loaded model."""

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """Make one video a request, in their order, with its sound if the model makes one.

        The result is a function of the requests alone: the seed of each decides its noise, and nothing is
        left over from calls before. ``requests`` has the job's ``batch`` entries, all with equal ``call``.

        Raises:
            RowError: when the call raised, or an input is broken.
            DegenerateError: when the output is no video (NaN, infinity, no frames).
            MemoryExceededError: when the device ran out of memory.
            DeadlineError: from ``t2vbatch.models.steps.step_done``. A model that works in steps calls it
                after each step, and lets the error pass once it is ready for the next call.
        """


@dataclass(frozen=True)
class FrameRule:
    """The frame counts that a model can make: ``every * k + plus``, for k from 0 (from 1 where plus is 0)."""

    every: int = 1
    plus: int = 0

    def allows(self, count: int) -> bool:
        """Whether ``count`` is one of them."""
        return count >= max(1, self.plus) and (count - self.plus) % self.every == 0

    def nearest(self, count: int) -> tuple[int, ...]:
        """The valid counts next below and next above ``count``."""
        below = count - (count - self.plus) % self.every
        return tuple(near for near in (below, below + self.every) if self.allows(near))

    def __str__(self) -> str:
        return "any" if self.every == 1 else f"{self.every}k" + (f"+{self.plus}" if self.plus else "")


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model before it is loaded; plans, checks and identities are made from it.

    Attributes:
        identity: canonical values (see t2vbatch.canonical) of all that decides the pixels besides the
            request: weights (hub commit, or digest of the local files), pipeline, scheduler, dtype,
            components, LoRAs, pixel-changing memory settings, speed.
        parameters: names of the call arguments that a job or a row may set.
        call: the model's own defaults that a job's ``call`` is laid over, such as a small model's frame size.
        signature: defaults of the call's parameters, where they have one; for costs and for showing.
        requires: manifest columns without which no call is possible, such as ``prompt`` or ``image``.
        accepts: manifest columns that the call can take.
        fps: frames per second of the files, where the job does not say.
        token_limit: most tokens of a prompt that the text encoder reads; None where it has no limit.
        batchable: whether one call takes several requests.
        pipeline: the class that is called, as ``module:Name``.
        revision: commit of the hub repository; None for what is on this machine.
        frames_argument: the call argument that says how many frames are made, if there is one.
        frames: the values that it can take.
        lacking: manifest columns that no call can take here, each with the package to install for it.
        fps_argument: the call argument that says at what rate the model shall imagine its frames, if there
            is one; a sample's file is written at that rate, unless the job's ``fps`` says otherwise.
    """

    identity: Mapping[str, Any]
    parameters: frozenset[str]
    call: Mapping[str, Any]
    signature: Mapping[str, Any]
    requires: frozenset[str]
    accepts: frozenset[str]
    fps: float
    token_limit: int | None = None
    batchable: bool = True
    pipeline: str = ""
    revision: str | None = None
    frames_argument: str | None = None
    frames: FrameRule = field(default_factory=FrameRule)
    fps_argument: str | None = None
    lacking: Mapping[str, str] = field(default_factory=dict)
