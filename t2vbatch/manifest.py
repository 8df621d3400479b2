"""Manifests: read, check and normalise a table of prompts and media into rows.  [no torch, no Ray]

Interface under construction.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Media:
    """An image, video or control sequence that a row names: bytes in the manifest, or a path or URI."""

    name: str
    uri: str | None = None
    data: bytes | None = None

    def read(self) -> bytes:
        """The bytes. Raises RowError where they cannot be had."""
        raise RuntimeError

    def sha256(self) -> str:
        """Digest of the bytes, as 64 hexadecimal digits."""
        raise RuntimeError

    def loaded(self) -> "Media":
        """The same media with its bytes inside, to be sent to a worker on another machine."""
        raise RuntimeError


@dataclass(frozen=True)
class Row:
    """One row. ``columns`` holds what has no meaning of its own here: call arguments and riders."""

    row_id: str
    prompt: str | None
    negative_prompt: str | None = None
    media: Mapping[str, Media] = field(default_factory=dict)
    seed: int | None = None
    models: tuple[str, ...] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """All rows, held as one Arrow table so that a million of them stay small."""

    source: str
    table: pa.Table
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        raise RuntimeError

    def __iter__(self) -> Iterator[Row]:
        raise RuntimeError

    def row(self, index: int) -> Row:
        """Row ``index``, from 0."""
        raise RuntimeError


def read_manifest(source: str) -> Manifest:
    """Read a manifest. Raises ManifestError with every problem."""
    raise RuntimeError
