"""The record log: one small record for each finished sample, folded into segments while a run goes on.

::

    records/new/SAMPLE_ID.json         committed by a worker, exclusively: the first one wins
    records/segment-GENERATION-ROWS    records of many samples in one Parquet file, written by the driver
    records/base-GENERATION-ROWS       every record up to this generation: older files are void

These rules give every reader the same records, wherever a process died:

- of two rows for one sample, the row in the file with the higher generation is valid;
- a base voids all files with a lower generation;
- a row in a segment or a base is valid over a small record, so that a late second commit changes nothing;
- a row with the status ``withdrawn`` says that the sample has no record, unless a small one is there.

A file is deleted only after a newer file holds its records, so a reader that misses a file lists again. Only
the holder of the lease folds, withdraws and rewrites.
"""

import contextlib
import io
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from t2vbatch.errors import StoreError
from t2vbatch.output.record_table import read_records, to_table
from t2vbatch.output.records import RECORDS, WITHDRAWN, Record, Status, check_rows
from t2vbatch.output.valid_rows import last_of_each, merge, only_records, with_columns
from t2vbatch.plan.parquet_file import read_checked_parquet
from t2vbatch.storage.files import Folder
from t2vbatch.storage.many import delete_many, map_many

SEGMENT_ROWS = 4096
"""Rows of a full segment. A fold reads as many small records, each a request on an object store."""

_READ_ROWS = 512
"""Small records read at once: as Python objects they take several times the memory of their table."""

_FOLDER, _NEW = "records", "records/new"
# No .parquet ending: tools that read a whole folder of Parquet must not take this for results.
_FILE = re.compile(r"records/(?P<kind>segment|base)-(?P<generation>\d{12})-(?P<rows>\d+)")
_FIRST_VERSION = re.compile(r"records/all-[0-9a-f]{16}")
_LISTINGS = 50
"""Listings before a reader gives up; each repetition means that a fold ended in the meantime."""
_LARGE_BASE = 100_000
"""From this size on, a base is written again only when the newer segments hold a quarter as many rows."""


@dataclass(frozen=True, order=True)
class Segment:
    """One Parquet file of records."""

    generation: int
    name: str = field(compare=False)
    rows: int = field(compare=False)
    is_base: bool = field(compare=False)


@dataclass(frozen=True)
class _Listing:
    """The files of the log: the valid segments by generation, the small records, and the void files."""

    segments: tuple[Segment, ...]
    small: tuple[str, ...]
    void: tuple[str, ...] = ()

    @property
    def next_generation(self) -> int:
        return self.segments[-1].generation + 1 if self.segments else 1

    @property
    def is_one_base(self) -> bool:
        return not self.small and not self.void and len(self.segments) == 1 and self.segments[0].is_base


@dataclass
class _Reading:
    """Files that a reader has read so far, so that another listing costs only what is new in it."""

    columns: Sequence[str]
    segments: dict[str, pa.Table] = field(default_factory=dict)
    small: list[pa.Table] = field(default_factory=list)
    small_names: set[str] = field(default_factory=set)


