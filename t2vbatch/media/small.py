"""Small copies of videos, for pages that are sent by mail or put on the web."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from t2vbatch.errors import EncodeError
from t2vbatch.job import VideoFile
from t2vbatch.media.video import Video, decode, decode_audio, encode

SIDE = 320
"""Longest side of a small copy in pixels."""

_CRF = 28


def write_small(path: Path, target: Path, sound: bool) -> None:
    """Encode the video file at ``path`` to ``target`` in the format of its name, at most SIDE pixels.

    Args:
        path: an mp4 or webm file.
        target: a file of the same format.
        sound: whether the file has sound, which the copy keeps.

    Raises:
        EncodeError: the video cannot be decoded or encoded.
    """
    video = _shrunk(decode(path))
    if sound:
        video = replace(video, audio=decode_audio(path, video.duration_s))
    match path.suffix:
        case ".mp4":
            encode(video, target, VideoFile(format="mp4", crf=_CRF))
        case ".webm":
            encode(video, target, VideoFile(format="webm", crf=_CRF))
        case suffix:
            raise EncodeError(f"{path.name}: no small copies of {suffix or 'folders'}")


def _shrunk(video: Video) -> Video:
    """The video with a longest side of SIDE and even sides; unchanged if it is that small."""
    height, width = video.frames.shape[1:3]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return video
    size = (max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2)))
    frames = [Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS) for frame in video.frames]
    return replace(video, frames=np.stack([np.asarray(frame) for frame in frames]))
