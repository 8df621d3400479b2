"""The interface of a metric: options, columns and one method, ``score``.

A plug-in implements ``Metric`` and registers it under the entry point group ``t2vbatch.metrics``. It needs
nothing else. It receives the video as decoded from the file: uint8, RGB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from t2vbatch.media.frames import repeated, spread
from t2vbatch.media.video import Video

FloatArray = npt.NDArray[np.float64]
ONE_FRAME = "the video has a single frame, and this score compares frames"
"""The reason that metrics of change give for a video of one frame."""

Kind = Literal["clip", "siglip", "xclip", "vision", "video", "head", "torchscript"]


View = Literal["processor", "squash", "tiles", "vbench"]
"""What an image encoder sees of a frame: what its image processor makes of it (CLIP: the middle square),
the whole frame resized to a square, the mean of square tiles, or what VBench's code makes of it."""


class UnscorableError(Exception):
    """A metric cannot score this video; the message gives the reason. The score becomes null, never 0."""


class ProgramError(Exception):
    """A program that scores or compares videos failed, so another try may succeed; the score is missing."""


class ArgumentsError(ProgramError):
    """A program refused its arguments: it exited with code 2, as argparse does. Another try fails too."""


@dataclass(frozen=True)
class Column:
    """One number that a metric computes.

    Attributes:
        better: which direction is better; None if the metric has no better direction.
        low, high: the bounds of the range; None if the range is unbounded.
        by_size: whether values are comparable only between frames of equal size.
        by_rate: whether the value measures change from one frame to the next, which is smaller at a higher
            frame rate.
    """

    better: Literal["higher", "lower"] | None
    low: float | None = None
    high: float | None = None
    by_size: bool = False
    by_rate: bool = False


@dataclass(frozen=True)
class Weights:
    """The trained network that a metric uses.

    Attributes:
        kind: the family of the network, which decides how it is loaded and which methods it has.
        path: a Hub id or a local folder; for a head or a TorchScript network, a file.
        revision: branch, tag or commit of the Hub repository.
        processor: Hub id or folder of the tokenizer and the image processor, if they are not at ``path``.
    """

    kind: Kind
    path: str
    revision: str | None = None
    processor: str | None = None


@dataclass(frozen=True)
class Text:
    """A prompt, encoded by a network.

    Attributes:
        features: unit length, shape (D,).
        tokens: number of tokens in the whole prompt, special tokens included.
        truncated: whether the encoder dropped tokens because of its limit.
    """

    features: FloatArray
    tokens: int
    truncated: bool


@dataclass(frozen=True)
class Match:
    """The cosine of a video and a prompt; ``tokens`` and ``truncated`` are as in Text."""

    cosine: float
    tokens: int
    truncated: bool


class Network:
    """A loaded network. Each family implements some of the methods; the others raise UnscorableError."""

    @property
    def scale(self) -> float:
        """The learned factor that multiplies cosines before the softmax or sigmoid."""
        raise self._cannot("has no logit scale")

    @property
    def frames(self) -> int:
        """The number of frames that ``match`` and ``video_features`` take."""
        raise self._cannot("encodes single frames only")

    def images(self, frames: npt.NDArray[np.uint8], view: View = "processor") -> FloatArray:
        """Unit-length features, shape (N, D), of frames of shape (N, H, W, 3).

        The features of a frame have the same bits whatever other frames are in ``frames``.
        """
        raise self._cannot("does not encode images")

    def frame_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """Features of frames without normalization, shape (N, D); Fréchet distances use them."""
        raise self._cannot("does not encode images")

    def video_features(self, frames: npt.NDArray[np.uint8]) -> FloatArray:
        """Features, not normalized, shape (D,), of a sequence of frames, shape (T, H, W, 3)."""
        raise self._cannot("does not encode sequences of frames")

    def text(self, prompt: str, long_text: str) -> Text:
        """Encode a prompt. ``long_text`` says how to encode one past the limit: truncate or chunk_mean."""
        raise self._cannot("does not encode text")

    def match(self, frames: npt.NDArray[np.uint8], prompt: str) -> Match:
        """How well a sequence of frames matches a prompt."""
        raise self._cannot("does not encode sequences of frames")

    def rate(self, features: FloatArray) -> FloatArray:
        """One number for each row of ``features``, shape (N,)."""
        raise self._cannot("has no rating head")

    def _cannot(self, what: str) -> UnscorableError:
        return UnscorableError(f"a network of the kind {type(self).__name__} {what}")


