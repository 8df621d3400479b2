"""The output folder: videos, records, and the tables that are made from them.

What is in it, and who writes it::

    drafts/SAMPLE_ID.json             what a worker is about to publish; deleted once the record exists
    videos/MODEL/ROW-INDEX~ID.mp4     the current videos; a worker publishes one before its record
    superseded/MODEL/...              videos of samples that the plan no longer names; see ``superseded``
    records/...                       one record per finished sample, written last; see ``record_log``
    job.yaml, plan.parquet            the job and the plan of the last run
    scorers.json                      what computes each score now; see ``scored_by``
    distances.json, looks.json        what ``distance`` measured; how often ``compare`` was asked
    scores/, features/, batches/      from which an interrupted score, distance or ``batch: auto`` continues
    results.parquet, metadata.parquet, summary.json, report/, sheets/   made from records; may be deleted
    status.json, lease.json           the state of the run that is going on, or of the last one

A sample is finished when its record exists, and not before. The process may die at any line of this module:
the next attempt takes over a video that its draft describes, generates a video without a draft again, and
two copies of one record are one record.

Two attempts at one sample can overlap, because a worker that cannot be reached may still run. Where the
pipeline gives the same bytes twice, as it should, their order does not matter. Where it does not, the file
and its record must still come from one attempt: an attempt that finds a record, or another attempt's
published draft, leaves both alone and uses them; if two attempts publish at the same moment, the record is
that of the file that remains.
"""

import contextlib
import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from t2vbatch.errors import CombinedJobError, JobError, StoreError, UsageError
from t2vbatch.job import Job, dump_job, parse_job, parse_known_keys
from t2vbatch.job.secrets import redacted_value
from t2vbatch.media.video import digest_file
from t2vbatch.output.lease import LEASE_NAME, Fenced, Lease
from t2vbatch.output.record_log import RecordLog
from t2vbatch.output.records import Record
from t2vbatch.output.scored_by import Scorers
from t2vbatch.plan import Plan
from t2vbatch.plan.media import Hints
from t2vbatch.plan.parquet_file import DamagedFileError, read_checked_parquet
from t2vbatch.plan.stored import OtherPlanError, dump_plan, load_hints, load_plan
from t2vbatch.storage.access import check_access
from t2vbatch.storage.files import Folder, local_path, open_folder
from t2vbatch.storage.many import delete_many
from t2vbatch.storage.object_folder import SCHEMES

_log = logging.getLogger(__name__)

T = TypeVar("T")

_DRAFTS, _SCORERS = "drafts", "scorers.json"
_REQUIRED = {"plan.parquet": ("sample_id",), "results.parquet": ("row_id", "model", "status")}
"""Columns without which no command can use a table."""


