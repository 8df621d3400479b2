"""A video as one file that every browser plays: itself, or a folder of frames made into one."""

import shutil
from pathlib import Path

from t2vbatch.job import VideoFile
from t2vbatch.video import Video, decode, encode


def play_file(path: Path, fps: float, target: Path) -> Path:
    """Put the video at ``path`` beside ``target``, as a file.

    Args:
        fps: of a folder of frames, which has no rate of its own.
        target: the name to take, with its ending; a folder of frames becomes ``TARGET.mp4``.

    Returns:
        The file's name.

    Raises:
        EncodeError: the frames cannot be read.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        shutil.copyfile(path, target)
        return target
    target = target.with_name(f"{target.name}.mp4")
    encode(Video(decode(path).frames, fps), target, VideoFile())
    return target
