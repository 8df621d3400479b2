"""A video as one file that browsers play: itself, or a folder of frames made into one."""

import shutil
from pathlib import Path, PurePosixPath

from t2vbatch.job import VideoFile
from t2vbatch.video import Video, decode, encode

_ENDINGS = {".mp4", ".webm", ".gif"}


def play_name(video: str) -> str:
    """The name of a video's file: its own, with ``.mp4`` behind that of a folder of frames."""
    return video if PurePosixPath(video).suffix in _ENDINGS else f"{video}.mp4"


def play_file(path: Path, fps: float, target: Path) -> None:
    """Put the video at ``path`` under ``target``, which ends as ``play_name`` says.

    Args:
        fps: of a folder of frames, which has no rate of its own.

    Raises:
        EncodeError: the frames cannot be read.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        shutil.copyfile(path, target)
    else:
        encode(Video(decode(path).frames, fps), target, VideoFile())