class Store:
    """One output folder. It is cheap to make, keeps nothing open, and can be sent to a worker.

    Args:
        lease: the token of the lease under which the folder is written. After that lease is lost, every
            method that writes raises LeaseHeldError. None is for readers, and for a folder that no other
            process uses.
    """

    def __init__(self, uri: str, lease: str | None = None) -> None:
        folder = open_folder(uri)
        self.folder: Folder = folder if lease is None else Fenced(folder, lease)
        self.log = RecordLog(self.folder)

    @property
    def uri(self) -> str:
        """Path or URI of the folder."""
        return self.folder.uri

    @property
    def name(self) -> str:
        """The last part of the path or URI."""
        return self.uri.rstrip("/").rpartition("/")[2]

    @contextlib.contextmanager
    def lease(self) -> Iterator["Store"]:
        """Hold the output within the block: only the store that it gives, and copies of that, write here.

        Raises:
            LeaseHeldError: another process writes here.
        """
        with Lease(self.folder) as lease:
            store = Store(self.uri, lease.token)
            store.folder.clean_staging()
            store.log.recover()
            yield store

    def writer(self) -> str | None:
        """The process that writes here now, in words; None if no process does."""
        return Lease(self.folder).holder()

    # Workers.

    def publish(self, record: Record, local: Path) -> Record:
        """Move a finished video, a file or a folder of frames, to the name in its record.

        Returns:
            The record of the video that has this name afterwards: this record, whose video replaced what was
            there; or that of an earlier attempt at this sample, whose video stays.
        """
        if earlier := self.committed(record.sample_id):
            return earlier
        draft = _draft(record.sample_id)
        # A draft that a power cut destroys costs what was in progress, and find_orphan reads no damaged one.
        if not self.folder.create(draft, record.to_json(), durable="no"):
            if record.video and (earlier := self.find_orphan(record.sample_id, record.video)):
                return earlier
            self.folder.write(draft, record.to_json(), durable="no")
        self._place(str(record.video), local)
        return record

    def find_orphan(self, sample_id: str, video: str) -> Record | None:
        """The draft of a sample whose video has this name, and whose record was never written.

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
        """A published video, a file or a folder of frames, as a local path; a copy if the storage is
        remote.

        Raises:
            FileNotFoundError: there is no video of that name.
        """
        with self.folder.local(name) as path:
            yield path

    def _holds(self, record: Record) -> bool:
        """Whether the published video is this record's."""
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
        """Write the record of a finished sample. The first one wins; returns whether this one did."""
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

    # The run, one at a time, under the lease.

    def records(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Every record, one for each sample, with the schema RECORDS or these columns of it."""
        return self.log.read(columns)

    def discard(self, sample_ids: Iterable[str]) -> None:
        """Withdraw these samples' records, so that the samples are generated again."""
        self.log.withdraw(sample_ids)

    def compact(self) -> pa.Table:
        """Fold all records into few files, delete drafts that have become records, and return all records."""
        table = self.log.compact()
        names = list(self.folder.names(_DRAFTS))
        finished = pc.is_in(pa.array([Path(name).stem for name in names], pa.string()), table["sample_id"])
        delete_many(
            self.folder, [name for name, done in zip(names, finished.to_pylist(), strict=True) if done]
        )
        return table

    def rewrite(self, records: pa.Table) -> None:
        """Replace all records by these, after a change of finished records such as new scores."""
        self.log.rewrite(records)

    def write_job(self, job: Job) -> None:
        """Write the resolved job."""
        self.folder.write("job.yaml", dump_job(job).encode())

    def read_job(self) -> Job:
        """The job of the last run. Its output is this folder, which may have been moved since.

        Raises:
            UsageError: no run has begun here, or this version cannot use a key of the job.
        """
        return self._parsed_job(parse_job).model_copy(update={"output": self.uri})

    def read_known_job(self) -> Job:
        """As ``read_job``, without the keys that this version does not know: a warning names them.

        For commands that neither generate nor score.
        """
        job, unknown = self._parsed_job(parse_known_keys)
        if unknown:
            names = ", ".join(unknown)
            _log.warning("%s/job.yaml: this version of t2vbatch ignores unknown keys: %s", self.uri, names)
        return job.model_copy(update={"output": self.uri})

    def _parsed_job(self, parse: Callable[[str, str], T]) -> T:
        try:
            return parse(self.folder.read("job.yaml").decode(), f"{self.uri}/job.yaml")
        except FileNotFoundError:
            raise no_run_here(self, "job.yaml") from None
        except JobError as error:
            raise _with_advice(error) from None

    def write_plan(self, plan: Plan) -> None:
        """Write the plan, with everything that later commands need of manifest and models."""
        self.folder.write("plan.parquet", dump_plan(plan))

    def read_plan(self) -> Plan:
        """The plan of the last run.

        Raises:
            UsageError: no run has begun here, or another version of this program wrote the plan.
        """
        where = f"{self.uri}/plan.parquet"
        try:
            return load_plan(self.folder.read("plan.parquet"))
        except FileNotFoundError:
            raise no_run_here(self, "plan.parquet") from None
        except OtherPlanError as error:
            fix = "run the job again; it keeps the videos that exist"
            found = f"a plan that cannot be used: {error}"
            raise UsageError(where, found, "a plan of this version", fix) from None
        except DamagedFileError as error:
            raise StoreError(f"{where} is damaged ({error}); run the job again") from error

    def read_hints(self) -> Hints:
        """What the next plan may reuse from the last one; no hints if the output has no readable plan."""
        with contextlib.suppress(FileNotFoundError, OtherPlanError, DamagedFileError):
            return load_hints(self.folder.read("plan.parquet"))
        return Hints()

    def write_scorers(self, scorers: Scorers) -> None:
        """Write what computes each score now; columns that it does not name stay as they are."""
        before = self.read_scorers()
        if dict(before) != (now := {**before, **scorers}):
            self.write_json(_SCORERS, now)

    def read_scorers(self) -> Scorers:
        """What computes each score now; empty if no scorer was written."""
        with contextlib.suppress(FileNotFoundError):
            found = self.read_json(_SCORERS)
            return {str(name): str(value) for name, value in dict(found).items()}
        return {}

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a Parquet file, whole or not at all."""
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        self.folder.write(name, sink.getvalue())

    def read_table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a Parquet file. Raises FileNotFoundError, and StoreError if it is damaged."""
        try:
            return read_checked_parquet(self.folder.read(name), columns, columns or _REQUIRED.get(name, ()))
        except DamagedFileError as error:
            raise StoreError(f"{self.uri}/{name} is damaged ({error}); delete it and run again") from error

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file, whole or not at all."""
        text = json.dumps(redacted_value(value), indent=2, ensure_ascii=False)
        self.folder.write(name, (text + "\n").encode())

    def read_json(self, name: str) -> Any:
        """Read a JSON file. Raises FileNotFoundError, and StoreError if it is damaged."""
        try:
            return json.loads(self.folder.read(name))
        except ValueError as error:
            raise StoreError(f"{self.uri}/{name} is damaged ({error}); delete it and run again") from error


def no_run_here(store: Store, missing: str) -> UsageError:
    """The error for a place that is not the output folder of a run, or lacks a file of it."""
    found, fix = f"no {missing}: no run has begun here", ""
    if "://" not in store.uri:
        place = Path(store.uri)
        if place.is_file():
            found, fix = "a file", "name the folder that the key output of the job names"
        elif not place.exists():
            found = "no such folder"
        elif missing == "results.parquet" and (place / "plan.parquet").exists():
            found = f"no {missing}: no run has ended here"
            fix = f"wait for the run, or write it from the finished samples: t2vbatch report {store.uri}"
    return UsageError(store.uri, found, "the output folder of a run", fix)


def _with_advice(error: UsageError) -> UsageError:
    """The problem of an output's job with what to do, if it lacks that: only a run writes this file."""
    if isinstance(error, CombinedJobError):
        return CombinedJobError([_with_advice(one) for one in error.errors])
    fix = "if another version of t2vbatch wrote this file, run the job again; it keeps the finished videos"
    return type(error)(error.where, error.found, error.expected, error.fix or fix)


def open_store(uri: str, where: str = "", kind: type[UsageError] = UsageError) -> Store:
    """The output folder at a path or URI; this writes nothing.

    Args:
        where: the job key that names the folder; default: the URI itself.
        kind: the class of the error.

    Raises:
        UsageError: the URI is not one of a folder, or the object store does not answer or denies access.
        StoreError: the object store refuses the URI.
    """
    if local_path(uri) is None and uri.partition("://")[0] not in SCHEMES:
        found = uri if where else "a URI that is not one of a folder"
        raise kind(where or uri, found, "a local path or an s3://, gs:// or az:// URI")
    check_access(uri, LEASE_NAME, where, kind)
    return Store(uri)


def _draft(sample_id: str) -> str:
    return f"{_DRAFTS}/{sample_id}.json"
