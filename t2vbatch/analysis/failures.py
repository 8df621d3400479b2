"""Failed and degenerate samples of an output, those with one kind of error together.  [pure]"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import counted, error_kind

READ = ("sample_id", "status", "error_type", "error", "attempts", "traceback")
"""The columns of the records that ``failure_groups`` reads."""


@dataclass(frozen=True)
class FailureGroup:
    """Samples of one model that have the same kind of error (see ``errors.error_kind``).

    Attributes:
        status: ``failed`` or ``degenerate``.
        error: the error of the first sample.
        samples: ``row_id-sample_index`` of each sample, in the order of the plan.
        attempts: the largest number of attempts at one of them.
        traceback: the traceback of the first sample; None if its record has no traceback.
        texts: the number of different errors; each sample's own is in its record.
    """

    model: str
    status: str
    error_type: str
    error: str
    samples: tuple[str, ...]
    attempts: int
    traceback: str | None
    texts: int

    @property
    def title(self) -> str:
        """``20 samples of wan: RowError: the message``."""
        return f"{counted(len(self.samples), 'sample')} of {self.model}: {self.error_type}: {self.error}"


def failure_groups(planned: pa.Table, records: pa.Table) -> list[FailureGroup]:
    """The failures of all planned samples, the largest group first.

    Args:
        planned: the plan's table, with ``sample_id``, ``row_id``, ``model`` and ``sample_index``.
        records: one row per finished sample, with the columns READ.
    """
    bad = records.filter(pc.is_in(records["status"], pa.array(["failed", "degenerate"])))
    recorded = {row["sample_id"]: row for row in bad.to_pylist()}
    samples = planned.filter(pc.is_in(planned["sample_id"], bad["sample_id"]))
    columns = ["sample_id", "row_id", "model", "sample_index"]
    kinds = {error: error_kind(error) for error in {row["error"] or "" for row in recorded.values()}}
    members: dict[tuple[str, ...], list[tuple[str, dict[str, object]]]] = {}
    for sample in samples.select(columns).to_pylist():
        row = recorded[sample["sample_id"]]
        key = (sample["model"], row["status"], row["error_type"] or "", kinds[row["error"] or ""])
        members.setdefault(key, []).append((f"{sample['row_id']}-{sample['sample_index']}", row))
    groups = [_group(key, found) for key, found in members.items()]
    return sorted(groups, key=lambda group: -len(group.samples))


def _group(key: tuple[str, ...], members: Sequence[tuple[str, dict[str, object]]]) -> FailureGroup:
    model, status, error_type, _ = key
    first = members[0][1]
    trace = first.get("traceback")
    return FailureGroup(
        model,
        status,
        error_type or status,
        str(first["error"] or ""),
        samples=tuple(name for name, _ in members),
        attempts=max(int(str(row["attempts"])) for _, row in members),
        traceback=None if trace is None else str(trace),
        texts=len({row["error"] for _, row in members}),
    )
