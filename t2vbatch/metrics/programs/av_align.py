# /// script
# requires-python = ">=3.10,<3.14"
# dependencies = ["librosa==0.11.0", "opencv-python-headless==4.12.0.88", "numpy==2.2.6"]
#
# [tool.t2vbatch]
# audio = true
# yields = {av_align = "higher"}
# ///
"""AV-Align: whether peaks of the sound and peaks of the motion occur at the same time.

    metrics:
      av_align: {program: av_align}

Definition: peaks of the sound are onsets (``librosa.onset.onset_detect``, sound mixed to one channel at
    22,050 Hz). Peaks of the motion are frames whose mean optical flow (Farneback) from the frame before is
    larger than that of both neighbours. An onset matches if a motion peak is less than one frame away. The
    score is the number of matches divided by onsets + motion peaks - matches. A video without sound, or with
    neither onsets nor motion peaks, has no score.
Options: ``--matching source`` (default) counts every onset near a motion peak, so several onsets near one
    peak can give a score above 1; ``--matching pairs`` matches each onset and each peak once. ``--window`` is
    the largest distance in frames.
Source: Yariv et al., Diverse and Aligned Audio-to-Video Generation via Text-to-Video Model Adaptation, arXiv
    2309.16429, 2023; ``av_align.py`` of the repository guyyariv/TempoTokens, where the number of frames in
    ``find_local_max_indexes`` is not defined: here it is the length of the list.
Range: from 0; to 1 with ``--matching pairs``.
Direction: higher is better.
Cost: optical flow of every frame on the CPU, about 0.1 s for a frame of 1280x720.
Weights: none.
Tried with: videos whose flashes and clicks are at known times, and an independent computation.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

SOUND_HZ = 22050
"""The sample rate at which ``librosa.load``, and so the source, reads every sound."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer each line of the input with one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--matching", choices=("source", "pairs"), default="source")
    parser.add_argument("--window", type=float, default=1.0, help="the largest distance of a match in frames")
    options = parser.parse_args(arguments)
    answers = os.fdopen(os.dup(1), "w")  # What the libraries print goes to the error output.
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), options)), file=answers, flush=True)


def answer(request: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """The score of one video, or the reason why it has none."""
    if not request.get("audio"):
        return {"error": "the video has no sound"}
    frames = np.load(request["frames"], allow_pickle=False)
    if len(frames) < 2:
        return {"error": "the video has a single frame, and this score compares frames"}
    onsets = sound_peaks(request["audio"])
    peaks = [index / request["fps"] for index in local_maxima(flow_magnitudes(frames))]
    if not onsets and not peaks:
        return {"error": "the sound has no onset, and the motion has no peak"}
    matches = (count_pairs if options.matching == "pairs" else count_near)(
        onsets, peaks, options.window / request["fps"]
    )
    return {"av_align": matches / (len(onsets) + len(peaks) - matches)}


def sound_peaks(path: str) -> list[float]:
    """The times of the onsets in seconds."""
    import librosa

    sound, rate = librosa.load(path, sr=SOUND_HZ)
    strength = librosa.onset.onset_strength(y=sound, sr=rate)
    found = librosa.onset.onset_detect(onset_envelope=strength, sr=rate)
    return [float(time) for time in librosa.frames_to_time(found, sr=rate)]


def flow_magnitudes(frames: Any) -> list[float]:
    """The mean length of the optical flow into each frame, in pixels; the first has that of the second."""
    import cv2

    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    found = []
    for before, after in pairwise(grey):
        # The arguments are those of the source.
        flow: Any = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore
        found.append(float(cv2.mean(cv2.magnitude(flow[..., 0], flow[..., 1]))[0]))
    return [found[0], *found]


def local_maxima(values: Sequence[float]) -> list[int]:
    """The positions whose value is larger than both neighbours."""
    inner = range(1, len(values) - 1)
    return [index for index in inner if values[index - 1] < values[index] > values[index + 1]]


def count_near(onsets: Sequence[float], peaks: Sequence[float], window_s: float) -> int:
    """How many onsets have a peak nearer than the window."""
    return sum(any(peak - window_s < onset < peak + window_s for peak in peaks) for onset in onsets)


def count_pairs(onsets: Sequence[float], peaks: Sequence[float], window_s: float) -> int:
    """The largest number of pairs nearer than the window in which each onset and each peak occurs once.

    Both lists are in order of time, so taking the first possible pair each time gives the largest number.
    """
    pairs = first = 0
    for onset in onsets:
        while first < len(peaks) and peaks[first] <= onset - window_s:
            first += 1
        if first < len(peaks) and peaks[first] < onset + window_s:
            pairs, first = pairs + 1, first + 1
    return pairs


if __name__ == "__main__":
    main()
