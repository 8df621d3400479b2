"""Posters: a few frames of one video side by side in a small picture.

With them a page shows ten thousand videos without decoding any. A worker writes a video's poster while it
holds the frames; missing posters are made from the video files. The digest of the video's frames is its name.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pyarrow as pa
from PIL import Image

from t2vbatch.errors import EncodeError, StoreError
from t2vbatch.media.cpus import usable_cpus
from t2vbatch.media.frames import sampled
from t2vbatch.media.video import Video, decode
from t2vbatch.storage.files import Folder
from t2vbatch.storage.many import delete_many

FRAMES = 6
SIDE = 160
"""Longest side of one frame in pixels, as a card of the gallery shows it."""

POSTERS = "report/posters"
"""The folder of posters in an output."""

_log = logging.getLogger(__name__)


def poster(video: Video) -> bytes:
    """The poster of a video as JPEG: FRAMES frames in a row, including the first and the last.

    A shorter video repeats its last frame, so that every poster has FRAMES equal parts.
    """
    frames = sampled(video.frames, FRAMES)
    frames = np.concatenate([frames, frames[-1:].repeat(FRAMES - len(frames), axis=0)])
    out = BytesIO()
    sheet = np.concatenate([_shrunk(frame) for frame in frames], axis=1)
    Image.fromarray(sheet).save(out, "JPEG", quality=82)
    return out.getvalue()


def poster_name(frames_sha256: str) -> str:
    """File name of the poster for these frames, relative to the output folder."""
    return f"{POSTERS}/{frames_sha256[:20]}.jpg"


def write_posters(folder: Folder, results: pa.Table) -> set[str]:
    """Write the missing posters, delete the stale ones, and return the names of all posters.

    A video that cannot be decoded gets no poster; ``t2vbatch verify`` reports the reason.
    """
    wanted = dict(_wanted(results))
    there = set(folder.names(POSTERS))
    delete_many(folder, sorted(there - wanted.keys()))
    missing = sorted(wanted.keys() - there)
    with ThreadPoolExecutor(usable_cpus()) as pool:
        made = pool.map(lambda name: _write(folder, name, wanted[name]), missing)
        return (there & wanted.keys()) | {name for name, done in zip(missing, made, strict=True) if done}


def _wanted(results: pa.Table) -> Iterator[tuple[str, str]]:
    """Poster and video file of every sample that has a video."""
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
