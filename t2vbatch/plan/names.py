"""Seeds of samples, and file names that every filesystem takes.  [pure]"""

import hashlib
import re

from t2vbatch.canonical import canonical


def derive_seed(job_seed: int, row_id: str, sample_index: int) -> int:
    """The seed of a sample: the same for every model, so that models are compared on equal noise. 63 bits."""
    first = hashlib.sha256(canonical([job_seed, row_id, sample_index])).digest()[:8]
    return int.from_bytes(first, "big") >> 1


def safe_name(name: str) -> str:
    """A file name that every filesystem takes, and that differs wherever ``name`` does.

    Plain names stay as they are. Others keep what is plain of them, and get a digest of the rest: upper case
    (some disks fold it), separators, reserved names, and what is over 80 characters.
    """
    if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    kept = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:60]
    return f"{kept}~{hashlib.sha256(name.encode()).hexdigest()[:12]}".lstrip("~")


# A tilde marks a digest, so no plain name has one; a leading dot hides, a trailing one vanishes on Windows.
_PLAIN = re.compile(r"[a-z0-9_-](?:[a-z0-9_.-]{0,78}[a-z0-9_-])?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
