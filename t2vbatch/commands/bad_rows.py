"""Bad rows of a plan: their samples get a record with the reason, and no worker sees them."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

from t2vbatch.errors import RowError
from t2vbatch.output.records import Record
from t2vbatch.output.store import Store
from t2vbatch.plan import Plan


def record_bad_rows(store: Store, plan: Plan, recorded: Collection[str]) -> None:
    """Commit a failed record for every sample of a bad row that has no record yet."""
    if not plan.bad:
        return
    for position, sample_id in enumerate(plan.table["sample_id"].to_pylist()):
        if sample_id in plan.bad and sample_id not in recorded:
            record = Record.of(plan.planned(position), "failed", attempts=0)
            now = datetime.now(UTC).isoformat()
            store.commit(
                replace(record, error_type=RowError.__name__, error=plan.bad[sample_id], finished_at=now)
            )
