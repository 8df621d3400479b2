"""Where an output stands, from its files alone: any process may ask, at any time."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from t2vbatch.output.store import Store, no_run_here


@dataclass(frozen=True)
class Status:
    """Counts of samples; planned = ok + degenerate + failed + pending.

    Attributes:
        failures: error type: how many samples ended with it.
        writer: who is writing the output now, as far as its lease says; None for nobody.
        steps: denoising steps that its workers have told of; they grow while a long call goes on.
        heard_s: seconds since it last told of itself, by this machine's clock.
        starting: what its workers are being started for, such as ``loading wan on 2 workers``; None once one
            of them is ready.
        starting_s: for how long that has been so.
        rate_per_min: samples that became finished a minute, over the last ten minutes; None where none did.
        eta_s: seconds until nothing is pending at that rate.
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


_WINDOW_S = 600


def read_status(store: Store) -> Status:
    """Read the plan and the records. Raises UsageError where no run has begun."""
    try:
        planned = store.read_table("plan.parquet")
    except FileNotFoundError:
        raise no_run_here(store, "plan.parquet") from None
    records = store.records()
    found = pc.index_in(planned["sample_id"], records["sample_id"])
    records = records.take(found.drop_null())
    counts = _counts(records["status"])
    pending = planned.num_rows - records.num_rows
    rate = _rate(records)
    lease = store.writer()
    running: dict[str, Any] = {}
    if lease:
        with contextlib.suppress(FileNotFoundError):
            running = store.read_json("status.json")
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
        eta_s=60 * pending / rate if rate and lease else None,
    )


def _counts(column: Any) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column).to_pylist()}


def _age_s(at: datetime) -> float:
    return (datetime.now(UTC) - at).total_seconds()


def _rate(records: Any) -> float | None:
    ages = [_age_s(at) for at in records["finished_at"].drop_null().to_pylist()]
    recent = [age for age in ages if 0 <= age <= _WINDOW_S]
    return 60 * len(recent) / max(max(recent), 1.0) if recent else None
