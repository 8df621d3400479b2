"""The interface of a model: one method, one request for each sample, and facts known before it is loaded.

A plug-in implements ``VideoModel`` and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from t2vbatch.manifest import Media
from t2vbatch.media.video import Video


@dataclass(frozen=True)
class Request:
    """The input of a model for one sample.

    ``call`` holds all arguments except prompts, media and seed: the model's own defaults, overridden by the
    job's ``call``, overridden by the row's columns. ``media`` is keyed by manifest column: ``image``,
    ``last_image``, ``video``, ``control``.
    """

    prompt: str | None
    negative_prompt: str | None
    seed: int
    media: Mapping[str, Media] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)


class VideoModel(Protocol):
    """A loaded model.

    A model may also have ``encode_ahead(calls)``, which encodes the prompts of an iterable of calls, each a
    list of requests, before anything is generated. Only ``speed: text_encoder`` asks for it.
    """

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """Make one video for each request, in the same order, with its sound if the model makes sound.

        The result depends on the requests alone: each seed decides its noise, and no state remains from
        earlier calls. ``requests`` has the job's ``batch`` entries, all with equal ``call``.

        Raises:
            RowError: the call raised an error, or an input is broken.
            DegenerateError: the output is not a video (NaN, infinity, no frames).
            MemoryExceededError: the device ran out of memory.
            DeadlineError: from ``t2vbatch.models.steps.step_done``. A model that works in steps calls it
                after each step, and raises the error again once it is ready for the next call.
        """


@dataclass(frozen=True)
class FrameRule:
    """The frame counts that a model can make: ``every * k + plus``, for k from 0 (from 1 if plus is 0)."""

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
    """Facts about a model that are known before it is loaded; plans, checks and identities use them.

    Attributes:
        identity: canonical values (see t2vbatch.canonical) of everything besides the request that decides
            the pixels: weights (commit on the Hub, or digest of the local files), pipeline, scheduler,
            dtype, components, LoRAs, memory settings that change pixels, speed.
        parameters: names of the call arguments that a job or a row may set.
        call: the model's own defaults, such as a small model's frame size; a job's ``call`` overrides them.
        signature: defaults of the call's parameters, if they have any; for costs and for display.
        requires: manifest columns that every row needs, such as ``prompt`` or ``image``.
        replaced_by: column of ``requires``: the column of arrays that a row may have in its place.
        accepts: manifest columns that the call can use.
        fps: frames per second of the files, if the job does not set them.
        token_limit: most tokens of a prompt that the text encoder reads; None: no limit.
        batchable: whether one call takes several requests.
        pipeline: the class that is called, as ``module:Name``.
        revision: commit of the repository on the Hub; None for local files.
        frames_argument: the call argument for the number of frames, or None.
        frames: the numbers of frames that the model can make.
        arrays: call parameters that can also be an array, from a ``.npy`` or ``.safetensors`` file or a list.
        fills: manifest column: the call parameter that it fills; several columns may fill the same one.
        reserved: call parameters that only t2vbatch sets: what to use instead.
        kinds: call argument: the kinds of values that it takes (see ``models.calls.value_kinds``).
        notes: sentences for the user about this model and the job's call.
        lacking: manifest columns that no call can use on this machine or with this job: what each needs.
        fps_argument: the call argument for the frame rate that the model generates for, or None; a sample's
            file has that rate, unless the job sets ``fps``.
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
    arrays: frozenset[str] = frozenset()
    fills: Mapping[str, str] = field(default_factory=dict)
    replaced_by: Mapping[str, str] = field(default_factory=dict)
    reserved: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def inputs(self) -> frozenset[str]:
        """Manifest columns that the call can use, with those of arrays."""
        return self.accepts | self.arrays
