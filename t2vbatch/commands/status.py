"""The state of an output, from its files alone: any process may ask, at any time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from t2vbatch.commands.pace import remaining_s
from t2vbatch.commands.status_file import StatusCounts, count, counts_of, read_status_file
from t2vbatch.output.store import Store, no_run_here


@dataclass(frozen=True)
class Status:
    """Numbers of samples; planned = ok + degenerate + failed + pending.

    Attributes:
        failures: error type: how many samples have it.
        writer: the process that writes the output now, by its lease; None if no process does.
        steps: denoising steps that the workers reported; the number grows while a long call goes on.
        heard_s: seconds since the run last wrote its status, by this machine's clock.
        starting: what the run waits for, such as ``loading wan on 2 workers``; None once a worker is ready.
        starting_s: seconds that the run has waited for it.
        rate_per_min: samples that the active run finishes per minute, as its own display shows it; None
            without an active run.
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
    """Read status.json; the records are counted only if a run was killed before it wrote its counts.

    Raises:
        UsageError: no run has begun here.
    """
    writer = store.writer()
    written = read_status_file(store)
    counts = counts_of(written) if writer or written.get("complete") else None
    if counts is None:
        counts = _counted(store)
    running: Mapping[str, Any] = written.get("this_run", {}) if writer else {}
    rate = written.get("rate_per_min") if running else None
    starting = written.get("waits_for") if running else None
    return Status(
        output=store.uri,
        planned=counts.planned,
        ok=counts.ok,
        degenerate=counts.degenerate,
        failed=counts.failed,
        pending=counts.pending,
        failures=dict(counts.failures),
        writer=writer,
        workers=running.get("workers"),
        steps=running.get("steps"),
        heard_s=_age_s(written["written_at"]) if running else None,
        starting=starting,
        starting_s=_age_s(written["waits_since"]) if starting else None,
        rate_per_min=rate,
        eta_s=remaining_s(counts.pending, rate) if writer else None,
    )


def _counted(store: Store) -> StatusCounts:
    try:
        planned = store.read_table("plan.parquet", ["sample_id"])
    except FileNotFoundError:
        raise no_run_here(store, "plan.parquet") from None
    return count(planned["sample_id"], store.records(["sample_id", "status", "error_type"]))


def _age_s(at: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
