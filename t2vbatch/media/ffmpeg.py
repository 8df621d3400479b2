"""The ffmpeg program, which encodes and decodes sound.

Sound is computed in floats, and vector instructions round differently. Only a process of its own can do
without them, so the library in this process (see ``encoding`` and ``decoding``) has the frames only.
"""

import logging
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import imageio_ffmpeg

from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.job import VideoFile
from t2vbatch.media.encoding import DISK_ERRORS

_PORTABLE = ("-cpuflags", "0")
"""No vector instructions."""

_ANONYMOUS = ("-fflags", "+bitexact", "-map_metadata", "-1")
# Opus has few sample rates and lacks 44.1 kHz; 48 kHz covers all of them.
_SOUND = {
    "mp4": ("-c:a", "aac", "-flags:a", "+bitexact", "-movflags", "+faststart"),
    "webm": ("-c:a", "libopus", "-flags:a", "+bitexact", "-ar", "48000"),
}
_BITS_PER_CHANNEL = 96_000
# ffmpeg exits with the low byte of a negative error: a system error, or a tag that starts with a letter.
_SYSTEM_ERRORS = range(1, ord("A"))
_log = logging.getLogger(__name__)


def add_sound(silent: Path, sound: Path, channels: int, path: Path, settings: VideoFile) -> None:
    """Write the frames of the video file ``silent``, unchanged, and the sound of a WAV file to ``path``.

    Raises:
        StoreError: ffmpeg could not write to the disk.
        EncodeError: ffmpeg failed for another reason.
    """
    audio = [*_SOUND[settings.format], "-b:a", str(_BITS_PER_CHANNEL * channels)]
    inputs = ["-i", str(silent), "-i", str(sound)]
    _run([*inputs, "-c:v", "copy", *audio, *_ANONYMOUS, "-f", settings.format, "-y", str(path)])


def extract_sound(path: Path, containers: str, sound: Path, most_s: float) -> None:
    """Decode the first sound of a file to a 16-bit WAV file. Raises like ``add_sound``.

    Args:
        containers: ffmpeg's names of the formats that ``path`` may have.
        most_s: seconds of the sound that are decoded.
    """
    source = ["-xerror", "-format_whitelist", containers, "-i", str(path)]
    _run([*source, "-map", "0:a:0", "-t", str(most_s), "-c:a", "pcm_s16le", str(sound)])


def _run(arguments: Sequence[str]) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostats", *_PORTABLE, *arguments]
    with tempfile.TemporaryFile() as log:
        # In its own session: the run handles Ctrl-C, and ffmpeg must finish the video.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code != 0:
            raise _failure(code, log)


def _failure(code: int, log: IO[bytes]) -> StoreError | EncodeError:
    """The exit code classifies a failure, never the log: a file can write its own text into the log."""
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    _log.debug("ffmpeg: %s", "\n".join(lines))
    number = 256 - code
    if number in DISK_ERRORS:
        return StoreError(f"cannot write a video: {os.strerror(number)}; fix it, then run again")
    reason = f": {os.strerror(number)}" if number in _SYSTEM_ERRORS else ""
    return EncodeError(f"ffmpeg failed with exit code {code}{reason}")
