"""Scores computed from pixels without a network: flicker, motion, sharpness, first_frame_error."""

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from t2vbatch.metrics.options import MetricOptions
from t2vbatch.metrics.protocol import ONE_FRAME, Column, Evidence, FloatArray, UnscorableError, Weights
from t2vbatch.models.calls.inputs import fitted

_LUMA = np.array([0.299, 0.587, 0.114])


class PixelOptions(MetricOptions):
    """Base class of metrics without weights."""

    weights: ClassVar[tuple[Weights, ...]] = ()


class Flicker(PixelOptions):
    """How little the pixels change from frame to frame.

    Definition: (255 - d) / 255, where d is the mean absolute difference of consecutive frames over all pixels
        and channels, on the scale 0 to 255.
    Source: VBench's temporal_flickering (arXiv:2311.17982). VBench computes it for prompts of static scenes
        only. Here every video gets a score, and motion lowers it.
    Range: 0 to 1; 1 is a still image.
    Direction: higher is steadier.
    Cost: negligible.
    Weights: none.
    """

    columns: ClassVar[Mapping[str, Column]] = {"flicker": Column("higher", 0, 1, by_rate=True)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        return {"flicker": (255 - float(_changes(evidence.video.frames).mean())) / 255}


class Motion(PixelOptions):
    """How much the pixels change from frame to frame. It shows when high smoothness only means a still video.

    Definition: the mean absolute difference of consecutive frames, all frames and channels, divided by 255.
    Source: 1 - VBench's temporal_flickering. ``motion_flow`` measures the speed of motion instead.
    Range: 0 to 1.
    Direction: none. Whether more motion is better depends on the prompt.
    Cost: negligible.
    Weights: none.
    """

    columns: ClassVar[Mapping[str, Column]] = {"motion": Column(None, 0, 1, by_rate=True)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        return {"motion": float(_changes(evidence.video.frames).mean()) / 255}


class Sharpness(PixelOptions):
    """How much fine detail the frames have.

    Definition: the variance of the Laplacian (4 neighbours) of BT.601 luma, 0 to 255, over the pixels that
        are not at the border; the score is the mean over all frames.
    Source: Pech-Pacheco et al., Diatom autofocusing, ICPR 2000; OpenCV's cv2.Laplacian(gray).var().
    Range: 0 and up. It depends on the frame size, so a comparison leaves out pairs of different sizes;
        ``height`` makes sizes equal.
    Direction: higher is sharper. Noise counts as sharp too.
    Cost: negligible.
    Weights: none.
    """

    height: int | None = Field(
        None, ge=3, description="height in pixels to which frames are resized first; null: not resized"
    )

    @property
    def columns(self) -> Mapping[str, Column]:
        return {"sharpness": Column("higher", 0, by_size=self.height is None)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        frames = evidence.video.frames
        if min(frames.shape[1:3]) < 3:
            raise UnscorableError("the frames are narrower or lower than 3 pixels")
        return {"sharpness": float(np.mean([self._detail(frame) for frame in frames]))}

    def _detail(self, frame: npt.NDArray[np.uint8]) -> float:
        if self.height is not None:
            width = max(3, round(frame.shape[1] * self.height / frame.shape[0]))
            image = Image.fromarray(frame).resize((width, self.height), Image.Resampling.BICUBIC)
            frame = np.asarray(image)
        return float(_laplacian(frame @ _LUMA).var())


class FirstFrameError(PixelOptions):
    """How much the first frame differs from the conditioning image.

    Definition: the mean absolute difference of the first frame and the conditioning image, over all pixels
        and channels, divided by 255. The image is resized as a run resizes it for the pipeline (``fit``).
    Source: defined here; clip_image_first is the same comparison with CLIP features.
    Range: 0 to 1.
    Direction: lower is better.
    Cost: negligible.
    Weights: none.
    """

    fit: Literal["crop", "pad", "stretch"] = Field(
        "crop", description="how the image is resized to the frame; the same as the model's ``fit``"
    )
    columns: ClassVar[Mapping[str, Column]] = {"first_frame_error": Column("lower", 0, 1)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        frame = evidence.video.frames[0]
        image = np.asarray(
            fitted(Image.fromarray(evidence.conditioning()), (frame.shape[1], frame.shape[0]), self.fit),
            float,
        )
        return {"first_frame_error": float(np.abs(frame.astype(float) - image).mean()) / 255}


def _changes(frames: npt.NDArray[np.uint8]) -> FloatArray:
    """Mean absolute difference to the next frame, shape (T - 1,), with two frames in memory at a time."""
    if len(frames) < 2:
        raise UnscorableError(ONE_FRAME)
    return np.array([np.abs(a.astype(np.int16) - b).mean() for a, b in pairwise(frames)])


def _laplacian(luma: FloatArray) -> FloatArray:
    inner = luma[1:-1, 1:-1]
    return luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
