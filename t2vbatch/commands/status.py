"""How far an output is, from its files alone: any process may read it at any time."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from t2vbatch.commands.pace import rate_per_min, remaining_s
from t2vbatch.output.store import Store, no_run_here


@dataclass(frozen=True)
class Status:
    """Counts of samples; planned = ok + degenerate + failed + pending.

    Attributes:
        failures: error type: number of samples with it.
        writer: the process that writes the output now, from its lease; None if no run is active.
        steps: denoising steps that its workers have reported; the number grows during a long call.
        heard_s: seconds since its last report, by this machine's clock.
        starting: what it waits for, such as ``loading wan on 2 workers``; None once a worker is ready.
        starting_s: seconds for which that has been so.
        rate_per_min: samples that the active run finishes per minute, as its own display shows it; without an
            active run, the rate of the last one, if it finished a sample in the last ten minutes.
        eta_s: seconds until nothing is pending at that rate; None without an active run.
    """

    output: str
    planned: int
    ok: int
    degenerate: int
    failed: int
    pending: int
    failures: dict[str, int]
    writer: str | None
    workers: int | None
    steps: int | None
    heard_s: float | None
    starting: str | None
    starting_s: float | None
    rate_per_min: float | None
    eta_s: float | None


def read_status(store: Store) -> Status:
    """Read the plan and the records. Raises UsageError where no run was started."""
    try:
        planned = store.read_table("plan.parquet")
    except FileNotFoundError:
        raise no_run_here(store, "plan.parquet") from None
    records = store.records()
    found = pc.index_in(planned["sample_id"], records["sample_id"])
    records = records.take(found.drop_null())
    counts = _counts(records["status"])
    pending = planned.num_rows - records.num_rows
    lease = store.writer()
    running: dict[str, Any] = {}
    if lease:
        with contextlib.suppress(FileNotFoundError):
            running = store.read_json("status.json")
    rate = _rate(records, running.get("started_at"))
    return Status(
        output=store.uri,
        planned=planned.num_rows,
        ok=counts.get("ok", 0),
        degenerate=counts.get("degenerate", 0),
        failed=counts.get("failed", 0),
        pending=pending,
        failures=_counts(records["error_type"].drop_null()),
        writer=lease,
        workers=running["this_run"]["workers"] if running else None,
        steps=running["this_run"].get("steps") if running else None,
        heard_s=_age_s(datetime.fromisoformat(running["written_at"])) if running else None,
        starting=running.get("waits_for"),
        starting_s=_age_s(datetime.fromisoformat(running["waits_since"]))
        if running.get("waits_for")
        else None,
        rate_per_min=rate,
        eta_s=remaining_s(pending, rate) if lease else None,
    )


def _counts(column: Any) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column).to_pylist()}


def _age_s(at: datetime) -> float:
    return (datetime.now(UTC) - at).total_seconds()


def _rate(records: Any, run_started_at: str | None) -> float | None:
    """The rate of the run that began then, or of all records without an active run."""
    if run_started_at is not None:
        records = records.filter(
            pc.greater_equal(records["finished_at"], datetime.fromisoformat(run_started_at))
        )
    finished = [_age_s(at) for at in records["finished_at"].drop_null().to_pylist()]
    started = [_age_s(at) for at in records["started_at"].drop_null().to_pylist()]
    return rate_per_min(finished, max(started or finished, default=0.0))
