"""Scores of the pixels themselves, which need no weights: flicker, motion, sharpness, first_frame_error."""

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from t2vbatch.metrics.options import Options
from t2vbatch.metrics.protocol import Column, Evidence, FloatArray, UnscorableError, Weights

_LUMA = np.array([0.299, 0.587, 0.114])


class PixelOptions(Options):
    """A metric with neither options nor weights."""

    weights: ClassVar[tuple[Weights, ...]] = ()


class Flicker(PixelOptions):
    """How steady the picture is from frame to frame.

    Definition: (255 - the mean over all consecutive frames of their mean absolute difference) / 255, on all
        frames and channels, 0 to 255.
    Source: VBench's temporal_flickering (arXiv:2311.17982). VBench asks it of prompts for static scenes only;
        here every video has a score, and motion lowers it.
    Range: 0 to 1; 1 is a still image.
    Direction: higher is steadier.
    Cost: none to speak of.
    Weights: none.
    """

    columns: ClassVar[Mapping[str, Column]] = {"flicker": Column("higher", 0, 1)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        return {"flicker": (255 - float(_changes(evidence.video.frames).mean())) / 255}


class Motion(PixelOptions):
    """How much the picture changes, so that smoothness is not mistaken for quality.

    Definition: the mean absolute difference of consecutive frames, all frames and channels, divided by 255.
    Source: 1 - VBench's temporal_flickering. For motion in pixels a second see ``motion_flow``.
    Range: 0 to 1.
    Direction: none: whether much motion is good depends on the prompt.
    Cost: none to speak of.
    Weights: none.
    """

    columns: ClassVar[Mapping[str, Column]] = {"motion": Column(None, 0, 1)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        return {"motion": float(_changes(evidence.video.frames).mean()) / 255}


class Sharpness(PixelOptions):
    """How much fine detail the frames have.

    Definition: the mean over all frames of the variance of the Laplacian (4 neighbours) of BT.601 luma, 0 to
        255; only inner pixels count.
    Source: Pech-Pacheco et al., Diatom autofocusing, ICPR 2000; OpenCV's cv2.Laplacian(gray).var().
    Range: 0 up; it depends on the size of the frames: compare equal sizes only.
    Direction: higher is sharper; noise is sharp too.
    Cost: none to speak of.
    Weights: none.
    """

    columns: ClassVar[Mapping[str, Column]] = {"sharpness": Column("higher", 0)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        frames = evidence.video.frames
        if min(frames.shape[1:3]) < 3:
            raise UnscorableError("frames of fewer than 3 pixels have no inner ones")
        return {"sharpness": float(np.mean([_laplacian(frame @ _LUMA).var() for frame in frames]))}


class FirstFrameError(PixelOptions):
    """How far the first frame is from the image that the video was made from.

    Definition: the mean absolute difference of the first frame and the conditioning image, over all pixels
        and channels, divided by 255; the image is scaled to cover the frame and its middle is cut out
        (Lanczos), which is what most pipelines do.
    Source: ours; the pixel twin of clip_image_first.
    Range: 0 to 1.
    Direction: lower is better.
    Cost: none to speak of.
    Weights: none.
    """

    columns: ClassVar[Mapping[str, Column]] = {"first_frame_error": Column("lower", 0, 1)}

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        frame = evidence.video.frames[0]
        image = _cover(Image.fromarray(evidence.conditioning()), frame.shape[1], frame.shape[0])
        return {"first_frame_error": float(np.abs(frame.astype(float) - image).mean()) / 255}


def _changes(frames: npt.NDArray[np.uint8]) -> FloatArray:
    """Mean absolute difference to the next frame, shape (T - 1,), one pair in memory at a time."""
    if len(frames) < 2:
        raise UnscorableError("one frame has no next one")
    return np.array([np.abs(a.astype(np.int16) - b).mean() for a, b in pairwise(frames)])


def _laplacian(luma: FloatArray) -> FloatArray:
    inner = luma[1:-1, 1:-1]
    return luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner


def _cover(image: Image.Image, width: int, height: int) -> FloatArray:
    scale = max(width / image.width, height / image.height)
    size = max(width, round(image.width * scale)), max(height, round(image.height * scale))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    resized = image.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(resized.crop((left, top, left + width, top + height)), dtype=float)
