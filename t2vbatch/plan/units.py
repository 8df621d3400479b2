"""Pending samples -> the units that pipeline calls are made of.  [pure]"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.job import Job
from t2vbatch.plan.plan import Plan, Unit


class Units(Sequence[Unit]):
    """The units of one model, longest first, made when asked for. ``positions`` is not empty."""

    def __init__(self, model: str, plan: Plan, positions: npt.NDArray[np.int64], batch: int) -> None:
        self._model, self._batch = model, batch
        table = plan.table.select(["cost", "call"]).take(pa.array(positions)).combine_chunks()
        cost = table["cost"].to_numpy()
        call = table["call"].combine_chunks().indices.to_numpy()
        order = np.lexsort((positions, call, -cost))
        self._positions, self._costs = positions[order], cost[order]
        # A unit ends where its batch is full, or where the call changes: one call has one set of arguments.
        call = call[order]
        changes = np.flatnonzero(np.diff(call, prepend=call[:1] - 1))
        ends = np.append(changes[1:], len(call))
        runs = [np.arange(start, end, batch) for start, end in zip(changes, ends, strict=True)]
        self._starts = np.concatenate(runs)
        self._ends = np.append(self._starts[1:], len(call))

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def position_count(self) -> int:
        """How many samples all units have together."""
        return len(self._positions)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        start, end = self._starts[index], self._ends[index]
        samples = tuple(int(position) for position in self._positions[start:end])
        return Unit(self._model, samples, float(self._costs[start]))


def position_count(units: Sequence[Unit]) -> int:
    """How many samples all units have together."""
    return units.position_count if isinstance(units, Units) else sum(len(unit.positions) for unit in units)


def pending(plan: Plan, records: pa.Table, job: Job) -> dict[str, Units]:
    """The units of all samples without a record, by model.

    Samples of one identity, such as those of two models that are the same but for their names, are one video:
    the first of them is made, and its record is every one's.
    """
    identities = plan.table["sample_id"].combine_chunks()
    first = pc.equal(pc.index_in(identities, identities), np.arange(len(plan), dtype=np.int32))
    missing = pc.and_(first, pc.invert(pc.is_in(identities, records["sample_id"])))
    models = plan.table["model"].cast(pa.string()).combine_chunks()
    units = {}
    for name, model in job.models.items():
        mask = pc.and_(missing, pc.equal(models, name)).to_numpy(zero_copy_only=False)
        positions = np.flatnonzero(mask)
        if len(positions):
            units[name] = Units(name, plan, positions, model.batch)
    return units
