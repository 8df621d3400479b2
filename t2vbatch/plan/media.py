"""The files that rows name, each with the digest of its bytes.

A digest of an earlier plan is used again where the storage reports the file as unchanged.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import pyarrow as pa

from t2vbatch.errors import Problem, RowError
from t2vbatch.manifest import MEDIA, Manifest, Media, Row
from t2vbatch.manifest.columns import IMAGES
from t2vbatch.manifest.in_parts import map_in_parts
from t2vbatch.manifest.media import paths_of
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.plan.plan import MEDIA_FILE, ROWS
from t2vbatch.plan.problems import models_of, place_of

KnownMedia = Mapping[str, tuple[str, str]]
"""URI: the version that the storage reported for it, and the digest of its bytes then."""

_THREADS = 16  # An object store answers in tens of milliseconds.
_AHEAD = 256  # Rows may hold images of megabytes.


@dataclass
class MediaReader:
    """Describes the media of a manifest's rows.

    Attributes:
        skipped: rows whose media are not read, because they are bad already.
        problems: row: the problem of its first unreadable file, and whether that is on another machine.
    """

    manifest: Manifest
    facts: Mapping[str, ModelFacts]
    known: KnownMedia
    skipped: frozenset[int] = frozenset()
    problems: dict[int, tuple[Problem, bool]] = field(default_factory=dict)

    def rows(self) -> pa.Table:
        """What each row gives to its samples, with the schema ROWS. Fills ``problems``."""
        columns = [_text(self.manifest, name) for name in ("prompt", "negative_prompt")]
        return pa.table([*columns, self._media()], ROWS)

    def _media(self) -> pa.ChunkedArray:
        kind = pa.list_(MEDIA_FILE)
        if not media_columns(self.manifest, self.facts.values()):
            return pa.chunked_array([pa.nulls(len(self.manifest), kind)])
        chunks, rows, start = [], iter(self.manifest), 0
        with ThreadPoolExecutor(_THREADS) as threads:
            while ahead := list(islice(rows, _AHEAD)):
                read = [self._read_by_models(start + offset, row) for offset, row in enumerate(ahead)]
                found = _in_order(threads, self._file, read)
                files = [
                    self._row(start + at, row, list(one))
                    for at, (row, one) in enumerate(zip(ahead, found, strict=True))
                ]
                chunks.append(pa.array(files, kind))
                start += len(ahead)
        return pa.chunked_array(chunks, kind)

    def _read_by_models(self, position: int, row: Row) -> list[Media]:
        """The media that some model of the row reads; the others may be missing."""
        if position in self.skipped or not row.media:
            return []
        read = frozenset().union(*(self.facts[name].inputs for name in models_of(row, self.facts)))
        return [item for name, item in row.media.items() if name in read]

    def _file(self, item: Media) -> dict[str, Any] | RowError:
        about: dict[str, Any] = {"name": item.name, "uri": item.uri, "within": item.within}
        version = item.version()
        before, sha256 = self.known.get(item.uri or "", (None, ""))
        if version is None or version != before:
            try:
                sha256 = item.sha256()
            except RowError as error:
                return error
        return {**about, "sha256": sha256, "version": version}

    def _row(self, position: int, row: Row, found: list[tuple[Media, Any]]) -> list[dict[str, Any]] | None:
        for item, file in found:
            if isinstance(file, RowError):
                problem = replace(place_of(self.manifest, row), column=item.name, found=str(file))
                self.problems[position] = replace(problem, expected="a readable file"), _is_remote(item)
                return None
        return [file for _, file in found] or None


def media_columns(manifest: Manifest, facts: Iterable[ModelFacts]) -> frozenset[str]:
    """The columns of a manifest that may name files: media columns, and arguments that take arrays."""
    named = frozenset(MEDIA).union(*(one.arrays for one in facts))
    return named & frozenset(manifest.table.column_names)


@dataclass(frozen=True)
class Hints:
    """What the next plan may reuse from the last one.

    Attributes:
        media: the digests of the last plan's media.
        images: URI of each image that was checked: the version that the storage reported for it then.
        fan_out: see Plan.
    """

    media: KnownMedia = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    fan_out: int = 0


def find_hints(rows: pa.Table, fan_out: int) -> Hints:
    """The hints in a plan's rows."""
    files = rows["media"].combine_chunks().flatten().to_pylist()
    known = [file for file in files if file["uri"] and file["version"]]
    media = {file["uri"]: (file["version"], file["sha256"]) for file in known}
    return Hints(media, dict(pair for file in known for pair in _images(file)), fan_out)


def _images(file: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The images of one cell, each with its version. A list names images, whatever its column."""
    uris = paths_of(file["uri"])
    if len(uris) > 1:
        yield from zip(uris, json.loads(file["version"]), strict=True)
    elif file["name"] in IMAGES:
        yield file["uri"], file["version"]


def digests_of(rows: pa.Table, read: frozenset[str]) -> list[dict[str, str]] | None:
    """For each row, the digest of each of its files in these columns; None if no row has files."""
    if rows["media"].null_count == rows.num_rows:
        return None
    return [
        {file["name"]: file["sha256"] for file in files or () if file["name"] in read}
        for files in rows["media"].to_pylist()
    ]


def _text(manifest: Manifest, name: str) -> pa.ChunkedArray:
    if name in manifest.table.column_names:
        return manifest.table[name]
    return pa.chunked_array([pa.nulls(len(manifest), pa.large_string())])


def _in_order(
    threads: ThreadPoolExecutor, describe: Callable[[Media], Any], rows: list[list[Media]]
) -> Iterator[list[tuple[Media, Any]]]:
    """The files of each row with their descriptions, in order; many files are read at the same time."""
    found = map_in_parts(threads, describe, [item for media in rows for item in media], _AHEAD // _THREADS)
    for media in rows:
        yield [(item, next(found)) for item in media]


def _is_remote(media: Media) -> bool:
    """Whether the file is on another machine, so that reading it may fail today and work tomorrow."""
    return media.uri is not None and "://" in media.uri and not media.uri.startswith("file:")
