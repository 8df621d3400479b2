"""The ffmpeg process: arguments of each file format, frames into its pipe, and its failures.

Frames go into the pipe one by one, so memory is bounded for any length and size. The exit code classifies a
failure, never the log: a file can write its own text into the log.
"""

import errno
import logging
import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.job import VideoFile

Frames = Iterable[npt.NDArray[np.uint8]]
"""Frames of shape (H, W, C)."""

SCALE_EXACT = "flags=bitexact+accurate_rnd+full_chroma_int"
"""Conversion between colour formats with the same result on every processor."""

PORTABLE = ("-cpuflags", "0")
"""For sound: it is computed in floats, and vector instructions round differently."""

_ANONYMOUS = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1")
_BT709 = (
    f"scale=out_color_matrix=bt709:out_range=tv:{SCALE_EXACT},format={{pixels}},"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)
_PALETTE_SIDE = 16
# Opus has few sample rates and lacks 44.1 kHz; 48 kHz covers all of them.
_SOUND = {
    "mp4": ("-c:a", "aac", "-flags:a", "+bitexact"),
    "webm": ("-c:a", "libopus", "-flags:a", "+bitexact", "-ar", "48000"),
}
_BITS_PER_CHANNEL = 96_000
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
# ffmpeg exits with the low byte of a negative error: a system error, or a tag that starts with a letter.
_SYSTEM_ERRORS = range(1, ord("A"))
_log = logging.getLogger(__name__)


def raw_source(width: int, height: int, rate: str, pixels: str = "rgb24") -> list[str]:
    """Input arguments for raw frames from the pipe."""
    return ["-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{width}x{height}", "-framerate", rate, "-i", "-"]


def sound_arguments(path: Path, settings: VideoFile, channels: int) -> list[str]:
    """Arguments that add the sound of a WAV file to a video."""
    return ["-i", str(path), *_SOUND[settings.format], "-b:a", str(_BITS_PER_CHANNEL * channels)]


def target_arguments(path: Path, settings: VideoFile, pixels: str) -> list[str]:
    """Arguments for the file. ``pixels``: ffmpeg's pixel format of an mp4 or webm."""
    convert = _BT709.format(pixels=pixels)
    match settings.format:
        case "mp4":
            codec = ["-c:v", "libx264", "-preset", "veryfast", "-x264-params", "cpu-independent=1"]
            codec = ["-vf", convert, *codec, "-movflags", "+faststart", "-crf", str(settings.crf)]
        case "webm":
            codec = ["-c:v", "libvpx-vp9", "-row-mt", "0", "-deadline", "good", "-cpu-used", "4", "-b:v", "0"]
            codec = ["-vf", convert, *codec, "-crf", str(settings.crf)]
        case _:
            codec = []
    # Name the format: a temporary file's name has no extension.
    return [*codec, "-threads", "1", *_ANONYMOUS, "-f", settings.format, "-y", str(path)]


def write_gif(frames: npt.NDArray[np.uint8], rate: str, path: Path, settings: VideoFile) -> None:
    """Write a GIF with one palette for all frames.

    The frames are piped twice, once for the palette. In a single pass ffmpeg would hold all of them.
    """
    height, width = frames.shape[1:3]
    source = raw_source(width, height, rate)
    make = ["-vf", "palettegen=reserve_transparent=0", "-threads", "1", "-f", "rawvideo", "-pix_fmt", "bgra"]
    with tempfile.TemporaryDirectory(prefix="t2vbatch-") as folder:
        palette = Path(folder) / "palette"
        run([*source, *make, str(palette)], frames)
        size = f"{_PALETTE_SIDE}x{_PALETTE_SIDE}"
        second = ["-f", "rawvideo", "-pix_fmt", "bgra", "-s", size, "-i", str(palette)]
        use = ["-filter_complex", "[0:v][1:v]paletteuse"]
        run([*source, *second, *use, *target_arguments(path, settings, "")], frames)


def run(arguments: Sequence[str], frames: Frames = ()) -> None:
    """Run ffmpeg with these frames on its standard input.

    Raises:
        StoreError: ffmpeg could not write to the disk.
        EncodeError: ffmpeg failed for another reason.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostats", *arguments]
    with tempfile.TemporaryFile() as log:
        # In its own session: the run handles Ctrl-C, and ffmpeg must finish the video.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
        try:
            _feed(process.stdin, frames)
        except BaseException:
            process.kill()
            raise
        finally:
            code = process.wait()
        if code != 0:
            raise _failure(code, log)


def _feed(pipe: IO[bytes] | None, frames: Frames) -> None:
    assert pipe is not None
    # ffmpeg closes its end when it fails; its exit code has the reason.
    with suppress(BrokenPipeError), pipe:
        for frame in frames:
            pipe.write(np.ascontiguousarray(frame).data.cast("B"))


def _failure(code: int, log: IO[bytes]) -> StoreError | EncodeError:
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    _log.debug("ffmpeg: %s", "\n".join(lines))
    number = 256 - code
    if number in _DISK_ERRORS:
        return StoreError(f"cannot write a video: {os.strerror(number)}; fix it, then run again")
    reason = f": {os.strerror(number)}" if number in _SYSTEM_ERRORS else ""
    return EncodeError(f"ffmpeg failed with exit code {code}{reason}")
