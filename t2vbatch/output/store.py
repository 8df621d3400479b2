"""The output folder: its layout, and how a video and its record are published.

::

    drafts/SAMPLE_ID.json        the record of a video that is about to be published; deleted after the commit
    videos/MODEL/ROW-INDEX.mp4   published by a worker, before its record
    records/                     one record for each finished sample: see record_log.py
    job.yaml, plan.parquet       the job and the plan of the last run
    results.parquet, metadata.parquet, summary.json, report/    made from plan and records at any time
    status.json, lease.json      the run that writes this folder now

A sample is finished when its record exists, and only then. A process may die between any two writes: a
published video with a draft is adopted by the next attempt, a video without a draft is generated again, and
two copies of one record are one record.

Two attempts at one sample can overlap, because a worker that cannot be reached may still run. When both give
the same bytes, as pipelines should, their order does not matter. When they differ, file and record must still
come from one attempt. So an attempt that finds a record, or a published video with another's draft, leaves
both as they are and returns them. When two attempts publish at the same moment, the record follows the file
that remained.
"""

import contextlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from t2vbatch.errors import StoreError, UsageError
from t2vbatch.job import Job, dump_job, parse_job
from t2vbatch.media.video import digest_file
from t2vbatch.output.lease import Fenced, Lease
from t2vbatch.output.record_log import RecordLog
from t2vbatch.output.records import Record
from t2vbatch.storage.files import Folder, open_folder

_DRAFTS = "drafts"


class Store:
    """One output folder. Cheap to make, holds nothing open, and can be sent to a worker.

    Args:
        lease: the token of the lease under which it is written; from when that is lost, what writes raises
            LeaseHeldError. None is for who asks, and for a folder that nobody else knows.
    """

    def __init__(self, uri: str, lease: str | None = None) -> None:
        folder = open_folder(uri)
        self.folder: Folder = folder if lease is None else Fenced(folder, lease)
        self.log = RecordLog(self.folder)

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
            store = Store(self.uri, lease.token)
            store.folder.clean_staging()
            store.log.recover()
            yield store

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
        """Write the record of a finished sample. The first one wins; return whether this is the first."""
        won = self.log.create(record)
        if not won and (first := self.committed(record.sample_id)):
            replaced = record.video is not None and record.video_sha256 != first.video_sha256
            if replaced and self._holds(record):
                self.log.replace(record)
        self.folder.delete(_draft(record.sample_id))
        return won

    def committed(self, sample_id: str) -> Record | None:
        """The record of this sample, if one was committed and is not folded into a segment yet."""
        return self.log.small_record(sample_id)

    # For readers.

    def records(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Every record, one for each sample, with the schema RECORDS or these columns of it."""
        return self.log.read(columns)

    # For the driver, under the lease.

    def discard(self, sample_ids: Iterable[str]) -> None:
        """Withdraw these samples' records, so that the samples are generated again."""
        self.log.withdraw(sample_ids)

    def compact(self) -> pa.Table:
        """Fold all records into few files, and return them."""
        table = self.log.compact()
        self._drop_drafts(table)
        return table

    def rewrite(self, records: pa.Table) -> None:
        """Put these records in the place of all; for changes of finished records, such as new scores."""
        self.log.rewrite(records)

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


def no_run_here(store: Store, missing: str) -> UsageError:
    """What to raise where an output is asked for and there is none."""
    return UsageError(store.uri, f"no {missing}: no run has begun here", "the output folder of a run")


def open_store(uri: str) -> Store:
    """The output folder at a path or URI; nothing is written yet."""
    return Store(uri)


def _draft(sample_id: str) -> str:
    return f"{_DRAFTS}/{sample_id}.json"


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
