"""What a metric is to the rest of the house: options, columns, and one method.

A plug-in implements ``Metric`` and is named in the entry points ``t2vbatch.metrics``; nothing else is asked
of it. It sees the video as a reader of the file sees it: decoded, uint8, RGB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from t2vbatch.media.frames import repeated, sampled
from t2vbatch.media.video import Video

FloatArray = npt.NDArray[np.float64]
Kind = Literal["clip", "siglip", "xclip", "vision", "video", "head", "torchscript"]


class UnscorableError(Exception):
    """A score cannot be had for this video; the message says why. It becomes null, never 0."""


@dataclass(frozen=True)
class Column:
    """One number that a metric yields.

    Attributes:
        better: which end of the range is the good one; None where that depends on what one wants.
        low, high: ends of the range; None where it is open.
    """

    better: Literal["higher", "lower"] | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Weights:
    """Which trained network a metric looks with.

    Attributes:
        kind: its family, which says how it is loaded and what it can do.
        path: a hub id or a local folder; of a head or TorchScript, a file.
        revision: branch, tag or commit of the hub repository.
        processor: where tokenizer and image processor are, if elsewhere.
    """

    kind: Kind
    path: str
    revision: str | None = None
    processor: str | None = None


@dataclass(frozen=True)
class Text:
    """A prompt as a network reads it.

    Attributes:
        features: unit length, shape (D,).
        tokens: tokens of the whole prompt, the special ones included.
        truncated: whether the network's limit left some of them unread.
    """

    features: FloatArray
    tokens: int
    truncated: bool


@dataclass(frozen=True)
class Match:
    """How well a video fits a prompt: a cosine, and how much of the prompt was read (see Text)."""

    cosine: float
    tokens: int
    truncated: bool


class Network:
    """A loaded network. Each family can do some of this; what it cannot raises UnscorableError."""

    @property
    def scale(self) -> float:
        """What cosines are multiplied with before a softmax or sigmoid; learned in training."""
        raise self._cannot("has no scale")

    @property
    def frames(self) -> int:
        """How many frames ``match`` and ``video_features`` take."""
        raise self._cannot("sees single frames")

    def images(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """Features of shape (N, D), of unit length, for frames of shape (N, H, W, 3)."""
        raise self._cannot("sees no pictures")

    def frame_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """The same of the length that the network gives them: what sets of frames are compared by."""
        raise self._cannot("sees no pictures")

    def video_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """Features of shape (D,), as they are, of frames in their order, shape (T, H, W, 3)."""
        raise self._cannot("does not see frames in order")

    def text(self, prompt: str, long_text: str) -> Text:
        """A prompt; of one past the limit its beginning, or with ``chunk_mean`` the mean over its pieces."""
        raise self._cannot("reads no text")

    def match(self, frames: npt.NDArray[np.uint8], prompt: str) -> Match:
        """How well frames, in their order, fit a prompt."""
        raise self._cannot("does not see frames in order")

    def rate(self, features: FloatArray) -> FloatArray:
        """One number a row of ``features``, shape (N,)."""
        raise self._cannot("rates nothing")

    def _cannot(self, what: str) -> UnscorableError:
        return UnscorableError(f"a network of the kind {type(self).__name__} {what}")


class Evidence:
    """All that a metric may look at to score one video. What several metrics share is computed once.

    Attributes:
        video: as decoded from the file.
        prompt: the row's prompt, or None.
        image: the row's conditioning image, RGB, or None.
    """

    def __init__(
        self,
        video: Video,
        prompt: str | None = None,
        image: Image.Image | None = None,
        networks: Mapping[Weights, Network] | None = None,
    ) -> None:
        self.video, self.prompt, self.image = video, prompt, image
        self._networks = networks or {}
        self._features: dict[tuple[Weights, int | None], FloatArray] = {}
        self._texts: dict[tuple[Weights, str], Text | Match] = {}

    def network(self, weights: Weights) -> Network:
        """The loaded network."""
        return self._networks[weights]

    def frame_features(self, weights: Weights, count: int | None) -> FloatArray:
        """Features of ``count`` uniformly sampled frames (None: of all), shape (N, D), unit length."""
        key = (weights, count)
        if key not in self._features:
            frames = sampled(self.video.frames, count)
            self._features[key] = self.network(weights).images(frames)
        return self._features[key]

    def image_features(self, weights: Weights) -> FloatArray:
        """Features of the conditioning image, shape (D,), unit length."""
        features: FloatArray = self.network(weights).images(self.conditioning()[None])[0]
        return features

    def conditioning(self) -> npt.NDArray[np.uint8]:
        """The conditioning image, shape (H, W, 3). Raises UnscorableError where there is none."""
        if self.image is None:
            raise UnscorableError("the row has no image")
        return np.asarray(self.image.convert("RGB"))

    def text(self, weights: Weights, long_text: str = "truncate") -> Text:
        """The prompt as the network reads it. Raises UnscorableError where there is no prompt."""
        text = self._texts.get((weights, long_text))
        if not isinstance(text, Text):
            text = self.network(weights).text(self._words(), long_text)
            self._texts[weights, long_text] = text
        return text

    def match(self, weights: Weights) -> Match:
        """How well the video as a whole fits the prompt. Raises UnscorableError where there is no prompt."""
        network = self.network(weights)
        match = network.match(repeated(self.video.frames, network.frames), self._words())
        self._texts[weights, "truncate"] = match
        return match

    @property
    def readings(self) -> tuple[Text | Match, ...]:
        """Every reading of the prompt that was asked for so far, the first one first."""
        return tuple(self._texts.values())

    def _words(self) -> str:
        if not self.prompt or not self.prompt.strip():
            raise UnscorableError("the row has no prompt")
        return self.prompt


class Metric(Protocol):
    """One definition of a score, with its options filled in.

    Its class is called with the job's options as keywords. Its docstring says definition, source, range,
    direction, cost and needed weights; ``t2vbatch metrics NAME`` shows it.
    """

    @property
    def columns(self) -> Mapping[str, Column]:
        """The columns that ``score`` yields, the main one first."""

    @property
    def weights(self) -> tuple[Weights, ...]:
        """The networks that must be loaded before ``score`` is called."""

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        """A finite value for each column. Raises UnscorableError with the reason where there is none."""
