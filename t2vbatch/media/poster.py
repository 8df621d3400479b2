"""Contact sheets: a few frames of each video side by side in one small picture.

They let a page show ten thousand videos without opening one. A worker writes them while it has the frames at
hand; those that are not there are made from the files. Each is named by the digest of the video's frames.
"""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pyarrow as pa
from PIL import Image

from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.media.frames import sampled
from t2vbatch.media.video import Video, decode
from t2vbatch.storage.files import Folder

FRAMES = 6
SIDE = 160
"""Longest side of one frame in pixels: what a gallery's card shows."""

_FOLDER = "report/posters"
_log = logging.getLogger(__name__)


def poster(video: Video) -> bytes:
    """The contact sheet of a video as JPEG: FRAMES frames in a row, the first and the last among them.

    A video of fewer frames gets its last one repeated, so that every sheet has FRAMES equal parts.
    """
    frames = sampled(video.frames, FRAMES)
    frames = np.concatenate([frames, frames[-1:].repeat(FRAMES - len(frames), axis=0)])
    out = BytesIO()
    sheet = np.concatenate([_shrunk(frame) for frame in frames], axis=1)
    Image.fromarray(sheet).save(out, "JPEG", quality=82)
    return out.getvalue()


def poster_name(frames_sha256: str) -> str:
    """The poster of the video with these frames, relative to the output folder."""
    return f"{_FOLDER}/{frames_sha256[:20]}.jpg"


def write_posters(folder: Folder, results: pa.Table) -> set[str]:
    """Write the posters that are missing, delete those of no video, and return the names of all there are.

    A video that cannot be read gets none; ``t2vbatch verify`` says why.
    """
    wanted = dict(_wanted(results))
    there = set(folder.names(_FOLDER))
    for stale in there - wanted.keys():
        folder.delete(stale)
    missing = sorted(wanted.keys() - there)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(lambda name: _write(folder, name, wanted[name]), missing)
        return (there & wanted.keys()) | {name for name, done in zip(missing, made, strict=True) if done}


def _wanted(results: pa.Table) -> Iterator[tuple[str, str]]:
    """Poster and video of every sample that has both."""
    pairs = zip(results["frames_sha256"].to_pylist(), results["video"].to_pylist(), strict=True)
    return ((poster_name(digest), video) for digest, video in pairs if digest and video)


def _write(folder: Folder, name: str, video: str) -> bool:
    try:
        with folder.local(video) as path:
            data = poster(decode(path))
    except (OSError, EncodeError, StoreError) as error:
        _log.warning("no poster of %s: %s", video, error)
        return False
    folder.write(name, data)
    return True


def _shrunk(frame: np.typing.NDArray[np.uint8]) -> np.typing.NDArray[np.uint8]:
    image = Image.fromarray(frame)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)