class RecordLog:
    """The records of one output folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._folded: list[pa.Table] = []

    # For workers.

    def create(self, record: Record) -> bool:
        """Commit a record; return whether it is the first one for its sample."""
        return self._folder.create(_small_name(record.sample_id), record.to_json())

    def replace(self, record: Record) -> None:
        """Write a small record over the one that is there."""
        self._folder.write(_small_name(record.sample_id), record.to_json())

    def small_record(self, sample_id: str) -> Record | None:
        """The sample's record, if one was committed and is not folded yet."""
        try:
            return self._read_small(_small_name(sample_id))
        except FileNotFoundError:
            return None

    # For readers.

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Every record, one for each sample, with the schema RECORDS or these columns of it.

        Raises:
            StoreError: a file is damaged, or the storage failed.
        """
        wanted = list(dict.fromkeys(["sample_id", "status", *(columns or RECORDS.names)]))
        reading = _Reading(wanted)
        for _ in range(_LISTINGS):
            listing = self._list()
            try:
                table = self._valid_rows(listing, reading)
            except FileNotFoundError:
                continue  # A fold moved these records to a segment in the meantime.
            if self._segments()[0] == listing.segments:
                return only_records(table).select(columns or RECORDS.names)
        raise StoreError(f"{self._folder.uri}/records changed {_LISTINGS} times while it was read; try again")

    def names(self) -> list[str]:
        """The names of all files of the log, sorted. Only a small record changes under its name."""
        return sorted(self._folder.names(_FOLDER))

    # For the driver, under the lease.

    def recover(self) -> None:
        """Finish what a driver left undone: delete void files, and small records that are in a segment."""
        listing = self._list()
        self._delete(listing.void)
        if listing.small and listing.segments:
            small = pa.array([_sample_id(name) for name in listing.small], pa.string())
            copies = only_records(self._rows_of(small, listing.segments))["sample_id"]
            self._delete([_small_name(sample_id) for sample_id in copies.to_pylist()])

    def status_of(self, sample_id: str) -> Status | None:
        """The status in a record that was committed since this log was opened; None without a record."""
        if record := self.small_record(sample_id):
            return record.status
        for table in reversed(self._folded):
            index = pc.index(table["sample_id"], sample_id).as_py()
            if index >= 0:
                status = table["status"][index].as_py()
                return None if status == WITHDRAWN else status
        return None

    def count_small(self) -> int:
        """How many records are not folded yet."""
        return sum(1 for _ in self._folder.names(_NEW))

    def fold(self, keep: Collection[str] = ()) -> None:
        """Move the small records to a segment, except those of the samples in ``keep``.

        The small segments at the end of the log go into the new one, so that their number stays low.
        """
        listing = self._list()
        small = [name for name in listing.small if _sample_id(name) not in keep]
        for start in range(0, len(small), SEGMENT_ROWS):
            # Listing a million small records takes a second, so it is done once.
            listing, folded = self._fold(listing, small[start : start + SEGMENT_ROWS])
            self._delete(folded)

    def withdraw(self, sample_ids: Iterable[str]) -> None:
        """Mark that these samples have no record, so that they are generated again."""
        ids = list(sample_ids)
        if ids:
            self.fold()
            rows = pa.table({"sample_id": pa.array(ids, pa.string())})
            rows = rows.append_column("status", pa.array([WITHDRAWN] * len(ids), pa.string()))
            self._write("segment", self._list().next_generation, with_columns(rows))
            self._folded.append(rows)

    def compact(self) -> pa.Table:
        """Fold everything, write one base if that is worth its size, and return every record."""
        listing = self._list()
        if listing.is_one_base:
            return self.read()
        base_rows = listing.segments[0].rows if listing.segments and listing.segments[0].is_base else 0
        newer_rows = sum(segment.rows for segment in listing.segments) - base_rows + len(listing.small)
        if base_rows >= _LARGE_BASE and 4 * newer_rows < base_rows:
            self.fold()
            return self.read()
        table = self.read()
        if table.num_rows or listing.segments:
            self.rewrite(table)
        return table

    def rewrite(self, records: pa.Table) -> None:
        """Replace all records by these, after a change of finished records such as new scores."""
        listing = self._list()
        self._write("base", listing.next_generation, records)
        self._delete([*listing.void, *(segment.name for segment in listing.segments), *listing.small])

    # Files.

    def _list(self) -> _Listing:
        # Small records first: one that is folded before the second listing is in a segment of that listing.
        # Not sorted: the listing has the order in which the storage reads and deletes fastest.
        small = tuple(self._folder.names(_NEW))
        segments, void = self._segments()
        return _Listing(segments, small, void)

    def _segments(self) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
        """The valid segments by generation, and the names of the void ones."""
        # Without those below records/new: a listing of a million names takes seconds.
        found = [name for name in self._folder.children(_FOLDER) if name != f"{_NEW}/"]
        names = [name for name in found if not name.endswith("/")]
        for folder in set(found).difference(names):
            names += self._folder.names(folder.rstrip("/"))
        segments = sorted(self._segment(name) for name in names)
        base = max((segment.generation for segment in segments if segment.is_base), default=0)
        valid = tuple(segment for segment in segments if segment.generation >= base)
        return valid, tuple(segment.name for segment in segments if segment.generation < base)

    def _segment(self, name: str) -> Segment:
        if parts := _FILE.fullmatch(name):
            return Segment(int(parts["generation"]), name, int(parts["rows"]), parts["kind"] == "base")
        if _FIRST_VERSION.fullmatch(name):
            return Segment(0, name, 0, False)
        raise StoreError(f"{self._folder.uri}/{name} is damaged (its name is not a record's); delete it")

    def _valid_rows(self, listing: _Listing, reading: _Reading) -> pa.Table:
        """The valid row of each sample, the withdrawn ones included."""
        names = [segment.name for segment in listing.segments if segment.name not in reading.segments]
        read = partial(self._read_segment, columns=reading.columns)
        reading.segments |= zip(names, map_many(self._folder, read, names), strict=True)
        self._read_all_small([name for name in listing.small if name not in reading.small_names], reading)
        segments = [reading.segments[segment.name] for segment in listing.segments]
        small = pa.concat_tables([RECORDS.empty_table().select(reading.columns), *reading.small])
        if small.num_rows > len(listing.small):
            # A fold moved the others to a segment since they were read.
            ids = pa.array([_sample_id(name) for name in listing.small], pa.string())
            small = small.filter(pc.is_in(small["sample_id"], ids))
        return merge(segments, small)

    def _rows_of(self, sample_ids: pa.Array, segments: Sequence[Segment]) -> pa.Table:
        """Identity and status of these samples in the segments; the last one counts."""

        def read(segment: Segment) -> pa.Table:
            rows = self._read_segment(segment.name, ["sample_id", "status"])
            return rows.filter(pc.is_in(rows["sample_id"], sample_ids))

        return last_of_each(pa.concat_tables(map_many(self._folder, read, segments)))

    def _read_segment(self, name: str, columns: Sequence[str]) -> pa.Table:
        try:
            found = read_checked_parquet(self._folder.read(name), columns, ["sample_id", "status"])
            table = with_columns(found, columns)
            check_rows(table)
            return table
        except (pa.ArrowException, ValueError) as error:
            raise StoreError(
                f"{self._folder.uri}/{name} is damaged ({error}); it holds the records of many samples, so "
                "restore it from a copy: if you delete it, their videos are generated again"
            ) from error

    def _read_all_small(self, names: Sequence[str], reading: _Reading) -> None:
        for start in range(0, len(names), _READ_ROWS):
            part = names[start : start + _READ_ROWS]
            table = self._read_small_files(part, list(map_many(self._folder, self._folder.read, part)))
            reading.small.append(table.select(reading.columns))
            reading.small_names.update(part)

    def _read_small_files(self, names: Sequence[str], files: Sequence[bytes]) -> pa.Table:
        with contextlib.suppress(ValueError):
            table = read_records(files)
            if table["sample_id"].to_pylist() == [_sample_id(name) for name in names]:
                return table
        return to_table(map(self._parsed, names, files))

    def _read_small(self, name: str) -> Record:
        return self._parsed(name, self._folder.read(name))

    def _parsed(self, name: str, data: bytes) -> Record:
        """The record in a small file. Raises StoreError with the name of a damaged one."""
        try:
            record = Record.from_json(data)
            if name != _small_name(record.sample_id):
                raise ValueError(f"it is the record of sample {record.sample_id[:80]!r}")
            return record
        except ValueError as error:
            raise StoreError(
                f"{self._folder.uri}/{name} is damaged ({error}); delete it, and its video is generated again"
            ) from error

    def _fold(self, listing: _Listing, small: Sequence[str]) -> tuple[_Listing, list[str]]:
        """Copy these small records to a new segment; return the valid segments afterwards, and the files that
        it replaces."""
        ends = [
            index for index, one in enumerate(listing.segments) if one.is_base or one.rows >= SEGMENT_ROWS
        ]
        full = ends[-1] + 1 if ends else 0
        kept, short = listing.segments[:full], listing.segments[full:]
        table = self._valid_rows(_Listing(short, tuple(small)), _Reading(RECORDS.names))
        new = self._write("segment", listing.next_generation, table)
        self._folded.append(table.select(["sample_id", "status"]))
        return _Listing((*kept, new), ()), [*(segment.name for segment in short), *small]

    def _write(self, kind: str, generation: int, table: pa.Table) -> Segment:
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        name = f"{_FOLDER}/{kind}-{generation:012d}-{table.num_rows}"
        self._folder.write(name, sink.getvalue())
        return self._segment(name)

    def _delete(self, names: Iterable[str]) -> None:
        delete_many(self._folder, list(names))


def _small_name(sample_id: str) -> str:
    return f"{_NEW}/{sample_id}.json"


def _sample_id(name: str) -> str:
    return name.removeprefix(f"{_NEW}/").removesuffix(".json")
