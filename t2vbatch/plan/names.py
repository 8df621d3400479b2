"""File names of videos: safe on every filesystem, one for each identity.  [pure]"""

import hashlib
import re

import pyarrow as pa
import pyarrow.compute as pc

FILES_PER_FOLDER = 10_000
"""Most files that this program puts into one folder: the limit of the Hugging Face Hub."""

_FILL = 0.4
"""Samples fall into sub-folders by digest, so some folders get more than the average; and a plan may grow."""

# A tilde marks a digest, so no plain name has one. A leading dot hides the file, a leading hyphen makes it an
# option of ``rm *`` and ffmpeg, and Windows drops a trailing dot.
_PLAIN = r"[a-z0-9_](?:[a-z0-9_.-]{0,78}[a-z0-9_-])?"
_RESERVED = r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?"
_IDENTITY_DIGITS = 12


def safe_name(name: str) -> str:
    """A file name that every filesystem accepts; different names give different file names.

    Plain names stay as they are. Other names keep their plain characters and get a digest: upper case (some
    disks fold it), separators, a leading hyphen, reserved names, and names of more than 80 characters.
    """
    if re.fullmatch(_PLAIN, name) and not re.fullmatch(_RESERVED, name):
        return name
    kept = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:60]
    return f"{kept}~{hashlib.sha256(name.encode()).hexdigest()[:12]}".lstrip("~")


def safe_names(names: pa.ChunkedArray) -> pa.ChunkedArray:
    """``safe_name`` of every name."""
    plain = pc.match_substring_regex(names, f"^{_PLAIN}$")
    plain = pc.and_(plain, pc.invert(pc.match_substring_regex(names, f"^{_RESERVED}$")))
    if pc.all(plain).as_py():
        return names
    safe = [
        name if is_plain else safe_name(name)
        for name, is_plain in zip(names.to_pylist(), plain.to_pylist(), strict=True)
    ]
    return pa.chunked_array([pa.array(safe, names.type)])


def fan_out(largest: int) -> int:
    """How many digits of a sample's identity name the sub-folder of its video; 0: no sub-folders.

    Args:
        largest: samples of the model that has the most.
    """
    digits = 0
    while largest > FILES_PER_FOLDER * (_FILL if digits else 1) * 16**digits:
        digits += 1
    return digits


def video_names(
    folders: pa.Array, stems: pa.Array, indices: pa.Array, sample_ids: pa.Array, digits: int, suffix: str
) -> pa.Array:
    """``videos/MODEL/[SHARD/]ROW-INDEX~IDENTITY.mp4`` of every sample.

    The identity is part of the name, so that the videos of two identities of one row never replace each
    other.
    """
    shards = [pc.utf8_slice_codeunits(sample_ids, 0, digits)] if digits else []
    path = pc.binary_join_element_wise("videos", folders, *shards, stems, "/")
    short = pc.utf8_slice_codeunits(sample_ids, 0, _IDENTITY_DIGITS)
    return pc.binary_join_element_wise(path, "-", indices.cast(pa.string()), "~", short, suffix, "")
