"""status.json: the progress of an output in one small file, however many samples it has.

The run writes it every few seconds, and the command that rebuilds the tables writes it last. ``complete``
says that it counts every record. After a run that died it is false, and the records have to be counted.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.commands.pace import Pace
from t2vbatch.errors import StoreError
from t2vbatch.output.records import count_values
from t2vbatch.output.store import Store
from t2vbatch.plan import Plan

if TYPE_CHECKING:
    # For annotations only: neither status nor a refused job needs an engine.
    from t2vbatch.engines import Progress

STATUS = "status.json"

# Often enough for a person who watches, and rare enough for an object store that bills by the request.
_EVERY_S = 2.0


@dataclass(frozen=True)
class StatusCounts:
    """Samples of a plan; planned = ok + degenerate + failed + pending.

    Attributes:
        failures: error type: how many samples have it.
    """

    planned: int
    ok: int
    degenerate: int
    failed: int
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """Number of samples without a record."""
        return self.planned - self.ok - self.degenerate - self.failed


def count(sample_ids: pa.ChunkedArray, records: pa.Table) -> StatusCounts:
    """Count the planned samples by their records.

    Args:
        records: with ``sample_id``, ``status`` and ``error_type``.
    """
    found = pc.index_in(sample_ids, records["sample_id"].combine_chunks()).drop_null()
    statuses = count_values(records["status"].take(found))
    return StatusCounts(
        planned=len(sample_ids),
        ok=statuses.get("ok", 0),
        degenerate=statuses.get("degenerate", 0),
        failed=statuses.get("failed", 0),
        failures=count_values(records["error_type"].take(found)),
    )


def write_complete(store: Store, counts: StatusCounts, published: Mapping[str, str]) -> None:
    """Write the status of an output that no run is writing; ``published`` as in ``published.py``."""
    status = {"complete": True, "counts": _as_json(counts), "published": dict(published)}
    store.write_json(STATUS, {"written_at": _now()} | status)


def read_status_file(store: Store) -> Mapping[str, Any]:
    """The content of status.json; empty if the file is missing or damaged."""
    with contextlib.suppress(FileNotFoundError, StoreError):
        found = store.read_json(STATUS)
        return found if isinstance(found, dict) else {}
    return {}


def read_published(store: Store) -> Mapping[str, str] | None:
    """What the last command that wrote tables and report gave to ``write_complete``; None after a run that
    died."""
    found = read_status_file(store)
    return found.get("published") if found.get("complete") else None


@dataclass
class StatusWriter:
    """Writes status.json while a run goes on, at most once in _EVERY_S unless its workers start or end.

    Attributes:
        before: the counts when the run began.
        exact: whether each pending sample has a record of its own. Equal samples share a record, so the
            counts do not follow from the progress of the run.
    """

    store: Store
    before: StatusCounts
    exact: bool
    started_at: str = field(default_factory=lambda: _now())
    failures: Counter[str] = field(default_factory=Counter)
    written: float = 0.0
    waits_for: str | None = None
    waits_since: str = ""
    pace: Pace = field(default_factory=Pace)

    @classmethod
    def begin(cls, store: Store, plan: Plan, records: pa.Table) -> "StatusWriter":
        """The writer of a run that begins now; ``records`` as for ``count``."""
        before = count(plan.table["sample_id"], records)
        return cls(store, before, exact=not plan.has_equal_samples)

    def failed(self, error_type: str) -> None:
        """Count a sample that the run gave up on."""
        self.failures[error_type] += 1

    def write(self, progress: "Progress") -> None:
        """Write the state of the run, if it is time."""
        now, changed = time.monotonic(), progress.waits_for != self.waits_for
        if changed:
            self.waits_for, self.waits_since = progress.waits_for, _now()
        if not progress.waits_for:
            self.pace.add(progress.ok + progress.degenerate + progress.failed)
        over = not (progress.running or progress.pending)
        if changed or over or now - self.written >= _EVERY_S:
            self.written = now
            self.store.write_json(STATUS, self._status(progress))

    def _status(self, progress: "Progress") -> dict[str, Any]:
        return {
            "started_at": self.started_at,
            "written_at": _now(),
            "complete": False,
            "counts": _as_json(self._counts(progress)) if self.exact else None,
            "rate_per_min": self.pace.rate_per_min(),
            "waits_for": self.waits_for,
            "waits_since": self.waits_since,
            "this_run": {name: value for name, value in asdict(progress).items() if name != "measuring"},
        }

    def _counts(self, progress: "Progress") -> StatusCounts:
        return StatusCounts(
            planned=self.before.planned,
            ok=self.before.ok + progress.ok,
            degenerate=self.before.degenerate + progress.degenerate,
            failed=self.before.failed + progress.failed,
            failures=dict(Counter(self.before.failures) + self.failures),
        )


def counts_of(status: Mapping[str, Any]) -> StatusCounts | None:
    """The counts in status.json; None if they are missing, or another program damaged them."""
    found = status.get("counts")
    try:
        counts = (
            StatusCounts(**{name: found[name] for name in StatusCounts.__dataclass_fields__})
            if found
            else None
        )
    except (KeyError, TypeError):
        return None
    numbers = (counts.planned, counts.ok, counts.degenerate, counts.failed) if counts else ()
    return counts if all(isinstance(number, int) for number in numbers) else None


def _as_json(counts: StatusCounts) -> dict[str, Any]:
    return asdict(counts) | {"pending": counts.pending}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
