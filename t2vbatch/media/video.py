"""A video, and reading and writing it as a file.

The bytes of a file depend on the video and the settings only (see ``encoding``). Colours are converted and
tagged as BT.709, because players guess the colours of untagged files, and guess differently.
"""

import functools
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
from PIL import Image

from t2vbatch.errors import BrokenInputError, EncodeError, StoreError
from t2vbatch.job import VideoFile
from t2vbatch.media import ffmpeg
from t2vbatch.media.audio import Audio, read_wav, write_wav
from t2vbatch.media.decoding import CONTAINERS, decode_file, iter_frames
from t2vbatch.media.encoding import Shape, write_frames, write_gif
from t2vbatch.media.frame_folder import frame_names
from t2vbatch.media.images import decode_image, decode_images
from t2vbatch.media.playable import written_frames, written_rate, written_size
from t2vbatch.media.reading import OUTPUT, Reading
from t2vbatch.storage.inputs import local_bytes, open_input

_LONGER_S = 1.0
_WAV = "audio.wav"
_PLAYABLE = {".mp4", ".webm", ".gif"}


@dataclass(frozen=True)
class Video:
    """Frames, their rate, their sound if any, and notes about them.

    Attributes:
        frames: uint8, shape (T, H, W, 3), RGB.
        fps: frames per second.
        audio: starts with the first frame; ``encode`` cuts or pads it to the duration of the frames.
        notes: sentences for the record: how the frames differ from those that the call asked for.
    """

    frames: npt.NDArray[np.uint8]
    fps: float
    audio: Audio | None = None
    notes: tuple[str, ...] = ()

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

    Size and rate are those that ``playable`` gives, so that every player shows the file.

    The sound becomes AAC in an mp4, Opus in a webm and ``audio.wav`` beside png frames; a gif has no sound.
    It is cut at the end of the frames, or padded with silence.

    The same frames and settings give the same bytes on every machine. The same sound gives the same bytes on
    machines of one architecture; Opus chooses its instructions at run time, so it needs the same processor.

    Raises:
        EncodeError: the file cannot be written.
        StoreError: the disk is full or not writable, which is not a failure of this video.
    """
    if settings.format == "png":
        _write_folder(video, path)
        return
    width, height = written_size(video.frames.shape[2], video.frames.shape[1], settings)
    shape = Shape(width, height, written_rate(video.fps, settings))
    if settings.format == "gif":
        write_gif(video.frames, shape, path, settings)
    elif video.audio is None:
        _write_silent(video, shape, path, settings)
    else:
        with tempfile.TemporaryDirectory(prefix="t2vbatch-") as folder:
            silent, sound = Path(folder) / "silent", Path(folder) / _WAV
            _write_silent(video, shape, silent, settings)
            _write_audio(video.audio.lasting(video.duration_s), sound)
            ffmpeg.add_sound(silent, sound, video.audio.channels, path, settings)


def _write_silent(video: Video, shape: Shape, path: Path, settings: VideoFile) -> None:
    frames = written_frames(video.frames, settings)
    write_frames(frames, shape, path, settings, _pixels(shape.width, shape.height, settings))


def decode(path: Path, how: Reading = OUTPUT) -> Video:
    """Read a video file, an animated image, or a folder of frames (natural order, 8 frames per second).

    Raises:
        EncodeError: the file is not a video, cannot be decoded to its end, or exceeds a limit.
    """
    if path.is_dir():
        return _read_folder(path, how)
    if not path.is_file():
        raise EncodeError("no file at this path")
    decoded = decode_file(path, how)
    return Video(decoded.frames, decoded.fps)


def digest_frames(path: Path, shape: tuple[int, int, int, int], how: Reading = OUTPUT) -> str:
    """``Video.sha256`` of a video file or a folder of frames, with one frame in memory at a time.

    Args:
        shape: of all frames, (T, H, W, 3); a file with other frames is not read to its end.

    Raises:
        EncodeError: as ``decode``; or the file has frames of another size or number.
    """
    digest, count = hashlib.sha256(repr(shape).encode()), 0
    for frame in _folder_frames(path, how) if path.is_dir() else iter_frames(path, how):
        if frame.shape != shape[1:]:
            raise EncodeError(f"frames of {frame.shape[1]} x {frame.shape[0]} pixels")
        if count == shape[0]:
            raise EncodeError(f"more than {count} frames")
        digest.update(np.ascontiguousarray(frame).data)
        count += 1
    if count != shape[0]:
        raise EncodeError(f"{count} frames")
    return digest.hexdigest()


def decode_audio(path: Path, most_s: float) -> Audio:
    """Read the sound of a video file, or of a folder of frames.

    Args:
        most_s: duration of the video in seconds. A longer sound is cut a second after its end: a small file
            may claim days of silence.

    Raises:
        EncodeError: there is no sound, or it cannot be decoded to its end.
    """
    try:
        if path.is_dir():
            return read_wav(path / _WAV, most_s + _LONGER_S)
        with tempfile.TemporaryDirectory(prefix="t2vbatch-") as folder:
            sound = Path(folder) / _WAV
            ffmpeg.extract_sound(path, CONTAINERS, sound, most_s + _LONGER_S)
            return read_wav(sound, most_s + _LONGER_S)
    except (OSError, ValueError, StoreError) as error:
        raise EncodeError(f"the sound cannot be decoded ({error})") from error


def digest_file(path: Path) -> tuple[str, int]:
    """SHA-256 and size in bytes of a video file; for a folder, of its files in name order.

    Raises:
        OSError, StoreError: the file cannot be read, or is not a regular file.
    """
    digest, size = hashlib.sha256(), 0
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with open_input(file, most_bytes=None) as stream:
            while data := stream.read(1 << 20):
                digest.update(data)
                size += len(data)
    return digest.hexdigest(), size


@functools.cache
def ffmpeg_version() -> str:
    """Version of the ffmpeg program, which encodes and decodes sound, such as ``7.0.2-static``."""
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


def _pixels(width: int, height: int, settings: VideoFile) -> str:
    # VP9 has half-size chroma at any size; H.264 at even sizes only.
    even = width % 2 == height % 2 == 0
    return "yuv420p" if even or settings.format == "webm" else "yuv444p"


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
    return StoreError(f"cannot write {path}: {error.strerror or error}; fix it, then run again")


def _folder_frames(path: Path, how: Reading) -> Iterator[npt.NDArray[np.uint8]]:
    try:
        for name in frame_names(file.name for file in path.iterdir()):
            yield np.asarray(decode_image(local_bytes(path / name), how))
    except (OSError, StoreError, BrokenInputError) as error:
        raise EncodeError(f"a folder of frames with one that cannot be read: {error}") from error


def _read_folder(path: Path, how: Reading) -> Video:
    names = frame_names(file.name for file in path.iterdir())
    try:
        files = [local_bytes(path / name) for name in names]
        frames = [np.asarray(image) for image in decode_images(files, how)]
    except (OSError, StoreError, BrokenInputError) as error:
        raise EncodeError(f"a folder of frames with one that cannot be read: {error}") from error
    sizes = {frame.shape for frame in frames}
    if len(sizes) != 1:
        raise EncodeError(f"a folder with frames of {len(sizes)} sizes; expected frames of one size")
    return Video(np.stack(frames), 8.0)