@dataclass(frozen=True)
class RowInputs:
    """What a row gave to its video, besides the prompt and the image that it starts from.

    Attributes:
        last_image: the image that the video ends with, RGB, or None; read only if a metric asks for images.
        texts: manifest column: its cell, for the columns that a metric asks for; None if it is empty.
    """

    last_image: Image.Image | None = None
    texts: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


class Evidence:
    """The input of a metric for one video. Features that several metrics use are computed once.

    Attributes:
        video: as decoded from the file.
        prompt: the row's prompt, or None.
        image: the row's conditioning image, RGB, or None.
        row: the row's other inputs.
    """

    def __init__(
        self,
        video: Video,
        prompt: str | None = None,
        image: Image.Image | None = None,
        networks: Mapping[Weights, Network] | None = None,
        row: RowInputs | None = None,
    ) -> None:
        self.video, self.prompt, self.image = video, prompt, image
        self.row = row or RowInputs()
        self._networks = networks or {}
        self._features: dict[tuple[Weights, View], dict[int, FloatArray]] = {}
        self._texts: dict[tuple[Weights, str, str], Text | Match] = {}

    def network(self, weights: Weights) -> Network:
        """The loaded network for these weights."""
        return self._networks[weights]

    def frame_features(self, weights: Weights, count: int | None, view: View = "processor") -> FloatArray:
        """Unit-length features of ``count`` evenly spread frames (None: all frames), shape (N, D)."""
        return self.features_at(weights, [int(at) for at in spread(len(self.video.frames), count)], view)

    def features_at(self, weights: Weights, positions: Sequence[int], view: View = "processor") -> FloatArray:
        """Unit-length features of the frames at these positions, shape (N, D). Each frame is encoded once.

        The features of a frame do not depend on the frames that are encoded with it; see ``Network.images``.
        """
        known = self._features.setdefault((weights, view), {})
        missing = [at for at in dict.fromkeys(positions) if at not in known]
        if missing:
            found = self.network(weights).images(self.video.frames[missing], view)
            known.update(zip(missing, found, strict=True))
        return np.stack([known[at] for at in positions])

    def image_features(self, weights: Weights, view: View = "processor") -> FloatArray:
        """Unit-length features of the conditioning image, shape (D,)."""
        features: FloatArray = self.network(weights).images(self.conditioning()[None], view)[0]
        return features

    def conditioning(self) -> npt.NDArray[np.uint8]:
        """The conditioning image, shape (H, W, 3). Raises UnscorableError if the row has no image."""
        if self.image is None:
            raise UnscorableError("the row has no image")
        return np.asarray(self.image.convert("RGB"))

    def text(self, weights: Weights, long_text: str = "truncate", prefix: str = "") -> Text:
        """The prompt after ``prefix``, encoded by the network. Raises UnscorableError if the row has no
        prompt.
        """
        key = (weights, long_text, prefix)
        text = self._texts.get(key)
        if not isinstance(text, Text):
            text = self.network(weights).text(prefix + self._words(), long_text)
            self._texts[key] = text
        return text

    def match(self, weights: Weights) -> Match:
        """How well the whole video matches the prompt. Raises UnscorableError if the row has no prompt."""
        network = self.network(weights)
        match = network.match(repeated(self.video.frames, network.frames), self._words())
        self._texts[weights, "truncate", ""] = match
        return match

    @property
    def readings(self) -> tuple[Text | Match, ...]:
        """All encodings of the prompt so far, in the order in which metrics asked for them."""
        return tuple(self._texts.values())

    def _words(self) -> str:
        if not self.prompt or not self.prompt.strip():
            raise UnscorableError("the row has no prompt")
        return self.prompt


class Metric(Protocol):
    """One definition of a score together with its options.

    A plug-in's metric may draw from the global random numbers: it is called with a state of its own, and
    never while a model generates. A class attribute ``DRAWS = False`` declares that it draws none; then it is
    called while the next video is generated. An attribute ``needs_audio = True`` asks for the sound: without
    it, ``evidence.video.audio`` is None. ``needs_images = True`` asks for ``evidence.row.last_image``, and
    ``needs_texts``, names of manifest columns, for ``evidence.row.texts``. An attribute ``VERSION`` is part
    of what identifies its scores: raise it whenever the values change, and ``t2vbatch score`` computes
    earlier scores again.

    The class is called with the job's options as keyword arguments. Its docstring states definition, source,
    range, direction, cost and weights; ``t2vbatch metrics NAME`` prints it.
    """

    @property
    def columns(self) -> Mapping[str, Column]:
        """The columns that ``score`` computes, the main one first."""

    @property
    def weights(self) -> tuple[Weights, ...]:
        """The networks that ``score`` uses; they are loaded before the first call."""

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        """A finite value for each column. Raises UnscorableError if it cannot score the video."""
