"""A video, and reading and writing it as a file.

Only this module runs ffmpeg. The bytes of a file depend on the video and the settings only: one thread, no
processor-dependent assembly, no time stamps. Colours are converted and tagged as BT.709, because players
guess the colours of untagged files, and guess differently.
"""

import errno
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
from PIL import Image

from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.job import VideoFile
from t2vbatch.media import ffmpeg
from t2vbatch.media.audio import Audio, read_wav, write_wav

_WAV = "audio.wav"
# No playlists: they name other files, and a manifest's video must not read those.
_CONTAINERS = (
    "mov,matroska,avi,gif,mpegts,mpeg,flv,ogg,asf,mpegvideo,h264,hevc,apng,webp_anim,webp_pipe,png_pipe,"
    "yuv4mpegpipe"
)
_PLAYABLE = {".mp4", ".webm", ".gif"}
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_STREAM = re.compile(r"Video: .*?\b(?P<width>\d{1,5})x(?P<height>\d{1,5})\b.*?(?P<fps>[\d.]+k?) (?:fps|tbr)")


@dataclass(frozen=True)
class Video:
    """Frames, their rate, and their sound if any.

    Attributes:
        frames: uint8, shape (T, H, W, 3), RGB.
        fps: frames per second.
        audio: starts with the first frame; ``encode`` cuts or pads it to the duration of the frames.
    """

    frames: npt.NDArray[np.uint8]
    fps: float
    audio: Audio | None = None

    def __post_init__(self) -> None:
        shape, kind = self.frames.shape, self.frames.dtype
        if kind != np.uint8 or len(shape) != 4 or shape[3] != 3 or min(shape[:3]) < 1:
            raise ValueError(f"frames must be uint8 of shape (T, H, W, 3), not {kind} of shape {shape}")

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return len(self.frames) / self.fps

    def sha256(self) -> str:
        """SHA-256 of shape and pixels only, as 64 hexadecimal digits."""
        digest = hashlib.sha256(repr(self.frames.shape).encode())
        for frame in self.frames:
            digest.update(np.ascontiguousarray(frame).data)
        return digest.hexdigest()


def suffix(settings: VideoFile) -> str:
    """File extension of a video; empty for a folder of frames."""
    return "" if settings.format == "png" else f".{settings.format}"


def holds_audio(settings: VideoFile) -> bool:
    """Whether the format can hold sound; a GIF cannot."""
    return settings.format != "gif"


def encode(video: Video, path: Path, settings: VideoFile) -> None:
    """Write the video to ``path`` and replace an existing file; ``png`` writes a folder of numbered frames.

    The sound becomes AAC in an mp4, Opus in a webm and ``audio.wav`` beside png frames; a gif has no sound.
    It is cut at the end of the frames, or padded with silence.

    The same frames and settings give the same bytes on every machine. The same sound gives the same bytes on
    machines of one architecture; Opus chooses its instructions at run time, so it needs the same processor.

    Raises:
        EncodeError: ffmpeg failed.
        StoreError: the disk is full or not writable, which is not a failure of this video.
    """
    if settings.format == "png":
        _write_folder(video, path)
        return
    height, width = video.frames.shape[1:3]
    rate = str(Fraction(video.fps).limit_denominator(1001))
    if settings.format == "gif":
        ffmpeg.write_gif(video.frames, rate, path, settings)
        return
    source = ffmpeg.raw_source(width, height, rate)
    target = ffmpeg.target_arguments(path, settings, _pixels(width, height))
    if video.audio is None:
        ffmpeg.run([*source, *target], video.frames)
        return
    with tempfile.TemporaryDirectory(prefix="t2vbatch-") as folder:
        sound = Path(folder) / _WAV
        _write_audio(video.audio.lasting(video.duration_s), sound)
        added = ffmpeg.sound_arguments(sound, settings, video.audio.channels)
        ffmpeg.run([*ffmpeg.PORTABLE, *source, *added, *target], video.frames)


