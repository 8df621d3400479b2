"""Manifests: read, check and normalise a table of prompts and media into rows.  [no torch, no Ray]

::

    read        the whole story: source -> Manifest, or all that is wrong with it
    sources     which files, in which format
    lines       text, CSV, JSON Lines  -> raw cells
    parquet     one file or many       -> raw cells
    columns     which column means what; aliases
    build       raw cells -> one Arrow table
    cells         what a cell of each canonical column may hold
    extra_columns types of the extra columns
    identity      ids from content; equal rows once
    verify      media are allowed, there, and whole
    table       Manifest and Row
    media       Media: where it is, what may be read, its bytes
    frames        a folder of frames as bytes, and back
    images        opening images of unknown origin
    problems    collecting what is wrong
"""

from t2vbatch.job import LIMITS, Limits
from t2vbatch.manifest.frames import unpack_frames
from t2vbatch.manifest.images import decode_image
from t2vbatch.manifest.media import Media
from t2vbatch.manifest.read import check_manifest, read_manifest
from t2vbatch.manifest.table import Manifest, Row

__all__ = [
    "LIMITS",
    "Limits",
    "Manifest",
    "Media",
    "Row",
    "check_manifest",
    "decode_image",
    "read_manifest",
    "unpack_frames",
]
