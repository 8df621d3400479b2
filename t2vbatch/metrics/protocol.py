"""What a metric is to the rest of the house: options, columns, and one method.

A plug-in implements ``Metric`` and is named in the entry points ``t2vbatch.metrics``; nothing else is asked
of it. It sees the video as a reader of the file sees it: decoded, uint8, RGB.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from t2vbatch.metrics.frames import sampled
from t2vbatch.video import Video

FloatArray = npt.NDArray[np.float64]


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
    """Which trained network a metric looks with: its kind, and a hub id or a local folder."""

    kind: Literal["clip"]
    path: str
    revision: str | None = None


@dataclass(frozen=True)
class Text:
    """A prompt as an encoder reads it.

    Attributes:
        features: unit length, shape (D,).
        tokens: tokens of the whole prompt, the special ones included.
        truncated: whether the encoder's limit left some of them unread.
    """

    features: FloatArray
    tokens: int
    truncated: bool


class Encoder(Protocol):
    """A loaded network that puts frames and text into one space. All vectors have unit length."""

    def images(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """Features of shape (N, D) for frames of shape (N, H, W, 3)."""

    def text(self, prompt: str, long_text: str) -> Text:
        """Features of a prompt; ``long_text`` says what becomes of one past the limit."""


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
        encoder: Callable[[Weights], Encoder] | None = None,
    ) -> None:
        self.video, self.prompt, self.image = video, prompt, image
        self._encoder = encoder
        self._features: dict[tuple[Weights, int | None], FloatArray] = {}
        self._texts: dict[tuple[Weights, str], Text] = {}

    def frame_features(self, weights: Weights, count: int | None) -> FloatArray:
        """Features of ``count`` uniformly sampled frames (None: of all), shape (N, D), unit length."""
        key = (weights, count)
        if key not in self._features:
            frames = sampled(self.video.frames, count)
            self._features[key] = self.encoder(weights).images(frames)
        return self._features[key]

    def text(self, weights: Weights, long_text: str = "truncate") -> Text:
        """The prompt as the encoder reads it. Raises UnscorableError where there is no prompt."""
        if not self.prompt or not self.prompt.strip():
            raise UnscorableError("the row has no prompt")
        key = (weights, long_text)
        if key not in self._texts:
            self._texts[key] = self.encoder(weights).text(self.prompt, long_text)
        return self._texts[key]

    @property
    def texts(self) -> tuple[Text, ...]:
        """Every reading of the prompt that was asked for so far."""
        return tuple(self._texts.values())

    def encoder(self, weights: Weights) -> Encoder:
        """The loaded network."""
        if self._encoder is None:
            raise UnscorableError(f"no {weights.kind} network is loaded")
        return self._encoder(weights)


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
