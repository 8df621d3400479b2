"""The output folder: videos, records, and the tables that are made from them.

What is there, and who writes it::

    drafts/SAMPLE_ID.json        what a worker is about to publish; gone when the record is there
    videos/MODEL/ROW-INDEX.mp4   published by a worker, before its record
    records/new/SAMPLE_ID.json   one finished sample: created once, last, by the worker that made it
    records/all-DIGEST           every record so far in one Parquet file, which replaces the small ones
    job.yaml, plan.parquet       what the last run was asked to make
    results.parquet, metadata.parquet, summary.json, report/    made from records; deleted and rebuilt at will
    status.json, lease.json      the run that is going on

A sample is finished when its record exists, and only then. All that this module does may die at any line:
a video that its draft describes is taken over by the next attempt, one without is made again, two copies of
one record are one record.

Attempts at one sample can overlap, because a worker that cannot be reached may live. Where the pipeline gives
the same bytes twice, as it should, their order is nothing to anybody. Where it does not, the file and its
record must still be one attempt's: who comes when the record is there, or another's published draft, leaves
both alone and takes them for its own; and where two published at the same moment, the record is made that of
the file which stayed.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from t2vbatch.errors import StoreError, UsageError
from t2vbatch.job import Job, dump_job, parse_job
from t2vbatch.media.video import digest_file
from t2vbatch.output.lease import Fenced, Lease
from t2vbatch.output.records import RECORDS, Record, to_table
from t2vbatch.storage.files import Folder, open_folder

_NEW = "records/new"
_DRAFTS = "drafts"
_CHUNK = 4096


class Store:
    """One output folder. Cheap to make, holds nothing open, and can be sent to a worker.

    Args:
        lease: the token of the lease under which it is written; from when that is lost, what writes raises
            LeaseHeldError. None is for who asks, and for a folder that nobody else knows.
    """

    def __init__(self, uri: str, lease: str | None = None) -> None:
        folder = open_folder(uri)
        self.folder: Folder = folder if lease is None else Fenced(folder, lease)

    @property
    def uri(self) -> str:
        """Where it is, as a path or URI."""
        return self.folder.uri

    @property
    def name(self) -> str:
        """What people call it: the last part of where it is."""
        return self.uri.rstrip("/").rpartition("/")[2]

    @contextlib.contextmanager
    def lease(self) -> Iterator["Store"]:
        """Hold the output within the block: the store that comes with it, and its copies, alone write here.

        Raises:
            LeaseHeldError: another process writes here.
        """
        with Lease(self.folder) as lease:
            yield Store(self.uri, lease.token)

    def writer(self) -> str | None:
        """Who writes here now, in words; None for nobody."""
        return Lease(self.folder).holder()

    # What workers do.

    def publish(self, record: Record, local: Path) -> Record:
        """Move a finished video, a file or a folder of frames, to the name that its record gives.

        Returns:
            The record of what lies there then: this one, and what was there is replaced; or that of an
            earlier attempt at this sample, whose video stays.
        """
        if earlier := self.committed(record.sample_id):
            return earlier
        draft = _draft(record.sample_id)
        if not self.folder.create(draft, record.to_json()):
            if record.video and (earlier := self.find_orphan(record.sample_id, record.video)):
                return earlier
            self.folder.write(draft, record.to_json())
        self._place(str(record.video), local)
        return record

    def find_orphan(self, sample_id: str, video: str) -> Record | None:
        """The draft of a sample whose video lies under this name, and whose record was never written.

        The draft names sample and digest, so that another sample's file is never taken for this one's.
        """
        try:
            draft = Record.from_json(self.folder.read(_draft(sample_id)))
        except (FileNotFoundError, ValueError):
            return None
        if (draft.sample_id, draft.video) != (sample_id, video):
            return None
        return draft if self._holds(draft) else None

    @contextlib.contextmanager
    def video(self, name: str) -> Iterator[Path]:
        """A published video, file or folder of frames, as a path on this machine; a copy where it must be.

        Raises:
            FileNotFoundError: nothing has that name.
        """
        with self.folder.local(name) as path:
            yield path

    def _holds(self, record: Record) -> bool:
        """Whether the video that lies there is this record's."""
        try:
            with self.video(str(record.video)) as path:
                return digest_file(path)[0] == record.video_sha256
        except FileNotFoundError:
            return False

    def _place(self, name: str, local: Path) -> None:
        if not local.is_dir():
            self.folder.publish(name, local)
            return
        frames = sorted(local.iterdir())
        for frame in frames:
            self.folder.publish(f"{name}/{frame.name}", frame)
        kept = {f"{name}/{frame.name}" for frame in frames}
        for stale in set(self.folder.names(name)) - kept:
            self.folder.delete(stale)

    def commit(self, record: Record) -> bool:
        """Write the record of a finished sample. The first one wins; whether this was it."""
        won = self.folder.create(_new(record.sample_id), record.to_json())
        if not won and (first := self.committed(record.sample_id)):
            replaced = record.video is not None and record.video_sha256 != first.video_sha256
            if replaced and self._holds(record):
                self.folder.write(_new(record.sample_id), record.to_json())
        self.folder.delete(_draft(record.sample_id))
        return won

    def committed(self, sample_id: str) -> Record | None:
        """The record of this sample that was written since the last compaction, if there is one."""
        try:
            return self._read_record(_new(sample_id))
        except FileNotFoundError:
            return None

    # What the run does, one at a time, under the lease.

    def records(self) -> pa.Table:
        """Every record, one a sample, with the schema RECORDS."""
        return self._read_records()[0]

    def discard(self, sample_ids: Iterable[str]) -> None:
        """Forget these samples' records, so that they are made again."""
        unwanted = pa.array(list(sample_ids), pa.string())
        if not len(unwanted):
            return
        table, files = self._read_records()
        kept = table.filter(pc.invert(pc.is_in(table["sample_id"], unwanted)))
        if kept.num_rows < table.num_rows:
            self._replace_records(kept, files)

    def compact(self) -> pa.Table:
        """Move all records into one file, and return them."""
        table, files = self._read_records()
        if files:
            self._replace_records(table, files)
        self._drop_drafts(table)
        return table

    def rewrite(self, records: pa.Table) -> None:
        """Put these records in the place of all; for what changes in one after it was written: its scores."""
        self._replace_records(records, self._read_records()[1])

    def write_job(self, job: Job) -> None:
        """Write the resolved job."""
        self.folder.write("job.yaml", dump_job(job).encode())

    def read_job(self) -> Job:
        """The job of the last run; its output is where the folder is now, as that may have been moved since.

        Raises:
            UsageError: no run has begun here.
        """
        try:
            text = self.folder.read("job.yaml").decode()
        except FileNotFoundError:
            raise no_run_here(self, "job.yaml") from None
        return parse_job(text, f"{self.uri}/job.yaml").model_copy(update={"output": self.uri})

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a Parquet file, whole or not at all."""
        self.folder.write(name, _parquet(table))

    def read_table(self, name: str) -> pa.Table:
        """Read a Parquet file. Raises FileNotFoundError, and StoreError where it is damaged."""
        try:
            return pq.read_table(io.BytesIO(self.folder.read(name)))
        except pa.ArrowException as error:
            raise StoreError(f"{self.uri}/{name} is damaged ({error}); delete it and run again") from error

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file, whole or not at all."""
        self.folder.write(name, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())

    def read_json(self, name: str) -> Any:
        """Read a JSON file. Raises FileNotFoundError, and StoreError where it is damaged."""
        try:
            return json.loads(self.folder.read(name))
        except ValueError as error:
            raise StoreError(f"{self.uri}/{name} is damaged ({error}); delete it and run again") from error

    def _drop_drafts(self, records: pa.Table) -> None:
        """Delete what workers left that died between their commit and their next line."""
        names = [name.rpartition("/")[2].removesuffix(".json") for name in self.folder.names(_DRAFTS)]
        drafts = pa.array(names, pa.string())
        for sample_id in drafts.filter(pc.is_in(drafts, records["sample_id"])).to_pylist():
            self.folder.delete(_draft(sample_id))

    def _read_records(self) -> tuple[pa.Table, list[str]]:
        """All records, and the files that they came from."""
        files = sorted(self.folder.names("records"))
        compacted = [name for name in files if not name.startswith(_NEW)]
        loose = [name for name in files if name.startswith(_NEW)]
        tables = [self._read_compacted(name) for name in compacted]
        for start in range(0, len(loose), _CHUNK):
            tables.append(to_table(map(self._read_record, loose[start : start + _CHUNK])))
        table = pa.concat_tables([RECORDS.empty_table(), *tables])
        return _first_of_each(table), files

    def _read_compacted(self, name: str) -> pa.Table:
        try:
            return _widened(pq.read_table(io.BytesIO(self.folder.read(name))))
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise StoreError(
                f"{self.uri}/{name} is damaged ({error}); it holds every record up to the last run, so "
                "restore it from a copy: what it held is made again if it is deleted"
            ) from error

    def _read_record(self, name: str) -> Record:
        try:
            record = Record.from_json(self.folder.read(name))
            if name != _new(record.sample_id):
                raise ValueError(f"it is of sample {record.sample_id[:80]!r}")
            return record
        except ValueError as error:
            raise StoreError(
                f"{self.uri}/{name} is damaged ({error}); delete it, and its video is made again"
            ) from error

    def _replace_records(self, table: pa.Table, old: list[str]) -> None:
        data = _parquet(table)
        # Named by content: dying before the old files are gone leaves copies, which are one record each.
        # No .parquet ending: tools that read a whole folder of Parquet must not take this for results.
        name = f"records/all-{hashlib.sha256(data).hexdigest()[:16]}"
        if name not in old:
            self.folder.write(name, data)
        for file in old:
            if file != name:
                self.folder.delete(file)


def no_run_here(store: Store, missing: str) -> UsageError:
    """What to raise where an output is asked for and there is none."""
    return UsageError(store.uri, f"no {missing}: no run has begun here", "the output folder of a run")


def open_store(uri: str) -> Store:
    """The output folder at a path or URI; nothing is written yet."""
    return Store(uri)


def _new(sample_id: str) -> str:
    return f"{_NEW}/{sample_id}.json"


def _draft(sample_id: str) -> str:
    return f"{_DRAFTS}/{sample_id}.json"


def _widened(records: pa.Table) -> pa.Table:
    """Records of an earlier version, which has not known every column."""
    for field in RECORDS:
        if field.name not in records.column_names:
            records = records.append_column(field, pa.nulls(records.num_rows, field.type))
    return records.select(RECORDS.names).cast(RECORDS)


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _first_of_each(table: pa.Table) -> pa.Table:
    """One row a sample. Compacted records come first, so a late copy of a record never replaces it."""
    positions = pa.array(range(table.num_rows), pa.int64())
    firsts = (
        table.append_column("_position", positions).group_by("sample_id").aggregate([("_position", "min")])
    )
    return table.take(firsts["_position_min"].sort()) if table.num_rows else table
