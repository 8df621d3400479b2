"""How much of anything a manifest may hold.

The defaults are far beyond what is meant to be written by hand or by a script, and far below what brings a
machine down. ``read_manifest(source, limits=Limits(rows=...))`` raises one.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of a manifest.

    Attributes:
        prompt_chars: characters of a prompt or a negative prompt; text encoders read a few hundred.
        id_chars: characters of an id; it becomes part of file names and log lines.
        rows: rows in all.
        columns: columns in all.
        nesting: lists and objects inside one another in one cell.
        source_bytes: bytes of all files of the manifest together, as they are stored.
        image_pixels: pixels of one image, known from its header before anything is decoded.
        problems: problems that are kept one by one; beyond them only the number is told.
    """

    prompt_chars: int = 10_000
    id_chars: int = 1_000
    rows: int = 10_000_000
    columns: int = 1_000
    nesting: int = 32
    source_bytes: int = 64 << 30
    image_pixels: int = 64_000_000
    problems: int = 1_000


LIMITS = Limits()
"""The limits where nobody says otherwise."""