def decode(path: Path) -> Video:
    """Read a video file, or a folder of frames in name order (at 8 frames a second: pictures have no rate).

    Raises:
        EncodeError: the file is not a video, or cannot be decoded to its end.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise EncodeError(f"{path.name}: no such file")
    convert = f"scale=out_range=pc:{ffmpeg.SCALE_EXACT},format=rgb24"
    source = ["-xerror", "-threads", "1", "-format_whitelist", _CONTAINERS, "-i", str(path)]
    target = ["-map", "0:v:0", "-vf", convert, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    data, log = _ffmpeg([*source, *target], EncodeError)
    # ffmpeg describes what it writes last: that size is right for rotated files too.
    stream = list(_STREAM.finditer(log))
    if not stream or not data:
        raise EncodeError(f"{path.name}: no video stream with frames in it")
    width, height = int(stream[-1]["width"]), int(stream[-1]["height"])
    frames = np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)
    return Video(frames, float(stream[0]["fps"].replace("k", "e3")))


def decode_audio(path: Path) -> Audio:
    """Read the sound of a video file, or of a folder of frames.

    Raises:
        EncodeError: there is no sound, or it cannot be decoded to its end.
    """
    try:
        if path.is_dir():
            return read_wav(path / _WAV)
        with tempfile.TemporaryDirectory(prefix="t2vbatch-") as folder:
            sound = Path(folder) / _WAV
            source = ["-xerror", *ffmpeg.PORTABLE, "-format_whitelist", _CONTAINERS, "-i", str(path)]
            _ffmpeg([*source, "-map", "0:a:0", "-c:a", "pcm_s16le", str(sound)], EncodeError)
            return read_wav(sound)
    except (OSError, ValueError) as error:
        raise EncodeError(f"{path.name}: the sound cannot be decoded ({error})") from error


def digest_file(path: Path) -> tuple[str, int]:
    """SHA-256 and size in bytes of a video file; for a folder, of its files in name order."""
    digest, size = hashlib.sha256(), 0
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            while data := stream.read(1 << 20):
                digest.update(data)
                size += len(data)
    return digest.hexdigest(), size


@functools.cache
def ffmpeg_version() -> str:
    """Version of the ffmpeg in use, such as ``7.0.2-static``."""
    return str(imageio_ffmpeg.get_ffmpeg_version())


def play_name(video: str) -> str:
    """File name of a playable video: its own, or with ``.mp4`` appended for a folder of frames."""
    return video if PurePosixPath(video).suffix in _PLAYABLE else f"{video}.mp4"


def play_file(path: Path, fps: float, target: Path) -> None:
    """Copy the video at ``path`` to ``target`` (see ``play_name``); a folder of frames becomes an mp4.

    Args:
        fps: frame rate for a folder of frames, which has none of its own.

    Raises:
        EncodeError: the frames cannot be decoded.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        shutil.copyfile(path, target)
    else:
        encode(Video(decode(path).frames, fps), target, VideoFile())


def _pixels(width: int, height: int) -> str:
    # Half-size chroma needs even sides; a frame with an odd side keeps its size and gets full-size chroma.
    return "yuv420p" if width % 2 == height % 2 == 0 else "yuv444p"


def _ffmpeg(arguments: Sequence[str], error: type[Exception], data: Any = None) -> tuple[bytes, str]:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostats", *arguments]
    if data is None:
        command.insert(1, "-nostdin")
    # In its own session: the run handles Ctrl-C, and ffmpeg must finish the video.
    done = subprocess.run(command, input=data, capture_output=True, check=False, start_new_session=True)
    log = done.stderr.decode(errors="replace")
    if done.returncode != 0:
        for number in _DISK_ERRORS:
            if os.strerror(number) in log:
                raise StoreError(f"cannot write a video: {os.strerror(number)}; mend that, and run again")
        last = [line for line in log.splitlines() if line.strip()][-3:]
        raise error(f"ffmpeg ended with code {done.returncode}: {' | '.join(last)}")
    return done.stdout, log


def _write_folder(video: Video, path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        for index, frame in enumerate(video.frames):
            Image.fromarray(frame).save(path / f"{index:05d}.png")
    except OSError as error:
        raise _unwritable(path, error) from error
    if video.audio is not None:
        _write_audio(video.audio.lasting(video.duration_s), path / _WAV)


def _write_audio(audio: Audio, path: Path) -> None:
    try:
        write_wav(audio, path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write {path}: {error.strerror or error}; mend that, and run again")


def _read_folder(path: Path) -> Video:
    pictures = sorted(file for file in path.iterdir() if file.suffix.lower() in {".png", ".jpg", ".jpeg"})
    try:
        frames = [np.asarray(Image.open(file).convert("RGB")) for file in pictures]
    except OSError as error:
        raise EncodeError(f"{path.name}: a frame that cannot be read: {error}") from error
    if not frames or len({frame.shape for frame in frames}) > 1:
        raise EncodeError(f"{path.name}: a folder of frames of one size was expected")
    return Video(np.stack(frames), 8.0)
