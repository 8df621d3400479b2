"""Videos of an output that another person made: what is decoded, read and waited for is limited."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.job import VideoFile
from t2vbatch.media import ffmpeg
from t2vbatch.media.audio import Audio, read_wav, write_wav
from t2vbatch.media.video import Video, decode, decode_audio, digest_file, digest_frames, encode, suffix
from tests.hostile.media import png_size, y4m_size

SMALL = Video(np.random.default_rng(0).integers(0, 255, (3, 32, 48, 3), np.uint8), 8.0)


@pytest.mark.parametrize("kind", ["mp4", "webm", "gif", "png"])
def test_the_digest_of_a_file_is_that_of_its_video(tmp_path: Path, kind: str) -> None:
    """Frames that are digested one after the other give the digest of all of them."""
    settings = VideoFile.model_validate({"format": kind})
    path = tmp_path / f"v{suffix(settings)}"
    encode(SMALL, path, settings)
    video = decode(path)
    assert digest_frames(path, (3, 32, 48, 3)) == video.sha256()
    for shape in ((2, 32, 48, 3), (4, 32, 48, 3), (3, 48, 32, 3)):
        with pytest.raises(EncodeError, match="frames"):
            digest_frames(path, shape)


def test_a_large_video_is_verified_a_frame_at_a_time(tmp_path: Path) -> None:
    """verify of a small file with 400 MB of frames takes the memory of a few frames."""
    shape = (150, 720, 1280, 3)
    encode(Video(np.broadcast_to(np.uint8(0), shape), 25.0), tmp_path / "v.mp4", VideoFile())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    digest_frames(tmp_path / "v.mp4", shape)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 200 << 20


def test_sizes_beyond_any_job_are_not_decoded(tmp_path: Path) -> None:
    """A frame of 60,000 x 60,000 pixels is refused by its header, in a video and in a folder of frames."""
    (tmp_path / "v.mp4").write_bytes(y4m_size())
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0.png").write_bytes(png_size())
    for path in (tmp_path / "v.mp4", tmp_path / "frames"):
        with pytest.raises(EncodeError, match=r"pixels|incomplete"):
            decode(path)
        with pytest.raises(EncodeError, match=r"pixels|incomplete"):
            digest_frames(path, (1, 60_000, 60_000, 3))


def test_a_sound_ends_with_its_video(tmp_path: Path) -> None:
    """A minute of sound beside frames of half a second is not decoded to its end."""
    sound = Audio(np.zeros((1, 16_000 * 60), np.int16), 16_000)
    encode(SMALL, tmp_path / "silent.mp4", VideoFile())
    write_wav(sound, tmp_path / "audio.wav")
    ffmpeg.add_sound(tmp_path / "silent.mp4", tmp_path / "audio.wav", 1, tmp_path / "v.mp4", VideoFile())
    for path in (tmp_path / "v.mp4", tmp_path):
        assert decode_audio(path, 0.5).duration_s <= 1.6


def test_files_that_never_end_are_not_waited_for(tmp_path: Path) -> None:
    """A FIFO or a device in place of a video, a frame or a sound is an error."""
    os.mkfifo(tmp_path / "v.mp4")
    (tmp_path / "frames").mkdir()
    os.mkfifo(tmp_path / "frames" / "0.png")
    os.mkfifo(tmp_path / "frames" / "audio.wav")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    for path in (tmp_path / "v.mp4", tmp_path / "zero.mp4", tmp_path / "frames"):
        with pytest.raises(StoreError, match="neither a file nor a folder"):
            digest_file(path)
        with pytest.raises(EncodeError):
            decode(path)
    with pytest.raises(StoreError):
        read_wav(tmp_path / "frames" / "audio.wav", 1.0)
