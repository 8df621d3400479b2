"""motion_flow: speed of motion by optical flow."""

from collections.abc import Mapping
from importlib.util import find_spec
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
from pydantic import model_validator

from t2vbatch.metrics.options import MetricOptions
from t2vbatch.metrics.protocol import ONE_FRAME, Column, Evidence, UnscorableError, Weights


class MotionFlow(MetricOptions):
    """How fast the content moves, by optical flow.

    Definition: the mean length of Farneback's optical flow on BT.601 luma over all pixels and pairs of
        consecutive frames, divided by the frame's diagonal, times the frame rate. Unit: diagonals per second.
    Source: Farneback, Two-Frame Motion Estimation, SCIA 2003, in OpenCV, with the parameters of OpenCV's
        tutorial. VBench's dynamic_degree thresholds the flow of RAFT instead.
    Range: 0 and up.
    Direction: none. Whether more motion is better depends on the prompt.
    Cost: about 40 ms per frame at 480p.
    Weights: none. It needs the package opencv-python-headless.
    """

    weights: ClassVar[tuple[Weights, ...]] = ()
    columns: ClassVar[Mapping[str, Column]] = {"motion_flow": Column(None, 0, by_rate=True)}

    @model_validator(mode="after")
    def _installed(self) -> Self:
        if find_spec("cv2") is None:
            raise ValueError("a metric that needs OpenCV: pip install opencv-python-headless")
        return self

    def score(self, evidence: Evidence) -> Mapping[str, float]:
        import cv2  # An optional dependency: only this metric needs it.

        frames = evidence.video.frames
        if len(frames) < 2:
            raise UnscorableError(ONE_FRAME)
        luma = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        start = np.zeros((*luma[0].shape, 2), np.float32)
        lengths = []
        for before, after in pairwise(luma):
            flow = cv2.calcOpticalFlowFarneback(before, after, start.copy(), 0.5, 3, 15, 3, 5, 1.2, 0)
            lengths.append(float(np.linalg.norm(flow, axis=-1).mean()))
        diagonal = float(np.hypot(*frames.shape[1:3]))
        return {"motion_flow": float(np.mean(lengths)) / diagonal * evidence.video.fps}
